/**
 * Who may campaign and who may go on leading (DESIGN §3), looked at in one core:
 *
 *   pre-vote        a new term is begun only when a quorum said it would vote, or by TimeoutNow
 *   paused-leader   a leader whose clock leapt by more than T between two steps steps down first
 *   check-quorum    a leader that no quorum answered for T, counted from the asking, steps down
 */

import { majority } from '../../src/database/consensus/quorum.ts'
import type { MemberId } from '../../src/database/consensus/types.ts'
import type { Course, ProtocolOptions } from './protocol.ts'
import { Violation } from './violation.ts'

export class ElectionRules {
  readonly #timing: ProtocolOptions['timing']
  #last_ms = Number.NaN
  /** The own pre-vote round that is under way, and who granted it. */
  #round = 0
  readonly #granted = new Set<MemberId>()
  #voters: readonly MemberId[] = []
  #tick_ms = Number.NaN
  #ticksOnTime = 0
  /** When the latest answered append was sent, by member. */
  readonly #answered = new Map<MemberId, number>()

  constructor({ timing }: ProtocolOptions) {
    this.#timing = timing
  }

  step(course: Course): void {
    this.#checkPause(course)
    this.#checkCandidacy(course)
    this.#checkQuorum(course)
    this.#last_ms = course.instant.now_ms
    this.#voters = course.voters
  }

  #checkPause({ self, before, after, instant }: Course): void {
    const gap_ms = instant.now_ms - this.#last_ms
    if (before === undefined || this.#voters.length < 2) return
    if (!(gap_ms > this.#timing.electionTimeout_ms) || after?.term !== before.term) return
    const what = `${self} was paused for ${Math.round(gap_ms)} ms and leads on`
    throw new Violation('paused-leader', `${what} in term ${before.term}`)
  }

  #checkCandidacy({ self, core, input, effects, voters }: Course): void {
    const message = input.type === 'message' ? input.message : undefined
    if (message?.type === 'pre-vote-reply' && message.granted && message.round === this.#round) {
      this.#granted.add(message.from)
    }
    if (effects.messages.some(({ message }) => message.type === 'vote')) {
      const granted = voters.filter((voter) => voter === self || this.#granted.has(voter))
      const asked = message?.type === 'timeout-now'
      if (!asked && granted.length < majority(voters.length)) {
        const what = `${self} begins term ${core.term} with the consent of [${granted}]`
        throw new Violation('pre-vote', `${what} of [${voters}]`)
      }
      this.#granted.clear()
    }
    for (const { message } of effects.messages) {
      if (message.type !== 'pre-vote' || message.round === this.#round) continue
      this.#round = message.round
      this.#granted.clear()
    }
  }

  #checkQuorum({ self, before, after, input, instant, voters }: Course): void {
    const { now_ms } = instant
    const { electionTimeout_ms, heartbeat_ms } = this.#timing
    if (after === undefined) return
    if (before?.term !== after.term) this.#answered.clear()
    if (input.type === 'message' && input.message.type === 'append-reply') {
      const { from, term, sent_ms } = input.message
      const latest_ms = Math.max(sent_ms, this.#answered.get(from) ?? -1)
      if (term === after.term) this.#answered.set(from, latest_ms)
    }
    if (input.type !== 'tick') return
    // A tick that comes late judges nothing; the messages that waited come first.
    const onTime = now_ms - this.#tick_ms <= 2 * heartbeat_ms
    this.#tick_ms = now_ms
    this.#ticksOnTime = onTime ? this.#ticksOnTime + 1 : 0
    if (this.#ticksOnTime < 2 || voters.length < 2) return
    const answers = voters.map((voter) =>
      voter === self ? now_ms : Math.max(after.since_ms, this.#answered.get(voter) ?? -1),
    )
    answers.sort((a, b) => b - a)
    const silent_ms = now_ms - (answers[majority(voters.length) - 1] as number)
    if (silent_ms <= electionTimeout_ms + heartbeat_ms) return
    const what = `${self} leads in term ${after.term}, and no quorum has answered`
    throw new Violation('check-quorum', `${what} for ${Math.round(silent_ms)} ms`)
  }
}
