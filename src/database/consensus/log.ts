/**
 * The log as the core sees it: which term each index has (as runs), which memberships and lead
 * records it holds, and the entries at its end, in memory.
 *
 *        base        #first                  commit        last
 *   ──────●───────────┬────────────────────────┬─────────────┐
 *  compacted  on disk │ in memory: only what is persisted and committed may be evicted
 *
 * Entries above the commit index are always in memory, and so is the one at it, so that a
 * truncation (never at or below commit) always finds the chain to continue from. What was evicted
 * is read from disk by the caller (`Effects.load`). Raft §5.3; chain: entry.ts.
 */

import { assert } from '../../shared/assert.ts'
import { LOG_CACHE_BYTES_MAX } from '../../shared/limits.ts'
import type { Entry } from './entry.ts'
import { payloadOf } from './entry.ts'
import { decodeLeadRecord, decodeMembership } from './membership.ts'
import type { LeadRecord, Membership, Restored, SnapshotMeta } from './types.ts'

/** Lead records remembered for the cool-down of hand-backs. */
const LEADS_MAX = 32

type Base = {
  readonly index: number
  readonly term: number
  /** Undefined: not known any more; the first entry behind it then cannot be checked. */
  readonly chain: number | undefined
  readonly time_ms: number
  readonly nextRevision: number
  readonly membership: Membership | undefined
}

export type LeadMark = {
  readonly index: number
  readonly time_ms: number
  readonly record: LeadRecord
}

export class Log {
  #base: Base
  #entries: Entry[] = []
  /** Evicted slots at the start of `#entries`, given back now and then. */
  #head = 0
  #bytes = 0
  #lastIndex: number
  #persisted: number
  #runs: { index: number; term: number }[]
  #memberships: { index: number; membership: Membership }[]
  #leads: LeadMark[] = []

  constructor(restored: Restored) {
    const { base, tail, lastIndex } = restored
    this.#base = base
    this.#lastIndex = base.index
    this.#runs = restored.termRuns
      .filter((run) => run.index <= lastIndex)
      .map((run) => ({ ...run }))
    this.#memberships = [...restored.memberships]
    assert(lastIndex >= base.index, 'the log ends before its base')
    assert(
      lastIndex === base.index || tail[tail.length - 1]?.index === lastIndex,
      'the restored tail must hold the last entry of the log',
    )
    let next = tail[0]?.index ?? 0
    for (const entry of tail) {
      assert(entry.index === next, `the restored tail has a gap before ${entry.index}`)
      next += 1
      if (entry.index <= base.index) continue
      this.#entries.push(entry)
      this.#bytes += entry.bytes.length
      if (entry.type === 'noop') this.#noteLead(entry)
    }
    this.#lastIndex = lastIndex
    this.#persisted = lastIndex
  }

