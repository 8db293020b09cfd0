/**
 * Snapshots on their way to followers that fell behind the log, and from a leader to this replica.
 * One at a time each way: a snapshot costs a pass over all data.
 */

import { ClusterError } from '../../shared/errors.ts'
import type { CoreStatus, Input, MemberId } from '../consensus/types.ts'
import type { IncomingSnapshot, Storage, Transport } from './ports.ts'

export type SnapshotExchangeOptions = {
  readonly storage: Storage
  readonly transport: Transport
  readonly self: MemberId
  readonly step: (input: Input) => void
  readonly status: () => CoreStatus
}

export class SnapshotExchange {
  readonly #options: SnapshotExchangeOptions
  #sending: Promise<void> = Promise.resolve()
  #receiving = false
  /** Snapshots sent and installed since the start, and the last failure, for status and metrics. */
  readonly counters = { sent: 0, failed: 0, received: 0 }
  problem: string | undefined

  constructor(options: SnapshotExchangeOptions) {
    this.#options = options
  }

  /** Streams the applied state to this follower, after any other one that is under way. */
  send(to: MemberId): Promise<void> {
    this.#sending = this.#sending.then(() => this.#send(to))
    return this.#sending
  }

  async #send(to: MemberId): Promise<void> {
    const { storage, transport, self, step, status } = this.#options
    let index = 0
    let ok = false
    try {
      const source = await storage.openSnapshot()
      try {
        index = source.meta.index
        await transport.sendSnapshot(to, { from: self, term: status().term, source })
        ok = true
        this.counters.sent += 1
      } finally {
        await source.close()
      }
    } catch (error) {
      this.counters.failed += 1
      this.problem = `snapshot to ${to}: ${error instanceof Error ? error.message : String(error)}`
    }
    step({ type: 'snapshot-sent', to, index, ok })
  }

  /** Stores and checks a snapshot, then lets consensus decide whether it is switched in. */
  async receive(incoming: IncomingSnapshot): Promise<void> {
    const { storage, step, status } = this.#options
    const { from, term, meta } = incoming
    if (this.#receiving) throw new ClusterError('overloaded', 'a snapshot is being received')
    const now = status()
    if (term < now.term || meta.index <= now.commit) {
      throw new ClusterError('bad-request', `snapshot at ${meta.index} is not needed here`)
    }
    this.#receiving = true
    try {
      await storage.receiveSnapshot(meta, incoming.chunks)
      this.counters.received += 1
      step({ type: 'snapshot-received', from, term, meta })
    } finally {
      this.#receiving = false
    }
  }
}
