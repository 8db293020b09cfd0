/**
 * What runs the replicas, as far as a replica asks it (DESIGN §7): Kubernetes, through
 * src/kubernetes, or nobody (`local`, a plain process). After the first bootstrap all of it is a
 * convenience: whatever cannot be read is `undefined` or `unreadable`, and the store goes on.
 */

/** The ordinals that are meant to run: [first, first + replicas). */
export type Topology = {
  readonly first: number
  /** 0: the whole tier is meant to be stopped. */
  readonly replicas: number
  /** The StatefulSet is being deleted, or gone: this is no scale-down. */
  readonly ending: boolean
}

/** The note outside the disks that a cluster was formed. */
export type Marker = { readonly clusterId: string; readonly history: string }

export type MarkerState =
  | { readonly type: 'absent' }
  | { readonly type: 'present'; readonly marker: Marker }
  | { readonly type: 'unreadable'; readonly why: string }

/** How long one question may take. */
export const ORCHESTRATOR_TIMEOUT_MS = 2000

export interface Orchestrator {
  /** The marker's name, for people; undefined: there is none. */
  readonly markerName?: string | undefined
  /** The last topology read; undefined: none could be read yet. Costs nothing. */
  readonly topology: Topology | undefined
  /** Reads it now; undefined: it cannot be read. Never rejects, ends within `timeout_ms`. */
  readTopology(timeout_ms: number): Promise<Topology | undefined>
  /** Never rejects, ends within `timeout_ms`. */
  readMarker(timeout_ms: number): Promise<MarkerState>
  /** Resolves to whether it is written; false: try again later. Never rejects. */
  writeMarker(marker: Marker): Promise<boolean>
}

/** Ordinals from `first` to below `end`; undefined: not known, or this is no time to go by them. */
export function rangeOf(
  topology: Topology | undefined,
): { readonly first: number; readonly end: number } | undefined {
  if (topology === undefined || topology.ending || topology.replicas === 0) return undefined
  return { first: topology.first, end: topology.first + topology.replicas }
}

/** What a replica that is being stopped is to do, by its StatefulSet. */
export type Intent =
  /** It comes back: a restart, or nothing is known. */
  | { readonly type: 'stays' }
  /** The whole tier stops. */
  | { readonly type: 'ends'; readonly why: string }
  /** Its ordinal is not meant to run any more. */
  | { readonly type: 'leaves'; readonly why: string }

/** Scale-down is not a restart (DESIGN §7). */
export function intentOf(ordinal: number, topology: Topology | undefined): Intent {
  if (topology === undefined) return { type: 'stays' }
  if (topology.ending) return { type: 'ends', why: 'the StatefulSet is being deleted' }
  if (topology.replicas === 0) return { type: 'ends', why: 'the StatefulSet is scaled to 0' }
  const { first, replicas } = topology
  const last = first + replicas - 1
  if (ordinal >= first && ordinal <= last) return { type: 'stays' }
  return { type: 'leaves', why: `the StatefulSet is scaled to ordinals ${first} to ${last}` }
}
