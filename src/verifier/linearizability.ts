/**
 * Is there an order of one key's operations, each between its call and its return, in which every
 * answer is right? The search of Wing and Gong (1993) with Lowe's memory of dead ends (2017), in
 * Porcupine's form: a linked list of calls and returns, from which a call that is put into the order
 * is taken out together with its return; what may come next are the calls before the first return
 * left.
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
 *      nothing depends on to another.)
 *   5. Of several that need and leave the same, the one that returns first comes first. (Swap
 *      them.) Optional writes of a kind are taken in order of call, only just before what needs
 *      them.
 *
 * What is tried first follows the server's revisions; all else is tried if that fails, so that a
 * server which lies about them makes the search longer and its outcome no different.
 *
 * Pure. At a limit the outcome is `undecided`, never a guess.
 */

import { DeadEnds, type Place, type Used } from './dead-ends.ts'
import type { Operation } from './history.ts'
import {
  ABSENT,
  ANY,
  DEAD,
  DELETE,
  type KeyProblem,
  OBSERVE_NOT,
  type OptionalWrite,
  PRESENT,
  PUT,
} from './key-problem.ts'

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

/** A required operation by its index, or an optional write and the state that it leaves. */
type Move = number | OptionalMove
type OptionalMove = {
  readonly write: OptionalWrite
  /** Of what there is a number; undefined: of anything else. */
  readonly uses: keyof Used | undefined
  readonly to: number
}

function free(write: OptionalWrite, to: number): OptionalMove {
  return { write, uses: undefined, to }
}

/** A place with several ways on. */
type Fork = {
  readonly length: number
  readonly state: number
  readonly used: Used
  readonly horizon: number
  readonly moves: readonly Move[]
  next: number
}

class Search {
  readonly #problem: KeyProblem
  readonly #limits: SearchLimits
  /** The list, by place; then its two ends. */
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #head: number
  readonly #tail: number
  /** By place: the operation called (index) or returning (index + size) there. */
  readonly #at: Int32Array
  readonly #done: Uint8Array
  readonly #needed: Int32Array
  /** Rule 4: how many of a put and its readers may come next, in the scan of that number. */
  readonly #gathered: Int32Array
  readonly #scanOf: Int32Array
  #scan = 0
  /** By state: its put, and all that needs it. */
  readonly #members: readonly number[][]
  #state: number
  #used: Used = { put: 0, putIfAbsent: 0, remove: 0 }
  #hash = 0
  #ordered = 0
  /** The order so far: required operations and optional writes. */
  readonly #order: (number | OptionalWrite)[] = []
  /** The first return left: what is called after it cannot come next. */
  #horizon = 0
  #furthest = -1
  readonly #suspects = new Set<number>()
  /** By state: what needs it; made when first asked for. */
  #needs: readonly number[][] | undefined
  readonly #forks: Fork[] = []
  readonly #deadEnds = new DeadEnds()
  #steps = 0

