/**
 * Knows about how many bytes of log lie behind any index, so that compaction can keep a trailing
 * part bounded in entries and in bytes without reading the log.
 */

import { LOG_TRAILING_BYTES_MAX, LOG_TRAILING_ENTRIES } from '../../shared/limits.ts'
import type { Entry } from '../consensus/entry.ts'
import type { Write } from '../consensus/types.ts'

/** One mark is kept for this many bytes of log. */
const MARK_EVERY_BYTES = 1024 * 1024
/** Compaction waits until this many entries can go at once. */
const COMPACT_ENTRIES_MIN = 1000

export class LogMeter {
  /** Marks: up to and including `index`, `bytes` were written in all; ascending. */
  #marks: { index: number; bytes: number }[] = []
  #bytes = 0
  #base: number

  constructor(base: number, tail: readonly Entry[]) {
    this.#base = base
    this.reset(base, tail)
  }

  reset(base: number, tail: readonly Entry[]): void {
    this.#base = base
    this.#marks = []
    this.#bytes = 0
    for (const entry of tail) this.#count(entry)
  }

  written(write: Write): void {
    if (write.truncateFrom !== undefined) {
      const from = write.truncateFrom
      this.#marks = this.#marks.filter((mark) => mark.index < from)
    }
    for (const entry of write.entries) this.#count(entry)
  }

  compacted(base: number): void {
    this.#base = base
    this.#marks = this.#marks.filter((mark) => mark.index > base)
  }

  /** The index up to which the log may go now that `applied` is on disk; undefined: nothing. */
  target(applied: number): number | undefined {
    let target = applied - LOG_TRAILING_ENTRIES
    for (const mark of this.#marks) {
      if (this.#bytes - mark.bytes <= LOG_TRAILING_BYTES_MAX) break
      if (mark.index > target) target = mark.index
    }
    target = Math.min(target, applied)
    return target - this.#base >= COMPACT_ENTRIES_MIN || this.#overBytes(target)
      ? target
      : undefined
  }

  #overBytes(target: number): boolean {
    const first = this.#marks[0]
    return first !== undefined && target >= first.index && target > this.#base
  }

  #count(entry: Entry): void {
    this.#bytes += entry.bytes.length
    const last = this.#marks.at(-1)
    if (last === undefined || this.#bytes - last.bytes >= MARK_EVERY_BYTES) {
      this.#marks.push({ index: entry.index, bytes: this.#bytes })
    }
  }
}
