/**
 * Snapshots for followers, each read from one LevelDB snapshot, its metadata too: writing goes on
 * meanwhile and changes nothing in it. While one is open, compaction keeps the log above it, so
 * that the follower finds the entries it needs next; at most SNAPSHOT_LOG_BYTES_MAX of them.
 */

import type { AbstractSnapshot } from 'abstract-level'
import { ClusterError } from '../../shared/errors.ts'
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOT_LOG_BYTES_MAX } from '../../shared/limits.ts'
import type { SnapshotMeta } from '../consensus/types.ts'
import type { KvMeta } from '../kv/types.ts'
import type { SnapshotSource } from '../replica/ports.ts'
import { type DiskState, membershipAt, readPosition } from './disk-state.ts'
import { type Database, type GenerationLayout, logKey } from './layout.ts'
import { readEntry } from './log-reader.ts'
import { pages } from './pages.ts'
import { checkExpiry, checkStoredRecord } from './record-reader.ts'
import { ChunkWriter, type SnapshotRow } from './snapshot-format.ts'
import { unseal } from './stored-values.ts'

const PAGE_ROWS = 512

/** The open snapshots, and what they keep from being compacted. */
export class SnapshotSender {
  readonly #db: Database
  readonly #open = new Set<LevelSnapshot>()

  constructor(db: Database) {
    this.#db = db
  }

  /** Compaction may go up to here. */
  get lowestNeeded(): number {
    let lowest = Number.MAX_SAFE_INTEGER
    for (const { meta, logBytes } of this.#open) {
      if (logBytes <= SNAPSHOT_LOG_BYTES_MAX) lowest = Math.min(lowest, meta.index)
    }
    return lowest
  }

  /** Bytes of entries were written: they lie above every open snapshot. */
  appended(bytes: number): void {
    for (const snapshot of this.#open) snapshot.logBytes += bytes
  }

  /** Synchronous, and never while a batch is under way: disk and `state` agree. */
  open(state: DiskState, format: number): SnapshotSource {
    const db = this.#db
    const snapshot = db.snapshot()
    const { base, live, meta } = readPosition(db, { snapshot })
    const source = new LevelSnapshot(db, {
      snapshot,
      live,
      format,
      kvMeta: meta,
      meta: metaAt(db, snapshot, { ...state, base, meta }),
      closed: () => this.#open.delete(source),
    })
    this.#open.add(source)
    return source
  }
}

/** What must be known of the last entry that the data includes, from the same snapshot. */
function metaAt(
  db: Database,
  snapshot: AbstractSnapshot,
  state: Pick<DiskState, 'base' | 'meta' | 'memberships'>,
): SnapshotMeta {
  const index = state.meta.applied
  const membership = membershipAt(state, index)
  if (membership === undefined) {
    throw new ClusterError('bad-request', 'there is nothing to take a snapshot of yet')
  }
  if (index === state.base.index) return { ...state.base, membership }
  const key = logKey(index)
  const value = db.getSync(key, { snapshot })
  if (value === undefined) throw new ClusterError('data-damaged', `log entry ${index} is missing`)
  const { term, chain, time_ms, firstRevision, count } = readEntry(key, value)
  return { index, term, chain, time_ms, nextRevision: firstRevision + count, membership }
}

class LevelSnapshot implements SnapshotSource {
  readonly meta: SnapshotMeta
  /** Bytes of log written since it was taken. */
  logBytes = 0
  readonly #db: Database
  readonly #snapshot: AbstractSnapshot
  readonly #live: GenerationLayout
  readonly #format: number
  readonly #kvMeta: KvMeta
  readonly #onClosed: () => void

  constructor(
    db: Database,
    options: {
      snapshot: AbstractSnapshot
      live: GenerationLayout
      format: number
      kvMeta: KvMeta
      meta: SnapshotMeta
      closed: () => void
    },
  ) {
    this.#db = db
    this.#snapshot = options.snapshot
    this.#live = options.live
    this.#format = options.format
    this.#kvMeta = options.kvMeta
    this.meta = options.meta
    this.#onClosed = options.closed
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    let number = 0
    let rows = 0
    let chunk = new ChunkWriter(number, SNAPSHOT_CHUNK_BYTES, this.#format)
    const range = { gte: this.#live.start, lt: this.#live.end, snapshot: this.#snapshot }
    const options = { ...range, rows: PAGE_ROWS, bytes: SNAPSHOT_CHUNK_BYTES }
    for await (const page of pages(this.#db, options)) {
      for (const [key, stored] of page) {
        const row = rowAt(key, stored, this.#live)
        if (row === undefined) continue
        const size = row.key.length + row.value.length
        if (rows > 0 && chunk.length + size > SNAPSHOT_CHUNK_BYTES) {
          yield chunk.finish()
          number += 1
          chunk = new ChunkWriter(number, SNAPSHOT_CHUNK_BYTES, this.#format)
        }
        chunk.add(row)
        rows += 1
      }
    }
    chunk.end({ rows, meta: this.#kvMeta })
    yield chunk.finish()
  }

  async close(): Promise<void> {
    this.#onClosed()
    await this.#snapshot.close()
  }
}

/** A row with its stored CRC checked; undefined for the generation's meta. */
function rowAt(key: Buffer, stored: Buffer, live: GenerationLayout): SnapshotRow | undefined {
  if (key.equals(live.metaKey)) return undefined
  const type = live.rowType(key)
  const rowKey = live.rowKey(key)
  switch (type) {
    case 'record':
      checkStoredRecord(rowKey, stored)
      return { type, key: rowKey, value: stored }
    case 'session':
      return { type, key: rowKey, value: unseal(key, stored) }
    case 'expiry':
      checkExpiry(key, stored)
      return { type, key: rowKey, value: Buffer.alloc(0) }
    case undefined:
      throw new ClusterError('data-damaged', 'a row of an unknown kind')
  }
}