  constructor(problem: KeyProblem, limits: SearchLimits) {
    this.#problem = problem
    this.#limits = limits
    this.#state = problem.initial
    const { places, states } = problem
    const size = problem.operations.length
    this.#at = new Int32Array(places).fill(-1)
    for (let one = 0; one < size; one++) {
      this.#at[problem.call[one] as number] = one
      this.#at[problem.return[one] as number] = one + size
    }
    this.#head = places
    this.#tail = places + 1
    this.#next = new Int32Array(places + 2)
    this.#previous = new Int32Array(places + 2)
    let last = this.#head
    for (let place = 0; place <= places; place++) {
      const node = place === places ? this.#tail : place
      if (node !== this.#tail && this.#at[place] === -1) continue
      this.#next[last] = node
      this.#previous[node] = last
      last = node
    }
    this.#done = new Uint8Array(size)
    this.#needed = problem.needed.slice()
    this.#gathered = new Int32Array(states)
    this.#scanOf = new Int32Array(states)
    this.#members = wholeStates(problem)
  }

  run(): SearchOutcome {
    const size = this.#problem.operations.length
    for (;;) {
      if (this.#steps > this.#limits.steps_max) {
        return this.#undecided(`the search took more than ${this.#limits.steps_max} steps`)
      }
      if (this.#deadEnds.bytes > this.#limits.memory_bytes_max) {
        const megabytes = Math.round(this.#limits.memory_bytes_max / 1024 / 1024)
        return this.#undecided(`the search needs more than ${megabytes} MiB`)
      }
      this.#advance()
      if (this.#ordered === size) {
        return { type: 'linearizable', order: this.#named(this.#order), steps: this.#steps }
      }
      const moves = this.#moves()
      const [only] = moves
      if (moves.length === 1 && only !== undefined) {
        this.#make(only)
        continue
      }
      if (moves.length > 1 && (this.#deadEnds.empty || !this.#deadEnds.has(this.#place()))) {
        this.#forks.push({
          length: this.#order.length,
          state: this.#state,
          used: this.#used,
          horizon: this.#horizon,
          moves,
          next: 1,
        })
        this.#make(only as Move)
        continue
      }
      this.#suspect()
      if (!this.#back()) {
        return { type: 'not-linearizable', suspects: this.#suspected(), steps: this.#steps }
      }
    }
  }

  #undecided(reason: string): SearchOutcome {
    return { type: 'undecided', reason, suspects: this.#suspected(), steps: this.#steps }
  }

  /** Here is no way on: remembers what is in the way, if the search never came further. */
  #suspect(): void {
    if (this.#horizon < this.#furthest || this.#horizon === this.#tail) return
    if (this.#horizon > this.#furthest) this.#suspects.clear()
    this.#furthest = this.#horizon
    const size = this.#done.length
    this.#suspects.add((this.#at[this.#horizon] as number) - size)
    // The state could not be left because these must still see it.
    if (this.#suspects.size >= SUSPECTS_MAX || this.#mayLeave(-1)) return
    this.#needs ??= byState(this.#problem)
    let added = 0
    for (const one of this.#needs[this.#state] ?? []) {
      if (this.#done[one] === 1 || added++ >= SUSPECTS_MAX) continue
      this.#suspects.add(one)
    }
  }

  #suspected(): Operation[] {
    return this.#named([...this.#suspects])
  }

  #named(order: readonly (number | OptionalWrite)[]): Operation[] {
    const { operations } = this.#problem
    return order.map((one) =>
      typeof one === 'number' ? (operations[one] as Operation) : one.operation,
    )
  }

  /** Takes what needs no choice (rules 1, 3, 4), and finds the horizon. */
  #advance(): void {
    const { kind, before, after, whole } = this.#problem
    const size = this.#done.length
    this.#scan++
    let node = this.#next[this.#head] as number
    while (node !== this.#tail) {
      const one = this.#at[node] as number
      if (one >= size) break
      if ((kind[one] as number) <= OBSERVE_NOT && this.#fits(one)) {
        const state = this.#state
        this.#take(one)
        if (state === this.#state) {
          node = this.#following(node)
        } else {
          // The last that needed the state: now it is DEAD, and rule 4 holds from the list's head.
          this.#scan++
          node = this.#next[this.#head] as number
        }
        continue
      }
      if (this.#state === DEAD) {
        const state = (kind[one] === PUT ? after[one] : before[one]) as number
        if (state >= 0 && whole[state] === 1 && this.#gather(state)) {
          for (const member of this.#members[state] as number[]) this.#take(member)
          node = this.#following(node)
          continue
        }
      }
      node = this.#next[node] as number
    }
    this.#horizon = node
  }

  /** The node after one that was taken out of the list. */
  #following(taken: number): number {
    let node = taken
    const size = this.#done.length
    while (node !== this.#head) {
      const one = this.#at[node] as number
      if (this.#done[one >= size ? one - size : one] === 0) break
      node = this.#previous[node] as number
    }
    return this.#next[node] as number
  }

  /** Counts one more of a state's put and readers; true: they are all there. */
  #gather(state: number): boolean {
    if (this.#scanOf[state] !== this.#scan) {
      this.#scanOf[state] = this.#scan
      this.#gathered[state] = 0
    }
    const gathered = (this.#gathered[state] as number) + 1
    this.#gathered[state] = gathered
    return gathered === (this.#members[state] as number[]).length
  }

  #fits(one: number): boolean {
    const before = this.#problem.before[one] as number
    if (before >= 0) {
      return (before === this.#state) !== (this.#problem.kind[one] === OBSERVE_NOT)
    }
    return before === ANY || (before === PRESENT && this.#state !== ABSENT)
  }

  /** Rule 2: nothing left needs the state, `one` itself not counted (-1: no such). */
  #mayLeave(one: number): boolean {
    const state = this.#state
    if (state <= DEAD) return true
    const own = one >= 0 && this.#problem.before[one] === state ? 1 : 0
    return this.#needed[state] === own
  }

  /** Rule 3. */
  #merged(state: number): number {
    if (state <= DEAD) return state
    return this.#needed[state] === 0 && this.#problem.pinned[state] === 0 ? DEAD : state
  }

  /** What may come next, the likeliest first. */
  #moves(): Move[] {
    const { kind, before, hint } = this.#problem
    const size = this.#done.length
    const required: number[] = []
    const first = new Map<number, number>()
    let node = this.#next[this.#head] as number
    const wanted = { absent: false, present: false, states: undefined as Set<number> | undefined }
    for (; node !== this.#horizon; node = this.#next[node] as number) {
      const one = this.#at[node] as number
      if (one >= size) break
      const needs = before[one] as number
      if (kind[one] === OBSERVE_NOT || needs === PRESENT) {
        if (!this.#fits(one)) {
          wanted.present = true
          wanted.absent ||= kind[one] === OBSERVE_NOT
        }
      } else if (needs === ABSENT) wanted.absent = true
      else if (needs > DEAD) {
        wanted.states ??= new Set()
        wanted.states.add(needs)
      }
      if ((kind[one] as number) <= OBSERVE_NOT || !this.#fits(one) || !this.#mayLeave(one)) continue
      const alike = this.#alike(one)
      if (alike === undefined) {
        required.push(one)
        continue
      }
      // Rule 5.
      const other = first.get(alike)
      const returns = this.#problem.return
      if (other === undefined || (returns[other] as number) > (returns[one] as number)) {
        first.set(alike, one)
      }
    }
    for (const one of first.values()) required.push(one)
    if (required.length > 1) {
      required.sort((one, other) => (hint[one] as number) - (hint[other] as number) || one - other)
    }
    return this.#mayLeave(-1) ? [...required, ...this.#optionalMoves(wanted)] : required
  }

  /** A number shared by operations that need and leave the same; undefined: it is like no other. */
  #alike(one: number): number | undefined {
    const { kind, before, after } = this.#problem
    const needs = before[one] as number
    if (needs > DEAD) return undefined
    if (kind[one] === DELETE) return needs * 2
    return this.#merged(after[one] as number) === DEAD ? needs * 2 + 1 : undefined
  }

  #optionalMoves(wanted: {
    absent: boolean
    present: boolean
    states: ReadonlySet<number> | undefined
  }): Move[] {
    const { optional, phantoms } = this.#problem
    const moves: Move[] = []
    const targets: number[] = []
    const present = wanted.present && this.#state !== DEAD
    if (present) targets.push(DEAD)
    for (const phantom of phantoms) {
      if (phantom === this.#state || this.#needed[phantom] === 0) continue
      // Who needs any value now may be served by the one that others will name later.
      if (present || wanted.states?.has(phantom) === true) targets.push(phantom)
    }
    const last = this.#order.at(-1)
    // They lead from any state to any other, so that two in a row are one; and they never run out.
    if (last !== undefined && (last === optional.anyPut || last === optional.anyRemove))
      return moves
    const anyPut = this.#callable(optional.anyPut)
    const anyRemove = this.#callable(optional.anyRemove)
    const put = this.#available(optional.put, 'put')
    const putIfAbsent = this.#available(optional.putIfAbsent, 'putIfAbsent')
    const remove = this.#available(optional.remove, 'remove')
    const putOn = this.#onState(optional.putOn)
    const removeOn = this.#onState(optional.removeOn)
    for (const to of targets) {
      if (anyPut !== undefined) {
        moves.push(free(anyPut, to))
        continue
      }
      if (putOn !== undefined) moves.push(free(putOn, to))
      if (putIfAbsent !== undefined && this.#state === ABSENT) {
        moves.push({ write: putIfAbsent, uses: 'putIfAbsent', to })
      }
      if (put !== undefined) moves.push({ write: put, uses: 'put', to })
    }
    const removes = wanted.absent || (putIfAbsent !== undefined && targets.length > 0)
    if (this.#state !== ABSENT && removes) {
      if (anyRemove !== undefined) return [...moves, free(anyRemove, ABSENT)]
      if (removeOn !== undefined) moves.push(free(removeOn, ABSENT))
      if (remove !== undefined) moves.push({ write: remove, uses: 'remove', to: ABSENT })
    }
    return moves
  }

  #available(writes: readonly OptionalWrite[], kind: keyof Used): OptionalWrite | undefined {
    return this.#callable(writes[this.#used[kind]])
  }

  #onState(writes: ReadonlyMap<number, OptionalWrite>): OptionalWrite | undefined {
    return writes.size === 0 ? undefined : this.#callable(writes.get(this.#state))
  }

