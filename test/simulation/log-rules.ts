/**
 * What a core may do with its log, and a leader with the next entry:
 *
 *   commit-rule            a leader commits by counting an entry of its own term (Raft §5.4.2)
 *   membership-rule        one voter more or less at a time; none before an own entry is committed,
 *                          nor before the last change is (Ongaro 2015)
 *   revision-order         revisions go on where the entry before ends
 *   log-time               advances by the leader's clock; at its first entry by a bounded step
 *   acknowledged-unequal   what is acknowledged to a leader is what the leader has there
 *   acknowledged-dropped   an entry acknowledged in this term stays in the log for this term
 */

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

type Fact = { readonly nextRevision: number; readonly time_ms: number; readonly made_ms: number }

/** What is known of every entry that any core wrote, and of every leader's log. */
export class EntryFacts {
  readonly #facts = new Map<string, Fact>()
  /** term → the log of who was elected in it. */
  readonly leaders = new Map<number, CoreLog>()

  get(index: number, term: number): Fact | undefined {
    return this.#facts.get(`${index}/${term}`)
  }

  note({ index, term, firstRevision, count, time_ms }: Entry, made_ms: number): void {
    const name = `${index}/${term}`
    if (this.#facts.has(name)) return
    this.#facts.set(name, { nextRevision: firstRevision + count, time_ms, made_ms })
  }
}

export class LogRules {
  readonly #options: ProtocolOptions
  readonly #facts: EntryFacts
  #commit = -1
  #membership: { index: number; membership: Membership | undefined } | undefined
  #acknowledged = { term: 0, match: 0 }

  constructor(options: ProtocolOptions, facts: EntryFacts) {
    this.#options = options
    this.#facts = facts
  }

  step(course: Course): void {
    const { core, before, after, effects, log } = course
    if (after !== undefined && before?.term !== after.term) this.#facts.leaders.set(after.term, log)
    const made_ms = this.#options.now_ms()
    for (const entry of effects.write?.entries ?? []) {
      if (after !== undefined) this.#checkProposal(course, after, entry)
      this.#facts.note(entry, made_ms)
    }
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
    if (own !== undefined && own.chain === leader.at(match)?.chain) return
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
