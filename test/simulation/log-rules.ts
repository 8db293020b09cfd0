/**
 * What a core may do with its log, and a leader with the next entry:
 *
 *   commit-rule            a leader commits by counting an entry of its own term (Raft §5.4.2)
 *   membership-rule        one voter more or less at a time; none before an own entry is committed,
 *                          nor before the last change is (Ongaro 2015)
 *   revision-order         revisions go on where the entry before ends
 *   log-time               advances by the leader's clock; at its first entry by a bounded step
 *   entry-altered          an entry has the same bytes wherever it is written
 *   disk-differs           once all is synced, the disk's log ends where the core's does
 *   log-broken             behind a snapshot stays only what follows its last entry
 *   acknowledged-unequal   what is acknowledged to a leader is what it has there, or had
 *   acknowledged-dropped   an entry acknowledged in this term stays in the log for this term
 */

import { crc32c } from '@node-rs/crc32'
import type { Entry } from '../../src/database/consensus/entry.ts'
import { decodeMembership } from '../../src/database/consensus/membership.ts'
import type { MemberId, Membership } from '../../src/database/consensus/types.ts'
import { LOG_TIME_STEP_MS_MAX } from '../../src/shared/limits.ts'
import type { CoreLog } from './core-log.ts'
import type { Course, Lead, ProtocolOptions } from './protocol.ts'
import { Violation } from './violation.ts'

const ENTRY_HEADER_BYTES = 52
/** Log time is in whole ms, and what is compared are differences. */
const ROUNDING_MS = 2

type Fact = {
  readonly nextRevision: number
  readonly time_ms: number
  readonly made_ms: number
  /** The chain of the entry before; undefined: not known. */
  readonly follows: number | undefined
  /** CRC of all its bytes: the chain covers what the header says of them. */
  readonly crc: number
}

/** What is known of every entry that any core wrote, and of every leader's log. */
export class EntryFacts {
  readonly #facts = new Map<string, Fact>()
  /** term → the log with which somebody led in it at first: later come entries of the term. */
  readonly leaders = new Map<number, CoreLog>()

  get(index: number, term: number): Fact | undefined {
    return this.#facts.get(`${index}/${term}`)
  }

  /** Throws a `Violation` when this entry is known, and was another one. */
  note(entry: Entry, made_ms: number, follows: number | undefined): void {
    const { index, term, firstRevision, count, time_ms } = entry
    const name = `${index}/${term}`
    const crc = crc32c(entry.bytes)
    const known = this.#facts.get(name)
    if (known !== undefined && known.crc !== crc) {
      throw new Violation('entry-altered', `entry ${index} of term ${term} has other bytes`)
    }
    if (known !== undefined) return
    this.#facts.set(name, { nextRevision: firstRevision + count, time_ms, made_ms, follows, crc })
  }
}

export class LogRules {
  readonly #options: ProtocolOptions
  readonly #facts: EntryFacts
  #commit = -1
  #membership: { index: number; membership: Membership | undefined } | undefined
  #acknowledged = { term: 0, match: 0 }
  /** Id of the last write that was issued. */
  #lastWrite = 0

  constructor(options: ProtocolOptions, facts: EntryFacts) {
    this.#options = options
    this.#facts = facts
  }

  step(course: Course): void {
    const { core, before, after, effects, log } = course
    if (after !== undefined && before?.term !== after.term)
      this.#facts.leaders.set(after.term, log.copy())
    const made_ms = this.#options.now_ms()
    for (const entry of effects.write?.entries ?? []) {
      if (after !== undefined) this.#checkProposal(course, after, entry)
      this.#facts.note(entry, made_ms, log.at(entry.index - 1)?.chain)
    }
    this.#checkInstall(course)
    this.#checkDisk(course)
    this.#checkCommit(course)
    this.#checkAcknowledged(course)
    this.#commit = core.commit
    this.#noteMembership(course)
  }

