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

export interface Orchestrator {
  /** The last topology read; undefined: none could be read yet. Costs nothing. */
  readonly topology: Topology | undefined
  /** Reads it now; undefined: it cannot be read. Never rejects, ends within `timeout_ms`. */
  readTopology(timeout_ms: number): Promise<Topology | undefined>
  /** Never rejects, ends within `timeout_ms`. */
  readMarker(timeout_ms: number): Promise<MarkerState>
  /** Resolves to whether it is written; false: try again later. Never rejects. */
  writeMarker(marker: Marker): Promise<boolean>
}
