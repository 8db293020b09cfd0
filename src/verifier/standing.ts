/**
 * Where the search for an order stands (linearizability.ts, whose rules are named here): what is in
 * the order, what the key holds after it, and what must still see that.
 */

import { CallList, mix } from './call-list.ts'
import type { Place, Used } from './dead-ends.ts'
import {
  ABSENT,
  ANY,
  DEAD,
  DELETE,
  FIRST_PUT,
  type KeyProblem,
  OBSERVE_NOT,
  type OptionalWrite,
  PRESENT,
  PUT,
} from './key-problem.ts'

/** A required operation by its index, or an optional write and the state that it leaves. */
export type Move = number | OptionalMove
export type OptionalMove = {
  readonly write: OptionalWrite
  /** Of what there is a number; undefined: of anything else. */
  readonly uses: keyof Used | undefined
  readonly to: number
}

/** What taking back restores. */
export type Mark = {
  readonly length: number
  readonly state: number
  readonly used: Used
  readonly horizon: number
}

export class Standing {
  readonly #problem: KeyProblem
  readonly #list: CallList
  readonly #needed: Int32Array
  /** Rule 4: by state, its put and all that needs it. */
  readonly #members: readonly (readonly number[] | undefined)[]
  /** How many of them may come next, in the scan of that number. */
  readonly #gathered: Int32Array
  readonly #scanOf: Int32Array
  #scan = 0
  #state: number
  #used: Used = { put: 0, putIfAbsent: 0, remove: 0, putUntold: 0, removeUntold: 0 }
  /** The first return left: what is called after it cannot come next. */
  #horizon = 0
  readonly #order: (number | OptionalWrite)[] = []
  /** Operations put into the order, those taken back included. */
  steps = 0

  constructor(problem: KeyProblem) {
    this.#problem = problem
    this.#list = new CallList(problem)
    this.#state = problem.initial
    this.#needed = problem.needed.slice()
    this.#gathered = new Int32Array(problem.states)
    this.#scanOf = new Int32Array(problem.states)
    this.#members = wholeStates(problem)
  }

  get complete(): boolean {
    return this.#list.left === 0
  }

  get state(): number {
    return this.#state
  }

  get used(): Used {
    return this.#used
  }

  get order(): readonly (number | OptionalWrite)[] {
    return this.#order
  }

  /** A place in the sequence of calls and returns; Infinity: nothing is left that returns. */
  get horizon(): number {
    return this.#horizon === this.#list.tail ? Number.POSITIVE_INFINITY : this.#horizon
  }

