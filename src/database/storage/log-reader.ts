/**
 * Reading the log from disk, believing nothing: every entry's CRCs, its place, and the hash chain
 * from the base on, so that an entry that vanished, rotted or came back from the dead shows.
 */

import { ClusterError } from '../../shared/errors.ts'
import { FORMAT_NEWEST } from '../../shared/formats.ts'
import { LOG_CACHE_BYTES_MAX } from '../../shared/limits.ts'
import { decodeEntry, type Entry, followsChain, payloadOf } from '../consensus/entry.ts'
import { decodeMembership } from '../consensus/membership.ts'
import type { Membership, TermRun } from '../consensus/types.ts'
import { type Database, indexOfLogKey, LOG_END, logKey } from './layout.ts'
import { pages } from './pages.ts'
import { type Base, orRotted } from './stored-values.ts'

/** Rows of one page; the bytes bound what large entries cost. */
const PAGE_ROWS = 512
const PAGE_BYTES = 1024 * 1024

export type LogPicture = {
  readonly lastIndex: number
  readonly lastEntry: Entry | undefined
  readonly termRuns: readonly TermRun[]
  readonly memberships: readonly { readonly index: number; readonly membership: Membership }[]
  /** Entries above `applied`, and up to LOG_CACHE_BYTES_MAX of those before. */
  readonly tail: readonly Entry[]
  /** Term of the entry at `applied`; undefined: the log does not hold it. */
  readonly appliedTerm: number | undefined
}

/** Decodes the entry stored under `key`. Throws `data-damaged`, `format-too-new`. */
export function readEntry(key: Buffer, value: Buffer): Entry {
  const entry = decodeStored(value)
  const index = indexOfLogKey(key)
  if (entry.index !== index) throw damaged(index, `is entry ${entry.index}`)
  return entry
}

function decodeStored(value: Buffer): Entry {
  try {
    return decodeEntry(value)
  } catch (error) {
    throw orRotted(error, { bytes: value, version: FORMAT_NEWEST, check: decodeEntry })
  }
}

/**
 * Keeps the last entries: all above `applied`, and of the others as many as the cache may hold; the
 * very last one whatever its size.
 */
class Tail {
  readonly #applied: number
  readonly #entries: Entry[] = []
  #first = 0
  #settled_bytes = 0

  constructor(applied: number) {
    this.#applied = applied
  }

  add(entry: Entry): void {
    this.#entries.push(entry)
    if (entry.index > this.#applied) return
    this.#settled_bytes += entry.bytes.length
    const last = this.#entries.length - 1
    while (this.#settled_bytes > LOG_CACHE_BYTES_MAX && this.#first < last) {
      this.#settled_bytes -= (this.#entries[this.#first] as Entry).bytes.length
      this.#first += 1
    }
    if (this.#first > 4096) {
      this.#entries.splice(0, this.#first)
      this.#first = 0
    }
  }

  finish(): Entry[] {
    return this.#entries.slice(this.#first)
  }
}

/** Reads and checks all entries above the base. Rejects with `data-damaged`. */
export async function readLog(db: Database, base: Base, applied: number): Promise<LogPicture> {
  const tail = new Tail(applied)
  const termRuns: TermRun[] = []
  const memberships: { index: number; membership: Membership }[] = []
  let last: { index: number; term: number; chain: number } = base
  let lastEntry: Entry | undefined
  let appliedTerm = applied === base.index ? base.term : undefined
  const range = { gte: logKey(base.index + 1), lt: LOG_END, rows: PAGE_ROWS, bytes: PAGE_BYTES }
  for await (const page of pages(db, range)) {
    for (const [key, value] of page) {
      const entry = readEntry(key, value)
      checkFollows(entry, last)
      if (termRuns.at(-1)?.term !== entry.term) {
        termRuns.push({ index: entry.index, term: entry.term })
      }
      if (entry.type === 'membership') {
        memberships.push({ index: entry.index, membership: decodeMembership(payloadOf(entry)) })
      }
      if (entry.index === applied) appliedTerm = entry.term
      tail.add(entry)
      last = entry
      lastEntry = entry
    }
  }
  return {
    lastIndex: last.index,
    lastEntry,
    termRuns,
    memberships,
    tail: tail.finish(),
    appliedTerm,
  }
}

/** Throws `data-damaged` unless `entry` stands right behind `last`. */
export function checkFollows(
  entry: Entry,
  last: { readonly index: number; readonly term: number; readonly chain: number },
): void {
  if (entry.index !== last.index + 1) throw damaged(last.index + 1, 'is missing')
  if (entry.term < last.term)
    throw damaged(entry.index, `has term ${entry.term} after ${last.term}`)
  if (!followsChain(entry, last.chain)) throw damaged(entry.index, 'does not follow the hash chain')
}

/** Contiguous entries from `from` up to `last`, at least one, until `bytes_max` are reached. */
export async function readEntries(
  db: Database,
  options: { from: number; last: number; bytes_max: number },
): Promise<Entry[]> {
  const { from, last, bytes_max } = options
  const entries: Entry[] = []
  let bytes = 0
  const range = { gte: logKey(from), lte: logKey(last), rows: PAGE_ROWS, bytes: bytes_max }
  for await (const page of pages(db, range)) {
    for (const [key, value] of page) {
      const entry = readEntry(key, value)
      if (entry.index !== from + entries.length) throw damaged(from + entries.length, 'is missing')
      bytes += value.length
      if (entries.length > 0 && bytes > bytes_max) return entries
      entries.push(entry)
    }
    if (bytes >= bytes_max) return entries
  }
  return entries
}

function damaged(index: number, what: string): ClusterError {
  return new ClusterError('data-damaged', `log entry ${index} ${what}`)
}
