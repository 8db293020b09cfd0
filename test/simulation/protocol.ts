/**
 * Rules of the protocol that each single core must keep at every step. Breaking one does harm only
 * in rare company (a lost message, a crash just then); looked at directly it shows at once.
 *
 *   election-rules.ts   who campaigns asked before; who was paused or lost its quorum leads no more
 *   log-rules.ts        commit by the own term, one change of membership at a time, revisions and
 *                       times without a leap, what was acknowledged stays
 *   read-rules.ts       a read index is confirmed by a round that was sent after the read arrived
 *
 * They look from outside, at what a core was told and what it decided (watch.ts).
 */

import type { Core } from '../../src/database/consensus/core.ts'
import type { Effects, Input, Instant, MemberId } from '../../src/database/consensus/types.ts'
import type { CoreLog } from './core-log.ts'
import type { DiskMirror } from './disk-mirror.ts'
import { ElectionRules } from './election-rules.ts'
import { EntryFacts, LogRules } from './log-rules.ts'
import { ReadRules } from './read-rules.ts'

export type ProtocolOptions = {
  readonly timing: { readonly electionTimeout_ms: number; readonly heartbeat_ms: number }
  /** Clocks run wrong by up to this share. */
  readonly drift: number
  /** Virtual time. */
  readonly now_ms: () => number
  /** Index of the last entry that is known committed anywhere. */
  readonly commit: () => number
}

/** A lead, from election to step-down. */
export type Lead = {
  readonly term: number
  /** By the leader's own clock. */
  readonly since_ms: number
  /** Index of the entry that begins the term. */
  readonly firstIndex: number
}

/** One step of one core, after it. */
export type Step = {
  readonly self: MemberId
  readonly core: Core
  readonly instant: Instant
  readonly input: Input
  readonly effects: Effects
  /** The log with this step's write. */
  readonly log: CoreLog
  /** What was synced. */
  readonly mirror: DiskMirror
}

/** A step with what the core was before it. */
export type Course = Step & {
  readonly before: Lead | undefined
  readonly after: Lead | undefined
  readonly voters: readonly MemberId[]
}

type Rules = { step(course: Course): void }

export class Protocol {
  readonly #options: ProtocolOptions
  readonly #facts = new EntryFacts()
  readonly #cores = new WeakMap<Core, { lead: Lead | undefined; rules: readonly Rules[] }>()

  constructor(options: ProtocolOptions) {
    this.#options = options
  }

  /** Throws a `Violation`. */
  step(step: Step): void {
    const { core } = step
    let known = this.#cores.get(core)
    if (known === undefined) {
      const options = this.#options
      const log = new LogRules(options, this.#facts)
      known = { lead: undefined, rules: [new ElectionRules(options), log, new ReadRules(options)] }
      this.#cores.set(core, known)
    }
    const before = known.lead
    const after = leadAfter(before, step)
    known.lead = after
    const voters = core.membership?.voters ?? []
    for (const rules of known.rules) rules.step({ ...step, before, after, voters })
  }
}

function leadAfter(
  before: Lead | undefined,
  { effects, instant: { now_ms } }: Step,
): Lead | undefined {
  let lead = before
  for (const event of effects.events) {
    if (event.type === 'stepped-down') lead = undefined
    if (event.type !== 'elected') continue
    const { term } = event
    const first = effects.write?.entries.find((entry) => entry.term === term)
    lead = { term, since_ms: now_ms, firstIndex: first?.index ?? 0 }
  }
  return lead
}