  /** The operation that returns at the horizon; undefined: there is none. */
  get next(): number | undefined {
    if (this.#horizon === this.#list.tail) return undefined
    return this.#list.returningAt(this.#horizon)
  }

  /** The move before was one of any number: no other such move can be of use now. */
  get afterAny(): boolean {
    const { anyPut, anyRemove } = this.#problem.optional
    const last = this.#order.at(-1)
    return last !== undefined && (last === anyPut || last === anyRemove)
  }

  isDone(one: number): boolean {
    return this.#list.isDone(one)
  }

  /** Something that is not in the order yet needs this state. */
  isNeeded(state: number): boolean {
    return this.#needed[state] !== 0
  }

  /** Calls `visit` with each operation that may come next by its times. */
  eachNext(visit: (one: number) => void): void {
    const list = this.#list
    for (let node = list.first; ; node = list.after(node)) {
      const one = list.calledAt(node)
      if (one === -1) return
      visit(one)
    }
  }

  /** Its condition holds in the present state. */
  fits(one: number): boolean {
    const before = this.#problem.before[one] as number
    if (before >= 0) {
      return (before === this.#state) !== (this.#problem.kind[one] === OBSERVE_NOT)
    }
    return before === ANY || (before === PRESENT && this.#state !== ABSENT)
  }

  /** Rule 2: nothing left needs the state, `one` itself not counted (-1: no such). */
  mayLeave(one: number): boolean {
    const state = this.#state
    if (state < FIRST_PUT) return true
    const own = one >= 0 && this.#problem.before[one] === state ? 1 : 0
    return this.#needed[state] === own
  }

  /** Rule 3. */
  merged(state: number): number {
    if (state < FIRST_PUT) return state
    return this.#needed[state] === 0 && this.#problem.pinned[state] === 0 ? DEAD : state
  }

  /** Takes what needs no choice (rules 1, 3, 4), and finds the horizon. */
  advance(): void {
    const { kind, before, after, whole } = this.#problem
    const list = this.#list
    this.#scan++
    let node = list.first
    for (;;) {
      const one = list.calledAt(node)
      if (one === -1) break
      if ((kind[one] as number) <= OBSERVE_NOT && this.fits(one)) {
        const state = this.#state
        this.#take(one)
        if (state === this.#state) {
          node = list.following(node)
        } else {
          // The last that needed the state: now it is DEAD, and rule 4 holds from the list's head.
          this.#scan++
          node = list.first
        }
        continue
      }
      if (this.#state === DEAD) {
        const state = (kind[one] === PUT ? after[one] : before[one]) as number
        if (state >= 0 && whole[state] === 1 && this.#gather(state)) {
          for (const member of this.#members[state] as readonly number[]) this.#take(member)
          node = list.following(node)
          continue
        }
      }
      node = list.after(node)
    }
    this.#horizon = node
  }

  make(move: Move): void {
    if (typeof move === 'number') {
      this.#take(move)
      return
    }
    const { write, uses, to } = move
    this.steps++
    this.#order.push(write)
    this.#state = this.merged(to)
    if (uses !== undefined) this.#used = { ...this.#used, [uses]: this.#used[uses] + 1 }
  }

  mark(): Mark {
    const { length } = this.#order
    return { length, state: this.#state, used: this.#used, horizon: this.#horizon }
  }

  takeBack(mark: Mark): void {
    const { kind, before } = this.#problem
    while (this.#order.length > mark.length) {
      const one = this.#order.pop()
      if (typeof one !== 'number') continue
      this.#list.putBack(one)
      const needs = before[one] as number
      if (needs >= 0 && kind[one] !== OBSERVE_NOT) {
        this.#needed[needs] = (this.#needed[needs] as number) + 1
      }
    }
    this.#state = mark.state
    this.#used = mark.used
    this.#horizon = mark.horizon
  }

  /** This place, to be remembered if it leads nowhere. There are moves from here. */
  place(): Place {
    // So that the list begins with a call: the first one left.
    const first = this.#list.calledAt(this.#list.first)
    const state = 2 * this.#state + (this.afterAny ? 1 : 0)
    return {
      hash: (this.#list.hash ^ mix(-1 - state)) >>> 0,
      state,
      first,
      // All that is done was called before the horizon of its time, which only moves on.
      bits: this.#list.bits(first, this.#horizon),
      used: this.#used,
    }
  }

  /** Counts one more of a state's put and readers; true: they are all there. */
  #gather(state: number): boolean {
    if (this.#scanOf[state] !== this.#scan) {
      this.#scanOf[state] = this.#scan
      this.#gathered[state] = 0
    }
    const gathered = (this.#gathered[state] as number) + 1
    this.#gathered[state] = gathered
    return gathered === this.#members[state]?.length
  }

  /** Puts an operation into the order. */
  #take(one: number): void {
    const { kind, before, after } = this.#problem
    this.steps++
    this.#list.take(one)
    this.#order.push(one)
    const needs = before[one] as number
    if (needs >= 0 && kind[one] !== OBSERVE_NOT) {
      this.#needed[needs] = (this.#needed[needs] as number) - 1
    }
    if (kind[one] === PUT || kind[one] === DELETE) this.#state = after[one] as number
    this.#state = this.merged(this.#state)
  }
}

/** Rule 4: by state, its put and all that needs it, where they may be taken in one go. */
function wholeStates(problem: KeyProblem): readonly (readonly number[] | undefined)[] {
  const { kind, before, after, whole, states } = problem
  const members: (number[] | undefined)[] = Array.from({ length: states })
  for (let one = 0; one < kind.length; one++) {
    const state = (kind[one] === PUT ? after[one] : before[one]) as number
    if (state < 0 || whole[state] === 0 || kind[one] === DELETE) continue
    const list = members[state]
    if (list === undefined) members[state] = [one]
    else if (kind[one] === PUT) list.unshift(one)
    else list.push(one)
  }
  return members
}
