/** Claims of replicas, taken away while their StatefulSet stays. */

import type { Kube } from './kube.ts'
import type { Store } from './store.ts'
import { until } from './until.ts'

/** Where the claim of a replica is asked for. */
export function claimOf(store: Store, ordinal: number): string {
  return store.core('persistentvolumeclaims', `data-${store.name}-${ordinal}`)
}

/**
 * Deletes the claims and the Pods of these replicas; resolves when each has a new claim. `grace_s`:
 * of the Pods.
 */
export async function loseClaims(
  kube: Kube,
  store: Store,
  ordinals: readonly number[],
  grace_s?: number,
): Promise<void> {
  const before = new Set<string>()
  for (const ordinal of ordinals) {
    before.add((await kube.get(claimOf(store, ordinal))).metadata.uid)
    await kube.delete(claimOf(store, ordinal))
  }
  await Promise.all(ordinals.map((ordinal) => store.deletePod(ordinal, grace_s)))
  for (const ordinal of ordinals) {
    await until(`there is a new claim for ${store.name}-${ordinal}`, async () => {
      const made = await kube.find(claimOf(store, ordinal))
      if (made !== undefined) return !before.has(made.metadata.uid)
      // The Pod may have been made anew before its claim was gone: it waits for one, in vain.
      const pod = await kube.find(store.core('pods', `${store.name}-${ordinal}`))
      if (pod?.metadata.deletionTimestamp === undefined) await store.deletePod(ordinal, 0)
      return false
    })
  }
}