  #callable(write: OptionalWrite | undefined): OptionalWrite | undefined {
    return write !== undefined && write.call < this.#horizonPlace() ? write : undefined
  }

  #horizonPlace(): number {
    return this.#horizon === this.#tail ? Number.POSITIVE_INFINITY : this.#horizon
  }

  #make(move: Move): void {
    if (typeof move === 'number') {
      this.#take(move)
      return
    }
    this.#steps++
    this.#order.push(move.write)
    this.#state = this.#merged(move.to)
    if (move.uses !== undefined)
      this.#used = { ...this.#used, [move.uses]: this.#used[move.uses] + 1 }
  }

  /** Puts an operation into the order. */
  #take(one: number): void {
    const { kind, before, after, call } = this.#problem
    this.#steps++
    this.#unlink(call[one] as number)
    this.#unlink(this.#problem.return[one] as number)
    this.#done[one] = 1
    this.#hash ^= mix(one)
    this.#ordered++
    this.#order.push(one)
    const needs = before[one] as number
    if (needs >= 0 && kind[one] !== OBSERVE_NOT) {
      this.#needed[needs] = (this.#needed[needs] as number) - 1
    }
    if (kind[one] === PUT || kind[one] === DELETE) this.#state = after[one] as number
    this.#state = this.#merged(this.#state)
  }

  #unlink(node: number): void {
    const previous = this.#previous[node] as number
    const next = this.#next[node] as number
    this.#next[previous] = next
    this.#previous[next] = previous
  }

  #relink(node: number): void {
    this.#next[this.#previous[node] as number] = node
    this.#previous[this.#next[node] as number] = node
  }

  /** Takes back down to the last fork with a way left, and goes that way. False: there is none. */
  #back(): boolean {
    for (;;) {
      const fork = this.#forks.at(-1)
      if (fork === undefined) return false
      this.#takeBack(fork)
      const move = fork.moves[fork.next++]
      if (move !== undefined) {
        this.#make(move)
        return true
      }
      this.#deadEnds.add(this.#place())
      this.#forks.pop()
    }
  }

  #takeBack(fork: Fork): void {
    const { kind, before, call } = this.#problem
    while (this.#order.length > fork.length) {
      const one = this.#order.pop()
      if (typeof one !== 'number') continue
      this.#relink(this.#problem.return[one] as number)
      this.#relink(call[one] as number)
      this.#done[one] = 0
      this.#hash ^= mix(one)
      this.#ordered--
      const needs = before[one] as number
      if (needs >= 0 && kind[one] !== OBSERVE_NOT) {
        this.#needed[needs] = (this.#needed[needs] as number) + 1
      }
    }
    this.#state = fork.state
    this.#used = fork.used
    this.#horizon = fork.horizon
  }

  /** Where the search stands; see dead-ends.ts. */
  #place(): Place {
    // There are moves from here, so that the list begins with a call: the first one left.
    const first = this.#at[this.#next[this.#head] as number] as number
    return {
      hash: (this.#hash ^ mix(-1 - this.#state)) >>> 0,
      state: this.#state,
      first,
      bits: this.#bits(first),
      used: this.#used,
    }
  }

  #bits(first: number): Uint32Array {
    const end = this.#lastDone(first)
    const bits = new Uint32Array((end - first + 31) >> 5)
    for (let one = first; one < end; one++) {
      if (this.#done[one] === 1) {
        const at = (one - first) >> 5
        bits[at] = (bits[at] as number) | (1 << ((one - first) & 31))
      }
    }
    return bits
  }

  /** One beyond the last operation that is done; the list tells where to stop looking. */
  #lastDone(first: number): number {
    // All that is done was called before the horizon of its time, which only moves on.
    const { call } = this.#problem
    const horizon = this.#horizonPlace()
    let end = first
    for (let one = first; one < this.#done.length && (call[one] as number) < horizon; one++) {
      if (this.#done[one] === 1) end = one + 1
    }
    return end
  }
}

/** Rule 4: by state, its put and all that needs it, where they may be taken in one go. */
function wholeStates(problem: KeyProblem): number[][] {
  const { kind, before, after, whole, states } = problem
  const members: number[][] = Array.from({ length: states })
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

function byState({ kind, before, states }: KeyProblem): number[][] {
  const needs: number[][] = Array.from({ length: states })
  for (let one = 0; one < kind.length; one++) {
    const state = before[one] as number
    if (state <= DEAD || kind[one] === OBSERVE_NOT) continue
    const list = needs[state]
    if (list === undefined) needs[state] = [one]
    else list.push(one)
  }
  return needs
}

/** A fixed random number of an operation (the finalizer of MurmurHash3), for Zobrist's hash. */
function mix(value: number): number {
  let hash = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
