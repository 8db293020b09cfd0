/**
 * The operations of one key, made small for the search (linearizability.ts): each as a condition on
 * the key's state and the state that it leaves behind (problem-builder.ts makes it).
 *
 * A state is a number: ABSENT, or the put that wrote the value which the key holds. Values are
 * unique, so a value names its put. Revisions are used as names, too, where an answer tells nothing
 * else (If-Match, 412, 304): a revision names the put that was acknowledged, or seen, with it.
 * Their *order* is used for nothing but the order in which the search tries things.
 *
 *   required   must have taken effect: acknowledged writes, observations, and each put of unknown
 *              outcome whose value was seen; that one by the time at which it was first seen.
 *   optional   writes of unknown outcome that nobody saw: at any time after their call, or never.
 *   phantom    the state of such a put, known by a revision that an answer told and nothing else.
 *
 * A state that nothing left to explain depends on is as good as any other such one: DEAD. Only
 * where a write of unknown outcome is conditional on a revision that no answer told, it matters
 * whether the revision of such a state may be that one: UNTOLD, left by a put that nobody saw.
 */

import type { Operation } from './history.ts'

/** States; the key's puts and phantoms follow. */
export const ABSENT = 0
export const DEAD = 1
export const UNTOLD = 2
/** The first state of a put. */
export const FIRST_PUT = 3

/** Conditions; a number from 0 on means exactly this state. */
export const ANY = -1
export const PRESENT = -2
export const IMPOSSIBLE = -3

export const OBSERVE = 0
/** Any state but `before`. */
export const OBSERVE_NOT = 1
export const PUT = 2
export const DELETE = 3

/** Why an optional write may take effect: at any time, on no key, on one state. */
export type OptionalWrites = {
  /** At any time. */
  readonly put: readonly OptionalWrite[]
  readonly putIfAbsent: readonly OptionalWrite[]
  readonly remove: readonly OptionalWrite[]
  /** On UNTOLD. */
  readonly putUntold: readonly OptionalWrite[]
  readonly removeUntold: readonly OptionalWrite[]
  /** Any number of them, from their call on: stands for writes that were left out. */
  readonly anyPut: OptionalWrite | undefined
  readonly anyRemove: OptionalWrite | undefined
  /** On exactly this state. */
  readonly putOn: ReadonlyMap<number, OptionalWrite>
  readonly removeOn: ReadonlyMap<number, OptionalWrite>
}

export type OptionalWrite = { readonly operation: Operation; readonly call: number }

export type KeyProblem = {
  /** Required, in order of call; what follows is by their index. */
  readonly operations: readonly Operation[]
  readonly kind: Uint8Array
  /** The state that it needs. */
  readonly before: Int32Array
  /** The state that it leaves; of an observation: not used. */
  readonly after: Int32Array
  /** Where it may stand in the order, by what the server said. Never trusted. */
  readonly hint: Float64Array
  /** Places in the sequence of all calls and returns, those of optional calls included. */
  readonly call: Int32Array
  readonly return: Int32Array
  /** Places in that sequence. */
  readonly places: number
  readonly states: number
  /** By state: required operations that need exactly it. */
  readonly needed: Int32Array
  /** By state: 1 if it must not be merged into DEAD. */
  readonly pinned: Uint8Array
  /** By state: 1 if its put and all that needs it can be taken in one go (linearizability.ts). */
  readonly whole: Uint8Array
  readonly phantoms: readonly number[]
  readonly optional: OptionalWrites
  /** What an optional put leaves that no phantom stands for. */
  readonly blank: typeof DEAD | typeof UNTOLD
  /** What the key holds at first: ABSENT, or DEAD for a value that nothing here tells of. */
  readonly initial: typeof ABSENT | typeof DEAD
}
