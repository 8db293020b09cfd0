/**
 * How an empty replica comes to belong to a cluster (DESIGN §7). A pure decision over what the
 * peers said, and over the marker outside the disks, where there is one:
 *
 *   empty ──a peer has a cluster id──► follow it: join that cluster
 *     │
 *     ├─the marker says that a cluster was formed──► wait for a peer that holds data
 *     ├─its disk, or a peer's, once belonged to a cluster──► the same
 *     ├─first ordinal, and all N expected peers *answered* "empty"──► form a new cluster
 *     └─in the ordered mode: first ordinal, and the marker was read and is absent──► form it alone
 *
 * "Empty" means that the disk never belonged to a cluster: the successor of one that was set aside
 * remembers that it did (`wasMember`). It joins whichever cluster a peer has, for it holds nothing
 * of the former one; but it forms none, and nobody forms one with it. An unreachable peer means
 * wait: it may hold the data. Nothing is ever formed from counting DNS records, and nobody but the
 * first ordinal forms anything.
 *
 * Where one replica alone forms a cluster nobody else's answer stands against it: a lost disk looks
 * like a new one. So there the marker must have been read, or it waits.
 */

import { dataLost } from '../../shared/data-lost.ts'
import type { MarkerState } from './orchestrator.ts'
import type { Hello } from './ports.ts'

/** `none`: nobody keeps a marker here; `unasked`: it is being asked for. */
export type MarkerView = MarkerState | { readonly type: 'none' } | { readonly type: 'unasked' }

export type BootstrapView = {
  readonly self: Hello
  readonly firstOrdinal: number
  /** How many replicas the new cluster is to have; 0: not told. */
  readonly expected: number
  /** What each peer said on a link that is up now. */
  readonly peers: readonly Hello[]
  /** Ordinals that have a name, and have not answered. */
  readonly silent: readonly number[]
  /** Names have been looked for long enough that whoever has one is known. */
  readonly looked: boolean
  /** Pods are made one after the other. */
  readonly ordered: boolean
  readonly marker: MarkerView
  /** The marker's name, for people. */
  readonly markerName: string
}

export type BootstrapDecision =
  | { readonly type: 'join'; readonly clusterId: string }
  | { readonly type: 'form'; readonly members: readonly Hello[] }
  | { readonly type: 'wait'; readonly why: string }

const wait = (why: string): BootstrapDecision => ({ type: 'wait', why })

/** What an empty replica does now. */
export function decideBootstrap(view: BootstrapView): BootstrapDecision {
  const ids = new Set(view.peers.map((peer) => peer.clusterId).filter((id) => id !== ''))
  if (ids.size > 1) return wait(`peers belong to ${ids.size} different clusters: ${[...ids]}`)
  for (const clusterId of ids) return { type: 'join', clusterId }
  const { marker, expected, firstOrdinal, self } = view
  if (marker.type === 'present') return wait(whyMarked(view, marker.marker.clusterId))
  if (self.wasMember) {
    const why = 'this replica once belonged to a cluster and holds none of its data'
    return wait(`${why}: it waits for a peer to rejoin`)
  }
  const former = view.peers.filter((peer) => peer.wasMember).map((peer) => peer.ordinal)
  if (former.length > 0) {
    return wait(`replica ${former.join(', ')} once belonged to a cluster; it waits to rejoin it`)
  }
  if (expected === 0) return wait('it is not known how many replicas there are')
  if (self.ordinal !== firstOrdinal) {
    return wait(`waiting for replica ${firstOrdinal} to form the cluster`)
  }
  if (marker.type === 'unasked') return wait('asking whether a cluster was formed before')
  return view.ordered ? formAlone(view) : formWithAll(view)
}

/** The ordered mode: nobody else is made before this one is ready. */
function formAlone({ self, marker, silent, looked }: BootstrapView): BootstrapDecision {
  if (marker.type !== 'absent') return wait(whyUnread(marker, 'under OrderedReady'))
  // Whoever is there already may hold the data, and the marker may not have been written.
  if (!looked) return wait('looking for other replicas')
  if (silent.length > 0) return wait(`waiting for an answer of replica ${silent.join(', ')}`)
  return { type: 'form', members: [self] }
}

function formWithAll(view: BootstrapView): BootstrapDecision {
  const { self, marker, peers } = view
  const silent = unanswered(view)
  if (silent.length > 0) return wait(`waiting for an answer of replica ${silent.join(', ')}`)
  const alone = view.expected === 1
  if (alone && marker.type === 'unreadable') return wait(whyUnread(marker, 'alone'))
  const ordinals = expectedOrdinals(view).filter((ordinal) => ordinal !== self.ordinal)
  const others = ordinals.flatMap((ordinal) => peers.find((peer) => peer.ordinal === ordinal) ?? [])
  return { type: 'form', members: [self, ...others] }
}

function expectedOrdinals({ firstOrdinal, expected }: BootstrapView): number[] {
  return Array.from({ length: expected }, (_, at) => firstOrdinal + at)
}

function unanswered(view: BootstrapView): number[] {
  const present = new Set([view.self.ordinal, ...view.peers.map((peer) => peer.ordinal)])
  return expectedOrdinals(view).filter((ordinal) => !present.has(ordinal))
}

function whyUnread(marker: MarkerView, how: string): string {
  const cause = marker.type === 'unreadable' ? marker.why : 'there is none to be read here'
  const why = 'this replica is empty, and cannot tell whether it is new or has lost its disk'
  return `${why}: ${how} it forms a cluster only if it can read the marker, but ${cause}`
}

/** Data was here; either others hold it, or it is lost. */
function whyMarked(view: BootstrapView, clusterId: string): string {
  const silent = unanswered(view)
  const { markerName: name } = view
  if (silent.length > 0 || view.expected === 0) {
    const who = silent.length > 0 ? `no answer of replica ${silent.join(', ')}` : 'none answers'
    const why = `cluster ${clusterId} was formed here (marker ${name}), and this replica is empty`
    return `${why}: it waits for one that holds the data; ${who}`
  }
  return dataLost({ marker: name, clusterId })
}
