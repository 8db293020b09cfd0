/**
 * Snapshots on their way to followers that fell behind the log, and from a leader to this replica.
 * One at a time each way: a snapshot costs a pass over all data.
 */

import { ClusterError } from '../../shared/errors.ts'
import type { CoreStatus, Input, MemberId } from '../consensus/types.ts'
import type { IncomingSnapshot, SnapshotSource, Storage, Transport } from './ports.ts'

export type SnapshotExchangeOptions = {
  readonly storage: Storage
  readonly transport: Transport
  readonly self: MemberId
  readonly step: (input: Input) => void
  readonly status: () => CoreStatus
  /** The own disk is damaged or refused a write: this replica must not go on. */
  readonly onFailed: (error: ClusterError) => void
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
    const { transport, self, step, status } = this.#options
    let index = 0
    let ok = false
    try {
      const source = await this.#open()
      try {
        index = source.meta.index
        await transport.sendSnapshot(to, {
          from: self,
          term: status().term,
          source: {
            meta: source.meta,
            chunks: () => this.#read(source),
            close: () => source.close(),
          },
        })
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

  async #open(): Promise<SnapshotSource> {
    try {
      return await this.#options.storage.openSnapshot()
    } catch (error) {
      this.#disk(error)
      throw error
    }
  }

  /** The chunks; what is wrong with the own disk must not pass for a failure of the stream. */
  async *#read(source: SnapshotSource): AsyncGenerator<Uint8Array> {
    try {
      yield* source.chunks()
    } catch (error) {
      this.#disk(error)
      throw error
    }
  }

  #disk(error: unknown): void {
    if (!(error instanceof ClusterError)) return
    if (error.code === 'storage-failed' || error.code === 'data-damaged') {
      this.#options.onFailed(error)
    }
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
    } catch (error) {
      // After the first refused write nothing is stored any more (DESIGN §6).
      this.#disk(error)
      throw error
    } finally {
      this.#receiving = false
    }
  }
}
