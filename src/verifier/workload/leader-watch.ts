/** Who leads, asked for every now and then: a change of leader is a rise of the term. */

import type { Client } from '../../client/client.ts'
import type { Clock, Timer } from '../../shared/clock.ts'

const POLL_MS = 250
/** Changes that are kept; later ones are only counted. */
const CHANGES_MAX = 1000

export type LeaderChange = {
  /** When it was seen. */
  readonly at_us: number
  readonly term: number
  readonly leader: string | undefined
  readonly formerTerm: number
  readonly formerLeader: string | undefined
}

export class LeaderWatch {
  readonly #clients: readonly Client[]
  readonly #clock: Clock
  readonly #now_us: () => number
  readonly changes: LeaderChange[] = []
  total = 0
  #term: number | undefined
  #leader: string | undefined
  #asked = 0
  #timer: Timer | undefined
  #closed = false

  constructor(options: { clients: readonly Client[]; clock: Clock; now_us: () => number }) {
    this.#clients = options.clients
    this.#clock = options.clock
    this.#now_us = options.now_us
  }

  get term(): number | undefined {
    return this.#term
  }

  get leader(): string | undefined {
    return this.#leader
  }

  start(): void {
    void this.#poll()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #poll(): Promise<void> {
    const client = this.#clients[this.#asked++ % this.#clients.length] as Client
    const answer = await client.cluster()
    if (this.#closed) return
    // Until somebody leads in the new term, the change is not over.
    if (answer.type === 'cluster' && answer.leader !== undefined) {
      this.#note(answer.term, answer.leader)
    }
    this.#timer = this.#clock.after(POLL_MS, () => void this.#poll())
  }

  #note(term: number, leader: string): void {
    const formerTerm = this.#term
    if (formerTerm !== undefined && term <= formerTerm) return
    if (formerTerm !== undefined) {
      this.total++
      if (this.changes.length < CHANGES_MAX) {
        const formerLeader = this.#leader
        this.changes.push({ at_us: this.#now_us(), term, leader, formerTerm, formerLeader })
      }
    }
    this.#term = term
    this.#leader = leader
  }
}
