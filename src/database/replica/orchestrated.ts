/**
 * The part of a replica's life in which its orchestrator has a say: who is meant to run, leaving
 * for good, and the note that a cluster was formed. Without an orchestrator nothing of it happens.
 */

import { ClusterError } from '../../shared/errors.ts'
import { isMember, isRemoved } from './belonging.ts'
import { Departure } from './departure.ts'
import type { Loop } from './loop.ts'
import { MarkerWriter } from './marker-writer.ts'
import type { Stopping } from './ports.ts'
import type { ReplicaOptions } from './replica-options.ts'
import { Scaling } from './scaling.ts'

const GRACE_MS = 60_000

/** What it needs of the replica. */
export type OrchestratedReplica = {
  readonly loop: () => Loop | undefined
  /** What it last told its peers. */
  readonly stopping: () => Stopping | undefined
  readonly tell: (stopping: Stopping | undefined) => void
}

export class Orchestrated {
  readonly #options: ReplicaOptions
  readonly #replica: OrchestratedReplica
  readonly departure: Departure
  #scaling: Scaling | undefined
  #marker: MarkerWriter | undefined

  constructor(options: ReplicaOptions, replica: OrchestratedReplica) {
    this.#options = options
    this.#replica = replica
    const { orchestrator, clock, storage, transport, grace_ms = GRACE_MS } = options
    this.departure = new Departure({
      orchestrator,
      clock,
      ordinal: storage.identity.ordinal,
      grace_ms,
      isMember: () => isMember(replica.loop()?.status()),
      isRemoved: () => {
        const status = replica.loop()?.status()
        return status !== undefined && isRemoved(status, status.self)
      },
      othersLeave: () =>
        transport.peers().some((peer) => peer.connected && peer.hello?.stopping === 'leaves'),
      tell: replica.tell,
      condemn: (why) => storage.condemn(why),
      startAgain: (why) => options.onFatal(new ClusterError('removed-replica', why)),
      onLeaving: (why) => options.onEvent({ type: 'leaving', why }),
    })
  }

  /** For people; undefined: nothing is wrong. */
  get note(): string | undefined {
    return this.#marker?.note
  }

  /** The replica belongs to a cluster from now on. */
  follow(loop: Loop): void {
    const { orchestrator, clock, transport, onEvent } = this.#options
    if (orchestrator === undefined) return
    const status = () => loop.status()
    this.#scaling = new Scaling({
      orchestrator,
      clock,
      status,
      peers: () => transport.peers(),
      stopping: this.#replica.stopping,
      tell: (scale) => loop.step({ type: 'scale', scale }),
    })
    this.#marker = new MarkerWriter({
      orchestrator,
      clock,
      status,
      onWritten: ({ clusterId }) => onEvent({ type: 'marked', clusterId }),
    })
    this.#scaling.start()
    this.#marker.start()
  }

  close(): void {
    this.#scaling?.close()
    this.#marker?.close()
  }
}
