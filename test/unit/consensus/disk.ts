/**
 * A disk for one simulated replica: it holds what was synced, and a queue of writes that are not
 * yet. The same code keeps the replica's picture of its log in memory (writes applied at once).
 */

import type { Entry } from '../../../src/database/consensus/entry.ts'
import { payloadOf } from '../../../src/database/consensus/entry.ts'
import { decodeMembership } from '../../../src/database/consensus/membership.ts'
import type {
  HardState,
  Membership,
  Restored,
  SnapshotMeta,
  TermRun,
  Write,
} from '../../../src/database/consensus/types.ts'

const EMPTY_BASE: Restored['base'] = {
  index: 0,
  term: 0,
  chain: 0,
  time_ms: 0,
  nextRevision: 1,
  membership: undefined,
}

export class Disk {
  hardState: HardState = { term: 0, vote: '' }
  base: Restored['base'] = EMPTY_BASE
  entries: Entry[] = []
  applied = 0

  get lastIndex(): number {
    return this.base.index + this.entries.length
  }

  copy(): Disk {
    const copy = new Disk()
    copy.hardState = this.hardState
    copy.base = this.base
    copy.entries = [...this.entries]
    copy.applied = this.applied
    return copy
  }

  entryAt(index: number): Entry | undefined {
    return this.entries[index - this.base.index - 1]
  }

  /** Applies one write, parts in the order that `Write` promises. */
  apply(write: Write): void {
    if (write.install !== undefined) {
      const { meta, keepLog } = write.install
      this.entries = keepLog ? this.entries.slice(meta.index - this.base.index) : []
      this.base = meta
      this.applied = meta.index
    }
    if (write.truncateFrom !== undefined) {
      this.entries.length = write.truncateFrom - this.base.index - 1
    }
    for (const entry of write.entries) {
      if (entry.index !== this.lastIndex + 1) {
        throw new Error(`write #${write.id} puts entry ${entry.index} behind ${this.lastIndex}`)
      }
      this.entries.push(entry)
    }
    if (write.hardState !== undefined) this.hardState = write.hardState
  }

  membershipAt(index: number): Membership | undefined {
    let membership = this.base.membership
    for (const entry of this.entries) {
      if (entry.index > index) break
      if (entry.type === 'membership') membership = decodeMembership(payloadOf(entry))
    }
    return membership
  }

  /** What a snapshot of the applied state says of itself. */
  metaAt(index: number): SnapshotMeta {
    const entry = this.entryAt(index)
    const { base } = this
    return {
      index,
      term: entry?.term ?? base.term,
      chain: entry?.chain ?? base.chain,
      time_ms: entry?.time_ms ?? base.time_ms,
      nextRevision: entry === undefined ? base.nextRevision : entry.firstRevision + entry.count,
      membership: this.membershipAt(index) as Membership,
    }
  }

  compact(to: number): void {
    const index = Math.min(to, this.applied)
    if (index <= this.base.index) return
    const base = this.metaAt(index)
    this.entries = this.entries.slice(index - this.base.index)
    this.base = base
  }

  /** At least one entry, up to about `bytes_max`; [] when `from` was compacted. */
  read(from: number, bytes_max: number): Entry[] {
    if (from <= this.base.index) return []
    const result: Entry[] = []
    let bytes = 0
    for (const entry of this.entries.slice(from - this.base.index - 1)) {
      bytes += entry.bytes.length
      if (result.length > 0 && bytes > bytes_max) break
      result.push(entry)
    }
    return result
  }

  /**
   * What a replica finds here when it starts: in its memory no more than it must have, the entries
   * above the applied one and the last, so that older ones have to be loaded.
   */
  restore(): Restored {
    const first = Math.min(this.applied + 1, this.lastIndex)
    const termRuns: TermRun[] = []
    const memberships: { index: number; membership: Membership }[] = []
    for (const entry of this.entries) {
      if (termRuns[termRuns.length - 1]?.term !== entry.term) {
        termRuns.push({ index: entry.index, term: entry.term })
      }
      if (entry.type === 'membership') {
        memberships.push({ index: entry.index, membership: decodeMembership(payloadOf(entry)) })
      }
    }
    return {
      hardState: this.hardState,
      base: this.base,
      lastIndex: this.lastIndex,
      termRuns,
      memberships,
      tail: this.entries.slice(Math.max(0, first - this.base.index - 1)),
      applied: this.applied,
    }
  }
}
