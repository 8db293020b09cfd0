/**
 * Keeps Pods of a release from starting for a while, by taking away a ConfigMap that they mount:
 * what runs goes on, what is made anew waits for its volume. It needs no rights on nodes, and the
 * Pods are there, so that the StatefulSet's controller goes on as with any Pod that does not become
 * ready.
 */

import type { Kube } from './kube.ts'
import type { Store } from './store.ts'

export async function holdStarts(kube: Kube, store: Store): Promise<{ release(): Promise<void> }> {
  const target = store.core('configmaps', `${store.name}-topology`)
  const { metadata, data } = await kube.get(target)
  await kube.delete(target)
  const { name, labels, annotations } = metadata
  let held = true
  return {
    /** May be called again. */
    release: async () => {
      if (!held) return
      held = false
      await kube.create(store.core('configmaps'), { metadata: { name, labels, annotations }, data })
    },
  }
}
