/**
 * How an empty replica comes to belong to a cluster (DESIGN §7). A pure decision over what the
 * peers said:
 *
 *   empty ──a peer has a cluster id──► follow it: join that cluster
 *     │
 *     ├─its disk, or a peer's, once belonged to a cluster──► wait for a peer that holds data
 *     └─first ordinal, and all N expected peers *answered* "empty"──► form a new cluster
 *
 * "Empty" means that the disk never belonged to a cluster: the successor of one that was set aside
 * remembers that it did (`wasMember`). It joins whichever cluster a peer has, for it holds nothing
 * of the former one; but it forms none, and nobody forms one with it. An unreachable peer means
 * wait: it may hold the data. Nothing is ever formed from counting DNS records, and nobody but the
 * first ordinal forms anything.
 */

import type { Hello } from './ports.ts'

export type BootstrapView = {
  readonly self: Hello
  readonly firstOrdinal: number
  /** How many replicas the new cluster is to have; 0: not told. */
  readonly expected: number
  /** What each peer said on a link that is up now. */
  readonly peers: readonly Hello[]
}

export type BootstrapDecision =
  | { readonly type: 'join'; readonly clusterId: string }
  | { readonly type: 'form'; readonly members: readonly Hello[] }
  | { readonly type: 'wait'; readonly why: string }

/** What an empty replica does now. */
export function decideBootstrap(view: BootstrapView): BootstrapDecision {
  const ids = new Set(view.peers.map((peer) => peer.clusterId).filter((id) => id !== ''))
  if (ids.size > 1) {
    return { type: 'wait', why: `peers belong to ${ids.size} different clusters: ${[...ids]}` }
  }
  for (const clusterId of ids) return { type: 'join', clusterId }
  if (view.self.wasMember) {
    const why = 'this replica once belonged to a cluster and holds none of its data'
    return { type: 'wait', why: `${why}: it waits for a peer to rejoin` }
  }
  const former = view.peers.filter((peer) => peer.wasMember).map((peer) => peer.ordinal)
  if (former.length > 0) {
    const why = `replica ${former.join(', ')} once belonged to a cluster`
    return { type: 'wait', why: `${why}; it waits to rejoin it` }
  }
  const last = view.firstOrdinal + view.expected - 1
  if (view.expected === 0)
    return { type: 'wait', why: 'it is not known how many replicas there are' }
  if (view.self.ordinal !== view.firstOrdinal) {
    return { type: 'wait', why: `waiting for replica ${view.firstOrdinal} to form the cluster` }
  }
  const members: Hello[] = [view.self]
  const silent: number[] = []
  for (let ordinal = view.firstOrdinal; ordinal <= last; ordinal += 1) {
    if (ordinal === view.self.ordinal) continue
    const peer = view.peers.find((hello) => hello.ordinal === ordinal)
    if (peer === undefined) silent.push(ordinal)
    else members.push(peer)
  }
  if (silent.length > 0) {
    return { type: 'wait', why: `waiting for an answer of replica ${silent.join(', ')}` }
  }
  return { type: 'form', members }
}
