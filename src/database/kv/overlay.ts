/**
 * Records that were applied and are not on disk yet (DESIGN §6: committed entries are applied in
 * memory at once and reach LevelDB with the next synced batch).
 *
 *      set ──► current ──take──► in flight ──persisted──► recent: the disk has it, and for a while
 *                                                         memory too (recent-records.ts)
 *
 * A read looks in `current`, in what is in flight, in `recent`, on the disk: a record is readable
 * at each moment, wherever it is. Keys are latin1 text of their bytes: Maps compare text by value,
 * and its order is the bytes' order.
 */

import { assert } from '../../shared/assert.ts'
import { RecentRecords } from './recent-records.ts'
import { recordExpires_ms } from './record.ts'
import type { KvChanges, RecordReader } from './types.ts'

export type OverlayEntry = readonly [key: string, record: Uint8Array | undefined]

/** One layer. Few layers hold deletions: for those that do not, one look is enough. */
type Layer = { readonly records: Map<string, Uint8Array | undefined>; deletes: boolean }

const newLayer = (): Layer => ({ records: new Map(), deletes: false })

export class Overlay {
  readonly #disk: RecordReader
  #current = newLayer()
  #inFlight: Layer | undefined
  #current_bytes = 0
  #inFlight_bytes = 0
  /** Equal to the disk's, for keys that no layer above has. */
  readonly #recent = new RecentRecords()
  /** For keys of `current` that ever had one: when they expired before, 0: never. */
  #expiredBefore = new Map<string, number>()

  constructor(disk: RecordReader) {
    this.#disk = disk
  }

  /** Bytes of keys and records changed since the last `take`; one changed twice counts twice. */
  get current_bytes(): number {
    return this.#current_bytes
  }

  /** The same with what is on its way to the disk. */
  get unsynced_bytes(): number {
    return this.#current_bytes + this.#inFlight_bytes
  }

  /** The stored bytes of a key's record; `text` is `keyText(key)`. Throws what the disk throws. */
  get(text: string, key: Uint8Array): Uint8Array | undefined {
    const current = this.#current.records.get(text)
    if (current !== undefined) return current
    if (this.#current.deletes && this.#current.records.has(text)) return undefined
    const inFlight = this.#inFlight?.records.get(text)
    if (inFlight !== undefined) return inFlight
    if (this.#inFlight?.deletes && this.#inFlight.records.has(text)) return undefined
    const recent = this.#recent.get(text)
    if (recent !== undefined) return recent
    const stored = this.#disk.get(key)
    if (stored !== undefined) this.#recent.set(text, stored)
    return stored
  }

  /** Replaces a key's record; undefined: deletes it. `previous` is what `get` gave. */
  set(text: string, change: { previous: Uint8Array | undefined; next: Uint8Array | undefined }) {
    const { previous, next } = change
    const before_ms = previous === undefined ? 0 : recordExpires_ms(previous)
    const after_ms = next === undefined ? 0 : recordExpires_ms(next)
    // The first change in this layer sees the expiry that the layers below have.
    if (before_ms !== after_ms && !this.#expiredBefore.has(text)) {
      this.#expiredBefore.set(text, before_ms)
    }
    if (next === undefined) this.#current.deletes = true
    this.#current.records.set(text, next)
    this.#current_bytes += text.length + (next?.length ?? 0)
  }

  /** Moves the current changes to `in flight`; the caller writes them to disk. */
  take(): Pick<KvChanges, 'records' | 'expiries'> {
    assert(this.#inFlight === undefined, 'changes were taken while others are in flight')
    const { records } = this.#current
    const expiries: { time_ms: number; key: Uint8Array; put: boolean }[] = []
    for (const [text, before_ms] of this.#expiredBefore) {
      const record = records.get(text)
      const after_ms = record === undefined ? 0 : recordExpires_ms(record)
      if (before_ms === after_ms) continue
      const key = Buffer.from(text, 'latin1')
      if (before_ms !== 0) expiries.push({ time_ms: before_ms, key, put: false })
      if (after_ms !== 0) expiries.push({ time_ms: after_ms, key, put: true })
    }
    this.#inFlight = this.#current
    this.#current = newLayer()
    this.#inFlight_bytes = this.#current_bytes
    this.#current_bytes = 0
    this.#expiredBefore = new Map()
    return { records, expiries }
  }

  /** What was in flight is on disk now. */
  persisted(): void {
    assert(this.#inFlight !== undefined, 'no changes are in flight')
    // forEach: iterating a Map by `of` makes an array an entry.
    this.#inFlight.records.forEach((record, text) => {
      if (record === undefined) this.#recent.delete(text)
      else this.#recent.set(text, record)
    })
    this.#inFlight = undefined
    this.#inFlight_bytes = 0
  }

  /** All that is not on disk yet, in no order. */
  entries(): OverlayEntry[] {
    const current = this.#current.records
    const entries: OverlayEntry[] = [...current]
    for (const entry of this.#inFlight?.records ?? []) {
      if (!current.has(entry[0])) entries.push(entry)
    }
    return entries
  }
}

/** A key's bytes as text of one byte a character. */
export function keyText(key: Uint8Array): string {
  if (Buffer.isBuffer(key)) return key.toString('latin1')
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
