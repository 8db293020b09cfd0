/** What a replica is made of, and what it tells of itself while it runs. */

import type { Clock } from '../../shared/clock.ts'
import type { CoreEvent, Membership } from '../consensus/types.ts'
import type { Orchestrator } from './orchestrator.ts'
import type { Storage, StoredState, Transport } from './ports.ts'

/**
 * How a StatefulSet makes its Pods: all at once, or each when the one before is ready. In the
 * ordered mode the first ordinal alone forms the cluster, since nobody else is there yet.
 */
export type PodManagement = 'Parallel' | 'OrderedReady'

export type ReplicaOptions = {
  readonly storage: Storage
  /** What `storage.load` found. */
  readonly stored: StoredState
  readonly transport: Transport
  readonly clock: Clock
  readonly random: () => number
  /** A new UUID each time. */
  readonly newId: () => string
  /** `db-0`. */
  readonly name: string
  /** host:port of the own peer port as others see it. */
  readonly address: string
  /** What a new cluster is to consist of, where the orchestrator cannot tell. */
  readonly firstOrdinal: number
  /** Replicas of a new cluster; 0: not told, never form one. */
  readonly expected: number
  /** What runs the replicas; undefined: nobody that could be asked. */
  readonly orchestrator?: Orchestrator | undefined
  /** `Parallel` unless said otherwise. */
  readonly podManagement?: PodManagement | undefined
  /** From being told to stop to being killed, ms; 60 s unless said otherwise. */
  readonly grace_ms?: number | undefined
  readonly timing: {
    readonly electionTimeout_ms: number
    readonly heartbeat_ms: number
    readonly stagger_ms: number
    readonly handBackAfter_ms: number
  }
  readonly diskFreeMin_bytes: number
  /** What a person should know, e.g. that data was set aside and why. */
  readonly notes: readonly string[]
  readonly onEvent: (event: ReplicaEvent) => void
  /** The process must end; `condemned`: and set its data aside when it starts again. */
  readonly onFatal: (error: unknown) => void
}

export type ReplicaEvent =
  | CoreEvent
  | { type: 'waiting'; why: string }
  | { type: 'formed'; membership: Membership }
  | { type: 'joining'; clusterId: string }
  | { type: 'refused'; why: string }
  /** Scale-down: it waits to be removed (`goes`: it waits no longer), and why. */
  | { type: 'leaving'; why: string }
  | { type: 'marked'; clusterId: string }