  get baseIndex(): number {
    return this.#base.index
  }
  get lastIndex(): number {
    return this.#lastIndex
  }
  get lastTerm(): number {
    return this.termAt(this.#lastIndex) as number
  }
  /** Index of the first entry in memory; lastIndex + 1 when there is none. */
  get firstCached(): number {
    return this.#lastIndex + 1 - (this.#entries.length - this.#head)
  }
  get cachedBytes(): number {
    return this.#bytes
  }
  /** All entries up to this one are synced on the own disk. */
  get persisted(): number {
    return this.#persisted
  }
  get membership(): Membership | undefined {
    return this.#memberships[this.#memberships.length - 1]?.membership ?? this.#base.membership
  }
  /** The one before the membership in force; undefined: the log does not tell. */
  get formerMembership(): Membership | undefined {
    if (this.#memberships.length === 0) return undefined
    return this.#memberships[this.#memberships.length - 2]?.membership ?? this.#base.membership
  }
  /** Index of the entry that put the membership in force; the base's for a snapshot's. */
  get membershipIndex(): number {
    return this.#memberships[this.#memberships.length - 1]?.index ?? this.#base.index
  }
  /** The latest changes of leader that the log tells of, oldest first. */
  get leads(): readonly LeadMark[] {
    return this.#leads
  }
  get lastTime_ms(): number {
    return this.entryAt(this.#lastIndex)?.time_ms ?? this.#base.time_ms
  }
  /** The revision that the next command gets. */
  get nextRevision(): number {
    const last = this.entryAt(this.#lastIndex)
    return last === undefined ? this.#base.nextRevision : last.firstRevision + last.count
  }

  /** The term of an index, undefined below the base and above the end. */
  termAt(index: number): number | undefined {
    if (index === this.#base.index) return this.#base.term
    if (index < this.#base.index || index > this.#lastIndex) return undefined
    for (let at = this.#runs.length - 1; at >= 0; at -= 1) {
      const run = this.#runs[at] as { index: number; term: number }
      if (run.index <= index) return run.term
    }
    return undefined
  }

  /** The chain at an index, undefined where it is not in memory. */
  chainAt(index: number): number | undefined {
    return index === this.#base.index ? this.#base.chain : this.entryAt(index)?.chain
  }

  /** An entry in memory. */
  entryAt(index: number): Entry | undefined {
    if (index > this.#lastIndex) return undefined
    return this.#entries[this.#entries.length - 1 - (this.#lastIndex - index)]
  }

  /** At least one entry from `from` (which is in memory) on, up to about `bytes_max`. */
  slice(from: number, bytes_max: number): Entry[] {
    const result: Entry[] = []
    let bytes = 0
    for (let index = from; index <= this.#lastIndex; index += 1) {
      const entry = this.entryAt(index) as Entry
      bytes += entry.bytes.length
      if (result.length > 0 && bytes > bytes_max) break
      result.push(entry)
    }
    return result
  }

  /** The highest index up to `index` whose term is at most `term` (etcd `findConflictByTerm`). */
  findConflict(index: number, term: number): number {
    let at = index
    while (at > this.#base.index && (this.termAt(at) ?? 0) > term) {
      let run = this.#runs.length - 1
      while ((this.#runs[run] as { index: number }).index > at) run -= 1
      at = Math.max((this.#runs[run] as { index: number }).index - 1, this.#base.index)
    }
    return at
  }

  /** Is a log that ends so at least as up to date as this one (Raft §5.4.1)? */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    const own = this.lastTerm
    return lastTerm > own || (lastTerm === own && lastIndex >= this.#lastIndex)
  }

  append(entry: Entry): void {
    assert(entry.index === this.#lastIndex + 1, `entry ${entry.index} is not the next one`)
    assert(entry.term >= this.lastTerm, `entry ${entry.index} has a term that goes back`)
    if (entry.term !== this.#runs[this.#runs.length - 1]?.term) {
      this.#runs.push({ index: entry.index, term: entry.term })
    }
    this.#entries.push(entry)
    this.#bytes += entry.bytes.length
    this.#lastIndex = entry.index
    if (entry.type === 'membership') {
      const membership = decodeMembership(payloadOf(entry))
      this.#memberships.push({ index: entry.index, membership })
    } else if (entry.type === 'noop') this.#noteLead(entry)
  }

  /** Forgets the entries from `from` on; the caller has made sure that none is committed. */
  truncate(from: number): void {
    assert(from > this.#base.index && from <= this.#lastIndex, `cannot truncate from ${from}`)
    assert(from >= this.firstCached, `truncated entry ${from} is not in memory`)
    for (let index = this.#lastIndex; index >= from; index -= 1) {
      this.#bytes -= (this.#entries.pop() as Entry).bytes.length
    }
    this.#lastIndex = from - 1
    this.#persisted = Math.min(this.#persisted, from - 1)
    while ((this.#runs[this.#runs.length - 1]?.index ?? 0) >= from) this.#runs.pop()
    while ((this.#memberships[this.#memberships.length - 1]?.index ?? 0) >= from) {
      this.#memberships.pop()
    }
    while ((this.#leads[this.#leads.length - 1]?.index ?? 0) >= from) this.#leads.pop()
  }

  /** Entries up to `index` are synced. */
  persistTo(index: number): void {
    if (index > this.#persisted) this.#persisted = index
  }

  /** Gives memory back, while there is more than the limit, of what is stored and committed. */
  evict(commit: number): void {
    while (this.#bytes > LOG_CACHE_BYTES_MAX) {
      const first = this.#entries[this.#head]
      if (first === undefined || first.index >= commit || first.index > this.#persisted) return
      this.#dropFirst()
    }
  }

  /** The log now starts behind `index`. */
  compact(index: number): void {
    if (index <= this.#base.index) return
    assert(index <= this.#lastIndex, `cannot compact up to ${index}, beyond the end`)
    const entry = this.entryAt(index)
    let membership = this.#base.membership
    for (const held of this.#memberships) if (held.index <= index) membership = held.membership
    this.#memberships = this.#memberships.filter((held) => held.index > index)
    const term = this.termAt(index) as number
    while (this.#runs.length > 1 && (this.#runs[1] as { index: number }).index <= index + 1) {
      this.#runs.shift()
    }
    while (this.firstCached <= Math.min(index, this.#lastIndex)) this.#dropFirst()
    this.#base = {
      index,
      term,
      chain: entry?.chain,
      time_ms: entry?.time_ms ?? this.#base.time_ms,
      nextRevision:
        entry === undefined ? this.#base.nextRevision : entry.firstRevision + entry.count,
      membership,
    }
  }

  /** Does the log hold the snapshot's last entry, so that the entries above it may stay? */
  holds(meta: SnapshotMeta): boolean {
    if (meta.index > this.#lastIndex || this.termAt(meta.index) !== meta.term) return false
    const chain = this.chainAt(meta.index)
    return chain === undefined || chain === meta.chain
  }

  /** Starts the log at a snapshot; `keepLog`: the entries above it stay. */
  install(meta: SnapshotMeta, keepLog: boolean): void {
    if (keepLog) this.compact(meta.index)
    else {
      this.#entries = []
      this.#head = 0
      this.#bytes = 0
      this.#runs = []
      this.#memberships = []
      this.#lastIndex = meta.index
      this.#persisted = 0
    }
    this.#base = meta
  }

  #noteLead(entry: Entry): void {
    const record = decodeLeadRecord(payloadOf(entry))
    this.#leads.push({ index: entry.index, time_ms: entry.time_ms, record })
    if (this.#leads.length > LEADS_MAX) this.#leads.shift()
  }

  #dropFirst(): void {
    this.#bytes -= (this.#entries[this.#head] as Entry).bytes.length
    // The slot is cleared at once (memory), the array is shortened seldom (no shifting each time).
    ;(this.#entries as (Entry | undefined)[])[this.#head] = undefined
    this.#head += 1
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
  }
}
