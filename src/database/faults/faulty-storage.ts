/**
 * A disk that may be slow or full: stands in front of the true storage and passes all on.
 *
 * A slow one holds what is written in the writer's turn before it goes on, so that, as with a true
 * slow fsync, what comes meanwhile gathers in the next batch. A full one reports no free space; at
 * `write` it refuses a batch in the words of a true ENOSPC, after which the replica must end
 * (DESIGN §6).
 */

import type { Clock } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import type { Membership, SnapshotMeta } from '../consensus/types.ts'
import type { RecordReader } from '../kv/types.ts'
import type { DiskSpace, Identity, ListOptions, Storage } from '../replica/ports.ts'
import type { FaultBoard } from './fault-board.ts'

type Batch = Parameters<Storage['write']>[0]

export class FaultyStorage implements Storage {
  readonly #inner: Storage
  readonly #board: FaultBoard
  readonly #clock: Clock
  readonly records: RecordReader

  constructor(inner: Storage, options: { board: FaultBoard; clock: Clock }) {
    this.#inner = inner
    this.#board = options.board
    this.#clock = options.clock
    this.records = inner.records
  }

  get identity(): Identity {
    return this.#inner.identity
  }

  write(batch: Batch): Promise<void> {
    const slow = this.#board.active('slow-disk') !== undefined
    if (!slow && this.#board.active('full-disk')?.at !== 'write') return this.#inner.write(batch)
    return this.#hindered(() => this.#inner.write(batch))
  }

  adopt(clusterId: string): Promise<void> {
    return this.#hindered(() => this.#inner.adopt(clusterId))
  }

  compact(index: number): Promise<number> {
    return this.#hindered(() => this.#inner.compact(index))
  }

  async #hindered<T>(write: () => Promise<T>): Promise<T> {
    const by_ms = this.#board.active('slow-disk')?.by_ms
    if (by_ms !== undefined) {
      await new Promise<void>((resolve) => this.#clock.after(by_ms, resolve))
    }
    if (this.#board.active('full-disk')?.at === 'write') throw noSpace()
    return await write()
  }

  async space(): Promise<DiskSpace> {
    const space = await this.#inner.space()
    return this.#board.active('full-disk') === undefined ? space : { ...space, free_bytes: 0 }
  }

  load(): ReturnType<Storage['load']> {
    return this.#inner.load()
  }

  readEntries(from: number, bytes_max: number): ReturnType<Storage['readEntries']> {
    return this.#inner.readEntries(from, bytes_max)
  }

  list(options: ListOptions): ReturnType<Storage['list']> {
    return this.#inner.list(options)
  }

  expiring(time_ms: number, limit: number): ReturnType<Storage['expiring']> {
    return this.#inner.expiring(time_ms, limit)
  }

  openSnapshot(): ReturnType<Storage['openSnapshot']> {
    return this.#inner.openSnapshot()
  }

  receiveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#inner.receiveSnapshot(meta, chunks)
  }

  sweep(): Promise<boolean> {
    return this.#inner.sweep()
  }

  scrub(): Promise<void> {
    return this.#inner.scrub()
  }

  condemn(reason: string): Promise<void> {
    return this.#inner.condemn(reason)
  }

  forceBootstrap(membership: Membership, incarnation: string): Promise<void> {
    return this.#inner.forceBootstrap(membership, incarnation)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

function noSpace(): ClusterError {
  const cause = Object.assign(new Error('No space left on device'), { code: 'ENOSPC' })
  return new ClusterError('storage-failed', `the disk refused a write: ${cause.message} (fault)`, {
    cause,
    outcome: 'unknown',
  })
}
