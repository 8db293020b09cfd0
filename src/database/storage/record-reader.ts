/** Rows of the applied state on disk: their stored form, and the replica's reads of them. */

import { crc32c } from '@node-rs/crc32'
import { checkRecord, RECORD_VERSION, recordValueAt } from '../kv/record.ts'
import type { ListOptions, StoredState } from '../replica/ports.ts'
import { type Database, type GenerationLayout, keyAfterPrefix, readU64 } from './layout.ts'
import { pages } from './pages.ts'
import { damaged, orRotted, unseal } from './stored-values.ts'

const PAGE_ROWS = 256
const PAGE_BYTES = 1024 * 1024

/** Throws `data-damaged`, or `format-too-new`, unless this is the record of this key. */
export function checkStoredRecord(key: Uint8Array, bytes: Uint8Array): void {
  try {
    checkRecord(key, bytes)
  } catch (error) {
    const check = (mended: Buffer) => checkRecord(key, mended)
    throw orRotted(error, { bytes, version: RECORD_VERSION, check })
  }
}

/** The value under an expiry key, which says all there is to say: a CRC over the key. */
export function storedExpiry(key: Buffer): Buffer {
  const stored = Buffer.allocUnsafe(4)
  stored.writeUInt32BE(crc32c(key), 0)
  return stored
}

/** Throws `data-damaged` unless `stored` is what lies under this expiry key. */
export function checkExpiry(key: Buffer, stored: Buffer): void {
  if (stored.length !== 4 || stored.readUInt32BE(0) !== crc32c(key)) {
    throw damaged(key, 'has a wrong CRC')
  }
}

/** One record, read at once. Throws `data-damaged`. */
export function readRecord(
  db: Database,
  live: GenerationLayout,
  key: Uint8Array,
): Buffer | undefined {
  const full = live.record(key)
  const record = db.getSync(full)
  if (record !== undefined) checkStoredRecord(key, record)
  return record
}

/** At most `limit` keys with their records (or what stands before the value), in byte order. */
export async function listRecords(
  db: Database,
  live: GenerationLayout,
  options: ListOptions,
): Promise<{ key: Uint8Array; record: Uint8Array; size_bytes: number }[]> {
  const { prefix, after, limit, headersOnly = false } = options
  const start = live.record(prefix)
  const range = {
    ...(after === undefined || Buffer.compare(after, prefix) < 0
      ? { gte: start }
      : { gt: live.record(after) }),
    lt: keyAfterPrefix(start) as Buffer,
    limit,
  }
  const found: { key: Uint8Array; record: Uint8Array; size_bytes: number }[] = []
  for await (const page of pages(db, { ...range, rows: PAGE_ROWS, bytes: PAGE_BYTES })) {
    for (const [full, stored] of page) {
      const key = live.rowKey(full)
      checkStoredRecord(key, stored)
      const valueAt = recordValueAt(stored)
      // Copied, so that the whole is not kept for the sake of its beginning.
      const record = headersOnly ? Buffer.from(stored.subarray(0, valueAt)) : stored
      found.push({ key, record, size_bytes: stored.length - valueAt })
    }
  }
  return found
}

/** Keys that expire at or before `time_ms`, earliest first. */
export async function expiringKeys(
  db: Database,
  live: GenerationLayout,
  options: { time_ms: number; limit: number },
): Promise<{ key: Uint8Array; time_ms: number }[]> {
  const { time_ms, limit } = options
  const found: { key: Uint8Array; time_ms: number }[] = []
  const range = {
    gte: live.prefix('expiry'),
    lt: live.expiry(time_ms + 1, Buffer.alloc(0)),
    limit,
  }
  for await (const page of pages(db, { ...range, rows: PAGE_ROWS, bytes: PAGE_BYTES })) {
    for (const [full, stored] of page) {
      checkExpiry(full, stored)
      const row = live.rowKey(full)
      found.push({ key: row.subarray(8), time_ms: readU64(row, 0) })
    }
  }
  return found
}

/** All sessions, encoded as they came. */
export async function readSessions(
  db: Database,
  live: GenerationLayout,
): Promise<StoredState['sessions']> {
  const sessions: { id: number; bytes: Uint8Array }[] = []
  const prefix = live.prefix('session')
  const range = { gte: prefix, lt: keyAfterPrefix(prefix) as Buffer }
  for await (const page of pages(db, { ...range, rows: PAGE_ROWS, bytes: PAGE_BYTES })) {
    for (const [full, stored] of page) {
      sessions.push({ id: readU64(live.rowKey(full), 0), bytes: unseal(full, stored) })
    }
  }
  return sessions
}
