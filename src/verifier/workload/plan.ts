/**
 * What the clients do next: a mix of operations over a few hot keys, where they meet, and many cold
 * ones.
 */

import type { Action } from '../history.ts'
import type { Random } from '../random.ts'

export type PlanOptions = {
  /** Cold keys. */
  readonly keys: number
  /** What each key starts with. */
  readonly prefix: string
}

export type Step = { readonly key: string; readonly action: Action }

const HOT_KEYS = 4
const HOT_SHARE = 0.5

/** Shares of the operations; what is left is linearizable reads. */
const PUT_SHARE = 0.3
const CONDITIONAL_PUT_SHARE = 0.15
const DELETE_SHARE = 0.05
const STALE_READ_SHARE = 0.15
/** Of conditional puts: those that want no such key. */
const IF_ABSENT_SHARE = 0.3
/** Of deletes, of linearizable reads: those with a condition. */
const CONDITIONAL_SHARE = 0.2
/** Bounds of stale reads, ms. */
const STALE_BOUNDS_MS = [200, 1000, 5000]

/** What all clients know. */
export type Known = {
  /** The revision last seen of a key by anybody. */
  revisionOf(key: string): number | undefined
}

export class Plan {
  readonly #options: PlanOptions
  readonly #random: Random
  readonly #known: Known
  readonly #process: number
  #puts = 0
  /** The highest revision that this client was told for a write: it must go on seeing that. */
  written = 0

  constructor(options: PlanOptions, client: { process: number; random: Random; known: Known }) {
    this.#options = options
    this.#process = client.process
    this.#random = client.random
    this.#known = client.known
  }

  next(): Step {
    const key = this.#key()
    return { key, action: this.#action(this.#known.revisionOf(key)) }
  }

  #key(): string {
    const { keys, prefix } = this.#options
    const random = this.#random
    return random.chance(HOT_SHARE)
      ? `${prefix}hot-${random.below(HOT_KEYS)}`
      : `${prefix}key-${random.below(keys)}`
  }

  #action(revision: number | undefined): Action {
    const random = this.#random
    const condition = { type: 'revision', revision: revision ?? 0 } as const
    const known = revision !== undefined
    let share = random.next()
    const take = (part: number) => {
      share -= part
      return share < 0
    }
    if (take(PUT_SHARE)) return { type: 'put', value: this.#value() }
    if (take(CONDITIONAL_PUT_SHARE)) {
      const absent = !known || random.chance(IF_ABSENT_SHARE)
      const value = this.#value()
      return { type: 'put', value, condition: absent ? { type: 'absent' } : condition }
    }
    if (take(DELETE_SHARE)) {
      return known && random.chance(CONDITIONAL_SHARE)
        ? { type: 'delete', condition }
        : { type: 'delete' }
    }
    if (take(STALE_READ_SHARE)) return this.#staleRead()
    return known && random.chance(CONDITIONAL_SHARE)
      ? { type: 'read', unless: condition.revision }
      : { type: 'read' }
  }

  #staleRead(): Action {
    switch (this.#random.below(3)) {
      case 0:
        return { type: 'stale-read' }
      case 1:
        return { type: 'stale-read', maxStale_ms: this.#random.pick(STALE_BOUNDS_MS) }
      default:
        return { type: 'stale-read', minRevision: this.written }
    }
  }

  /** Unique, and short: the client, and how many it wrote. */
  #value(): string {
    return `${this.#process}.${this.#puts++}`
  }
}
