/**
 * `GET /v1/cluster`: the pictures of all replicas that answer, merged. Each replica's own row comes
 * from itself; one that does not answer is `unreachable`; leader and membership come from the
 * picture of the highest term.
 */

import type { ClusterView, ReplicaView } from '../database/kv/frame-types.ts'

/** Merges the pictures by the ordinals of their painters; undefined when there is none. */
export function mergeClusterViews(
  views: ReadonlyMap<number, ClusterView>,
): ClusterView | undefined {
  const base = newest(views)
  if (base === undefined) return undefined
  const ordinals = new Set<number>(views.keys())
  for (const replica of base.replicas) ordinals.add(replica.ordinal)
  const replicas: ReplicaView[] = []
  for (const ordinal of [...ordinals].sort((one, other) => one - other)) {
    const told = rowOf(base, ordinal)
    const view = views.get(ordinal)
    const own = view === undefined ? undefined : rowOf(view, ordinal)
    if (own !== undefined) replicas.push({ ...own, lag: own.lag ?? told?.lag })
    else if (told !== undefined) replicas.push({ ...told, role: 'unreachable' })
  }
  let revision = 0
  for (const view of views.values()) {
    if (view.history === base.history) revision = Math.max(revision, view.revision)
  }
  return { ...base, revision, replicas }
}

/** The picture of the highest term; of several the leader's own, else one that names a leader. */
function newest(views: ReadonlyMap<number, ClusterView>): ClusterView | undefined {
  let best: { view: ClusterView; rank: number } | undefined
  for (const [ordinal, view] of views) {
    const rank = view.leader === undefined ? 0 : view.leader.ordinal === ordinal ? 2 : 1
    const better =
      best === undefined ||
      view.term > best.view.term ||
      (view.term === best.view.term && rank > best.rank)
    if (better) best = { view, rank }
  }
  return best?.view
}

function rowOf(view: ClusterView, ordinal: number): ReplicaView | undefined {
  return view.replicas.find((replica) => replica.ordinal === ordinal)
}
