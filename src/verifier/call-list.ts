/**
 * The calls and returns of a key that are not in the order yet, as a linked list over the sequence
 * of all of them (Porcupine's): to put an operation into the order takes its two nodes out, to take
 * it back puts them in again, in the opposite order, each in one step.
 */

import type { KeyProblem } from './key-problem.ts'

export class CallList {
  readonly #call: Int32Array
  readonly #return: Int32Array
  readonly #size: number
  /** By place in the sequence; then the list's two ends. */
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #head: number
  /** No place: the end of the list. */
  readonly tail: number
  /** By place: the operation called (index) or returning (index + size) there; -1: neither. */
  readonly #at: Int32Array
  readonly #done: Uint8Array
  #left: number
  #hash = 0

  constructor(problem: KeyProblem) {
    const { places } = problem
    const size = problem.operations.length
    this.#call = problem.call
    this.#return = problem.return
    this.#size = size
    this.#left = size
    this.#at = new Int32Array(places + 2).fill(-1)
    for (let one = 0; one < size; one++) {
      this.#at[this.#call[one] as number] = one
      this.#at[this.#return[one] as number] = one + size
    }
    this.#head = places
    this.tail = places + 1
    this.#next = new Int32Array(places + 2)
    this.#previous = new Int32Array(places + 2)
    let last = this.#head
    for (let place = 0; place <= places; place++) {
      const node = place === places ? this.tail : place
      if (node !== this.tail && this.#at[place] === -1) continue
      this.#next[last] = node
      this.#previous[node] = last
      last = node
    }
    this.#done = new Uint8Array(size)
  }

  /** Operations not in the order. */
  get left(): number {
    return this.#left
  }

  /** A number that stands for which operations are in the order (Zobrist). */
  get hash(): number {
    return this.#hash
  }

  get first(): number {
    return this.#next[this.#head] as number
  }

  after(node: number): number {
    return this.#next[node] as number
  }

  /** The operation called at a node; -1: it is a return, or the end. */
  calledAt(node: number): number {
    const one = this.#at[node] as number
    return one < this.#size ? one : -1
  }

  /** The operation that returns at a node. */
  returningAt(node: number): number {
    return (this.#at[node] as number) - this.#size
  }

  isDone(one: number): boolean {
    return this.#done[one] === 1
  }

  take(one: number): void {
    this.#unlink(this.#call[one] as number)
    this.#unlink(this.#return[one] as number)
    this.#done[one] = 1
    this.#hash ^= mix(one)
    this.#left--
  }

  /** Undoes the `take` that was done last and is not undone yet. */
  putBack(one: number): void {
    this.#relink(this.#return[one] as number)
    this.#relink(this.#call[one] as number)
    this.#done[one] = 0
    this.#hash ^= mix(one)
    this.#left++
  }

  /** The node after one that was taken out. */
  following(taken: number): number {
    let node = taken
    while (node !== this.#head) {
      const one = this.#at[node] as number
      if (this.#done[one >= this.#size ? one - this.#size : one] === 0) break
      node = this.#previous[node] as number
    }
    return this.#next[node] as number
  }

  /** From the operation `first` on, which are in the order; all of those were called before. */
  bits(first: number, horizon: number): Uint32Array {
    let end = first
    for (let one = first; one < this.#size; one++) {
      if (horizon !== this.tail && (this.#call[one] as number) >= horizon) break
      if (this.#done[one] === 1) end = one + 1
    }
    const bits = new Uint32Array((end - first + 31) >> 5)
    for (let one = first; one < end; one++) {
      if (this.#done[one] === 0) continue
      const at = (one - first) >> 5
      bits[at] = (bits[at] as number) | (1 << ((one - first) & 31))
    }
    return bits
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
}

/** A fixed random number for each small one (the finalizer of MurmurHash3). */
export function mix(value: number): number {
  let hash = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