  #checkProposal(course: Course, lead: Lead, entry: Entry): void {
    const { self, log } = course
    const { index, term, firstRevision, time_ms } = entry
    const previous = log.at(index - 1)
    const fact = previous === undefined ? undefined : this.#facts.get(index - 1, previous.term)
    if (fact !== undefined) {
      if (firstRevision !== fact.nextRevision) {
        const what = `${self} gives entry ${index} the revisions from ${firstRevision} on`
        throw new Violation('revision-order', `${what}; the last one ends at ${fact.nextRevision}`)
      }
      const { now_ms, drift } = this.#options
      const passed_ms = (now_ms() - fact.made_ms) * (1 + drift) + ROUNDING_MS
      const step_ms = index === lead.firstIndex ? LOG_TIME_STEP_MS_MAX : passed_ms
      const ahead_ms = time_ms - fact.time_ms
      if (ahead_ms < 0 || ahead_ms > step_ms) {
        const what = `${self} moves log time by ${ahead_ms} ms at entry ${index} of term ${term}`
        throw new Violation('log-time', `${what}, not by at most ${Math.round(step_ms)} ms`)
      }
    }
    if (entry.type === 'membership') this.#checkChange(course, lead, entry)
  }

  #checkChange({ self }: Course, lead: Lead, entry: Entry): void {
    const present = this.#membership
    const wrong = (what: string) => {
      throw new Violation('membership-rule', `${self} changes the membership ${what}`)
    }
    if (present?.membership === undefined) return
    if (this.#commit < lead.firstIndex) {
      wrong(`at ${entry.index}, with nothing committed in term ${lead.term} yet`)
    }
    if (this.#commit < present.index) {
      wrong(`at ${entry.index}, and the change at ${present.index} is not committed yet`)
    }
    const { bytes } = entry
    const { voters } = decodeMembership(bytes.subarray(ENTRY_HEADER_BYTES))
    const former = present.membership.voters
    if (differences(voters, former) > 1) wrong(`from [${former}] to [${voters}] in one step`)
  }

  #checkInstall({ self, effects, log }: Course): void {
    const install = effects.write?.install
    if (install === undefined) return
    const { index, chain } = install.meta
    const next = log.at(index + 1)
    const follows = next === undefined ? chain : this.#facts.get(index + 1, next.term)?.follows
    if (follows === undefined || follows === chain) return
    const what = `${self} keeps entry ${index + 1} behind a snapshot at ${index}`
    throw new Violation('log-broken', `${what} that it does not follow`)
  }

  #checkDisk({ self, input, effects, log, mirror }: Course): void {
    const synced = input.type === 'persisted' && input.write === this.#lastWrite
    this.#lastWrite = effects.write?.id ?? this.#lastWrite
    if (!synced || effects.write !== undefined) return
    const { lastIndex } = mirror
    if (lastIndex === log.lastIndex && mirror.at(lastIndex)?.chain === log.at(lastIndex)?.chain) {
      return
    }
    const what = `the log of ${self} ends at ${log.lastIndex}`
    throw new Violation('disk-differs', `${what}, and on its disk at ${lastIndex}`)
  }

  #checkCommit({ self, before, after, effects }: Course): void {
    const last = effects.committed.at(-1)
    if (last === undefined || after === undefined || before?.term !== after.term) return
    if (last.term === after.term) return
    const what = `${self} leads in term ${after.term} and commits entry ${last.index}`
    throw new Violation('commit-rule', `${what} of term ${last.term} by counting`)
  }

  #checkAcknowledged(course: Course): void {
    const { self, core, effects, log } = course
    const { term } = core
    if (this.#acknowledged.term !== term) this.#acknowledged = { term, match: 0 }
    for (const { message } of effects.messages) {
      if (message.type !== 'append-reply' || message.rejected || message.term !== term) continue
      this.#acknowledged.match = Math.max(this.#acknowledged.match, message.match)
      this.#demandEqual(course, message.match)
    }
    const { match } = this.#acknowledged
    if (log.lastIndex >= match) return
    const what = `${self} acknowledged entry ${match} in term ${term}`
    throw new Violation('acknowledged-dropped', `${what}, and its log ends at ${log.lastIndex}`)
  }

  #demandEqual({ self, core, log }: Course, match: number): void {
    const leader = this.#facts.leaders.get(core.term)
    if (leader === undefined || match <= Math.max(leader.baseIndex, log.baseIndex)) return
    const own = log.at(match)
    const added = match > leader.lastIndex && own?.term === core.term
    if (added || (own !== undefined && own.chain === leader.at(match)?.chain)) return
    const what = `${self} acknowledges entry ${match} in term ${core.term}`
    throw new Violation('acknowledged-unequal', `${what}, and the leader has another one there`)
  }

  #noteMembership({ core, effects }: Course): void {
    if (this.#membership === undefined) {
      const { membership, membershipIndex } = core.status()
      this.#membership = { index: membershipIndex, membership }
    }
    for (const event of effects.events) {
      if (event.type !== 'membership') continue
      this.#membership = { index: event.index, membership: event.membership }
    }
  }
}

/** Members that only one of the two lists has. */
function differences(some: readonly MemberId[], others: readonly MemberId[]): number {
  const onlyIn = (a: readonly MemberId[], b: readonly MemberId[]) =>
    a.filter((member) => !b.includes(member)).length
  return onlyIn(some, others) + onlyIn(others, some)
}
