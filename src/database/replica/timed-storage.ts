/**
 * Stands in front of a storage and measures its batches, each of which ends with an fsync: how a
 * volume does is asked for by `/status` and by `ordinal doctor`. Outermost, so that a slow disk
 * that is made slow on purpose shows, too.
 */

import type { Clock } from '../../shared/clock.ts'
import { BATCH_TIMES_MAX } from '../../shared/limits.ts'
import type { Membership, SnapshotMeta } from '../consensus/types.ts'
import type { RecordReader } from '../kv/types.ts'
import type { DiskSpace, Identity, ListOptions, Storage } from './ports.ts'

export type BatchTimes = {
  /** How many of the latest batches this is about. */
  readonly batches: number
  readonly median_ms: number
  readonly worst_ms: number
}

export class TimedStorage implements Storage {
  readonly #inner: Storage
  readonly #clock: Clock
  readonly records: RecordReader
  /** The latest times, the oldest overwritten first. */
  readonly #times_ms = new Float64Array(BATCH_TIMES_MAX)
  #batches = 0

  constructor(inner: Storage, clock: Clock) {
    this.#inner = inner
    this.#clock = clock
    this.records = inner.records
  }

  /** How long the latest batches took; undefined: there was none yet. */
  get times(): BatchTimes | undefined {
    const batches = Math.min(this.#batches, BATCH_TIMES_MAX)
    if (batches === 0) return undefined
    const sorted = this.#times_ms.slice(0, batches).sort()
    const rounded = (at: number) => Number((sorted[at] as number).toFixed(3))
    return { batches, median_ms: rounded(batches >> 1), worst_ms: rounded(batches - 1) }
  }

  get identity(): Identity {
    return this.#inner.identity
  }

  async write(batch: Parameters<Storage['write']>[0]): Promise<void> {
    const begin_ms = this.#clock.now_ms()
    await this.#inner.write(batch)
    this.#times_ms[this.#batches % BATCH_TIMES_MAX] = this.#clock.now_ms() - begin_ms
    this.#batches += 1
  }

  adopt(clusterId: string) {
    return this.#inner.adopt(clusterId)
  }

  load() {
    return this.#inner.load()
  }

  readEntries(from: number, bytes_max: number) {
    return this.#inner.readEntries(from, bytes_max)
  }

  list(options: ListOptions) {
    return this.#inner.list(options)
  }

  expiring(time_ms: number, limit: number) {
    return this.#inner.expiring(time_ms, limit)
  }

  openSnapshot() {
    return this.#inner.openSnapshot()
  }

  receiveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>) {
    return this.#inner.receiveSnapshot(meta, chunks)
  }

  compact(index: number) {
    return this.#inner.compact(index)
  }

  sweep() {
    return this.#inner.sweep()
  }

  scrub() {
    return this.#inner.scrub()
  }

  space(): Promise<DiskSpace> {
    return this.#inner.space()
  }

  condemn(reason: string) {
    return this.#inner.condemn(reason)
  }

  forceBootstrap(membership: Membership, incarnation: string) {
    return this.#inner.forceBootstrap(membership, incarnation)
  }

  close() {
    return this.#inner.close()
  }
}
