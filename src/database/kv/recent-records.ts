/**
 * Records read or written lately, so that most changes need no look into LevelDB: each put asks for
 * the record it replaces, and that look-up was a fifth of a replica's CPU (measured).
 *
 * Two generations instead of a list in order of use: a record that is asked for moves into the
 * young one; when that holds half of the bytes it becomes the old one, and the old one is dropped.
 */

import { RECENT_RECORDS_BYTES_MAX } from '../../shared/limits.ts'

/** What a map entry, its key and its buffer cost beside the record's bytes; about. */
const OVERHEAD_BYTES = 150

export class RecentRecords {
  readonly #half_bytes: number
  #young = new Map<string, Uint8Array>()
  #old = new Map<string, Uint8Array>()
  #young_bytes = 0

  constructor(bytes_max = RECENT_RECORDS_BYTES_MAX) {
    this.#half_bytes = bytes_max / 2
  }

  get(key: string): Uint8Array | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: string, record: Uint8Array): void {
    const size_bytes = record.length + OVERHEAD_BYTES
    if (size_bytes > this.#half_bytes) {
      this.delete(key)
      return
    }
    if (this.#young_bytes + size_bytes > this.#half_bytes) {
      this.#old = this.#young
      this.#young = new Map()
      this.#young_bytes = 0
    }
    // A key set again counts twice: the bound is kept, only earlier than need be.
    this.#young.set(key, record)
    this.#young_bytes += size_bytes
  }

  delete(key: string): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  /** Records held, for tests. */
  get size(): number {
    return this.#young.size + this.#old.size
  }
}
