/**
 * Is there an order of one key's operations, each between its call and its return, in which every
 * answer is right? The search of Wing and Gong (1993) with Lowe's memory of dead ends (2017), in
 * Porcupine's form: what may come next are the calls before the first return that is not in the
 * order yet (call-list.ts), and each place that leads nowhere is remembered (dead-ends.ts).
 *
 * Values are unique, and a value that was overwritten never comes back. That allows five things
 * that a general checker cannot do, without which 64 clients on one key would mean 2^64 orders. For
 * each one: if there is an order at all, there is one that does this.
 *
 *   1. What only looks, and fits the state, comes next. (It changes nothing; take it out of its
 *      later place, and the rest still fits.)
 *   2. A state is left only when all that must see it has.
 *   3. States on which nothing left depends are one: DEAD.
 *   4. From DEAD, a put on a present key and all that sees it, if all of it may come next, do. (It
 *      leads from DEAD to DEAD; take it out of its later place, where it led from one state that
 *      nothing depends on to another. UNTOLD serves as well as DEAD and better, so not from there.)
 *   5. Of several that need and leave the same, the one that returns first comes first. (Swap
 *      them.) Optional writes of a kind are taken in order of call, only just before what needs
 *      them.
 *
 * What is tried first follows the server's revisions; all else is tried if that fails, so that a
 * server which lies about them makes the search longer and its outcome no different.
 *
 * Pure. At a limit the outcome is `undecided`, never a guess.
 */

import { DeadEnds } from './dead-ends.ts'
import type { Operation } from './history.ts'
import { FIRST_PUT, type KeyProblem, OBSERVE_NOT, type OptionalWrite } from './key-problem.ts'
import { movesFrom } from './moves.ts'
import { type Mark, type Move, Standing } from './standing.ts'

export type SearchLimits = {
  /** Operations put into the order, those taken back included. */
  readonly steps_max: number
  /** Bytes of remembered dead ends. */
  readonly memory_bytes_max: number
}

/**
 * `suspects`: operations that stood in the way where the search came furthest. Their place is where
 * to look for what is wrong; they prove nothing.
 */
export type SearchOutcome =
  | { readonly type: 'linearizable'; readonly order: readonly Operation[]; readonly steps: number }
  | {
      readonly type: 'not-linearizable'
      readonly suspects: readonly Operation[]
      readonly steps: number
    }
  | {
      readonly type: 'undecided'
      readonly reason: string
      readonly suspects: readonly Operation[]
      readonly steps: number
    }

/** Suspects of one dead end, and about as many of all. */
const SUSPECTS_MAX = 16

/** Looks for an order. */
export function findOrder(problem: KeyProblem, limits: SearchLimits): SearchOutcome {
  return new Search(problem, limits).run()
}

/** A place with several ways on. */
type Fork = { readonly mark: Mark; readonly moves: readonly Move[]; next: number }

class Search {
  readonly #problem: KeyProblem
  readonly #limits: SearchLimits
  readonly #standing: Standing
  readonly #forks: Fork[] = []
  readonly #deadEnds = new DeadEnds()
  #furthest = -1
  readonly #suspects = new Set<number>()
  /** By state: what needs it; made when first asked for. */
  #needs: readonly (readonly number[] | undefined)[] | undefined

  constructor(problem: KeyProblem, limits: SearchLimits) {
    this.#problem = problem
    this.#limits = limits
    this.#standing = new Standing(problem)
  }

  run(): SearchOutcome {
    const standing = this.#standing
    for (;;) {
      const beyond = this.#beyondLimits()
      if (beyond !== undefined) return this.#undecided(beyond)
      standing.advance()
      if (standing.complete) {
        const order = this.#named(standing.order)
        return { type: 'linearizable', order, steps: standing.steps }
      }
      const moves = movesFrom(standing, this.#problem)
      const [likeliest] = moves
      if (likeliest !== undefined && moves.length === 1) {
        standing.make(likeliest)
        continue
      }
      if (likeliest !== undefined && !this.#isDeadEnd()) {
        this.#forks.push({ mark: standing.mark(), moves, next: 1 })
        standing.make(likeliest)
        continue
      }
      this.#suspect()
      if (!this.#back()) {
        const suspects = this.#named([...this.#suspects])
        return { type: 'not-linearizable', suspects, steps: standing.steps }
      }
    }
  }

  #beyondLimits(): string | undefined {
    const { steps_max, memory_bytes_max } = this.#limits
    if (this.#standing.steps > steps_max) return `the search took more than ${steps_max} steps`
    if (this.#deadEnds.bytes <= memory_bytes_max) return undefined
    return `the search needs more than ${Math.round(memory_bytes_max / 1024 / 1024)} MiB`
  }

  #undecided(reason: string): SearchOutcome {
    const suspects = this.#named([...this.#suspects])
    return { type: 'undecided', reason, suspects, steps: this.#standing.steps }
  }

  #isDeadEnd(): boolean {
    return !this.#deadEnds.empty && this.#deadEnds.has(this.#standing.place())
  }

  /** Takes back down to the last fork with a way left, and goes that way. False: there is none. */
  #back(): boolean {
    for (;;) {
      const fork = this.#forks.at(-1)
      if (fork === undefined) return false
      this.#standing.takeBack(fork.mark)
      const move = fork.moves[fork.next++]
      if (move !== undefined) {
        this.#standing.make(move)
        return true
      }
      this.#deadEnds.add(this.#standing.place())
      this.#forks.pop()
    }
  }

  /** Here is no way on: remembers what is in the way, if the search never came further. */
  #suspect(): void {
    const { horizon, next, state } = this.#standing
    if (next === undefined || horizon < this.#furthest) return
    if (horizon > this.#furthest) this.#suspects.clear()
    this.#furthest = horizon
    this.#suspects.add(next)
    // The state could not be left because these must still see it.
    if (this.#suspects.size >= SUSPECTS_MAX || this.#standing.mayLeave(-1)) return
    this.#needs ??= byState(this.#problem)
    let added = 0
    for (const one of this.#needs[state] ?? []) {
      if (this.#standing.isDone(one) || added++ >= SUSPECTS_MAX) continue
      this.#suspects.add(one)
    }
  }

  #named(order: readonly (number | OptionalWrite)[]): Operation[] {
    const { operations } = this.#problem
    return order.map((one) =>
      typeof one === 'number' ? (operations[one] as Operation) : one.operation,
    )
  }
}

function byState({ kind, before, states }: KeyProblem): readonly (readonly number[] | undefined)[] {
  const needs: (number[] | undefined)[] = Array.from({ length: states })
  for (let one = 0; one < kind.length; one++) {
    const state = before[one] as number
    if (state < FIRST_PUT || kind[one] === OBSERVE_NOT) continue
    const list = needs[state]
    if (list === undefined) needs[state] = [one]
    else list.push(one)
  }
  return needs
}
