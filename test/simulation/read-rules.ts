/**
 * Read indexes (DESIGN §8), looked at in one core:
 *
 *   read-unconfirmed   at the leader, an index counts only when a quorum has answered a round whose
 *                      token was first sent after the read arrived; at a follower, only when the
 *                      leader answered a request that was sent after the read arrived
 *   read-index         the index is at least every commit known anywhere when the read arrived
 */

import { majority } from '../../src/database/consensus/quorum.ts'
import type { MemberId, Message } from '../../src/database/consensus/types.ts'
import type { Course, ProtocolOptions } from './protocol.ts'
import { Violation } from './violation.ts'

/** Rounds, requests and answers remembered: what is older is settled. */
const REMEMBERED = 200

type Arrival = { readonly step: number; readonly commit: number }
type Round = { readonly step: number; readonly term: number; readonly acks: Set<MemberId> }

export class ReadRules {
  readonly #options: ProtocolOptions
  /** Counts this core's steps. */
  #step = 0
  /** Own reads by id, and followers' requests by name. */
  readonly #reads = new Map<number, Arrival>()
  readonly #requests = new Map<string, Arrival>()
  /** Rounds of this start by their number; requests to leaders by theirs: when they first left. */
  readonly #rounds = new Map<number, Round>()
  readonly #asked = new Map<number, number>()
  /** Leaders' answers: the index, and when what it answers was sent. */
  #answers: { readonly index: number; readonly step: number }[] = []

  constructor(options: ProtocolOptions) {
    this.#options = options
  }

  step(course: Course): void {
    this.#step += 1
    const { input, effects } = course
    if (input.type === 'read') this.#reads.set(input.id, this.#now())
    if (input.type === 'message') this.#receive(input.message)
    for (const { message } of effects.messages) this.#send(course, message)
    for (const outcome of effects.reads) {
      const arrival = this.#reads.get(outcome.id)
      this.#reads.delete(outcome.id)
      if (arrival === undefined || 'refused' in outcome) continue
      const { index } = outcome
      const answered = this.#answers.some((one) => one.index === index && one.step >= arrival.step)
      if (!answered) this.#demandRound(course, arrival)
      this.#demandIndex(course, arrival, index)
    }
  }

  #now(): Arrival {
    return { step: this.#step, commit: this.#options.commit() }
  }

  #receive(message: Message): void {
    if (message.type === 'read-index') {
      const name = `${message.from} ${message.start} ${message.request}`
      // A copy of a request that waits is the same request.
      if (!this.#requests.has(name)) this.#requests.set(name, this.#now())
    }
    if (message.type === 'append-reply' && message.token !== undefined) {
      const round = this.#rounds.get(message.token.round)
      if (round?.term === message.token.term) round.acks.add(message.from)
    }
    if (message.type === 'read-index-reply' && !message.refused) {
      const step = this.#asked.get(message.request)
      if (step === undefined) return
      this.#answers = [...this.#answers, { index: message.index, step }].slice(-REMEMBERED)
    }
  }

  #send(course: Course, message: Message): void {
    if (message.type === 'append' && message.token !== undefined) {
      const { term, round } = message.token
      if (!this.#rounds.has(round)) {
        remember(this.#rounds, round, { step: this.#step, term, acks: new Set() })
      }
    }
    if (message.type === 'read-index') remember(this.#asked, message.request, this.#step)
    if (message.type !== 'read-index-reply') return
    const name = `${message.to} ${message.start} ${message.request}`
    const arrival = this.#requests.get(name)
    this.#requests.delete(name)
    if (message.refused || arrival === undefined) return
    this.#demandRound(course, arrival)
    this.#demandIndex(course, arrival, message.index)
  }

  #demandRound({ self, core, voters }: Course, arrival: Arrival): void {
    let best = 0
    for (const { step, term, acks } of this.#rounds.values()) {
      if (step < arrival.step || term !== core.term) continue
      best = Math.max(best, voters.filter((voter) => voter !== self && acks.has(voter)).length)
    }
    const own = voters.includes(self) ? 1 : 0
    if (best + own >= majority(voters.length)) return
    const what = `${self} answers a read, and ${best} of the voters [${voters}] answered a round`
    throw new Violation('read-unconfirmed', `${what} that began after it arrived`)
  }

  #demandIndex({ self }: Course, { commit }: Arrival, index: number): void {
    if (index >= commit) return
    const what = `${self} answers a read with index ${index}`
    throw new Violation('read-index', `${what}, and ${commit} was committed when it arrived`)
  }
}

function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  map.set(key, value)
  if (map.size <= REMEMBERED) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
