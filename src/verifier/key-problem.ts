/**
 * The operations of one key, made small for the search (linearizability.ts): each as a condition on
 * the key's state and the state that it leaves behind.
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
 * A state that nothing left to explain depends on is as good as any other such one: DEAD.
 */

import { assertNever } from '../shared/assert.ts'
import type { Operation } from './history.ts'

/** States; the key's puts and phantoms follow. */
export const ABSENT = 0
export const DEAD = 1
const STATES = 2

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
  /** What the key holds at first: ABSENT, or DEAD for a value that nothing here tells of. */
  readonly initial: typeof ABSENT | typeof DEAD
}

/** What takes the place of writes that were left out of a history. */
export type Surroundings = {
  /** Any number of puts may take effect from the call of this one on. */
  readonly anyPut?: Operation | undefined
  /** The same of deletes. */
  readonly anyRemove?: Operation | undefined
  /** The key holds something at first. */
  readonly present?: boolean
}

/**
 * Builds the problem of one key. What no order could explain for other reasons, and is found by
 * other checks (a value that nobody wrote, an answer of the wrong kind), is left out.
 */
export function buildKeyProblem(
  operations: readonly Operation[],
  surroundings: Surroundings = {},
): KeyProblem {
  const names = nameStates(operations)
  const required: Required[] = []
  const optional: Operation[] = []
  for (const operation of operations) {
    const made = requirementOf(operation, names)
    if (made === 'optional') optional.push(operation)
    else if (made !== undefined) required.push(made)
  }
  return assemble({ required, optional, names }, surroundings)
}

type Required = {
  readonly operation: Operation
  readonly kind: number
  readonly before: number
  readonly after: number
  readonly hint: number
  readonly return_us: number
}

type Names = {
  readonly byValue: ReadonlyMap<string, number>
  /** Puts' states first, phantoms later. */
  readonly byRevision: Map<number, number>
  /** When the value of an unknown put was seen first, by state. */
  readonly seen_us: ReadonlyMap<number, number>
  readonly phantoms: number[]
  states: number
}

function nameStates(operations: readonly Operation[]): Names {
  const byValue = new Map<string, number>()
  const byRevision = new Map<number, number>()
  const seen_us = new Map<number, number>()
  let states = STATES
  for (const { action, outcome } of operations) {
    if (action.type !== 'put' || outcome.type === 'fail') continue
    if (outcome.type === 'condition-failed') continue
    byValue.set(action.value, states)
    if (outcome.type === 'written' && !byRevision.has(outcome.revision)) {
      byRevision.set(outcome.revision, states)
    }
    states++
  }
  for (const { outcome, return_us } of operations) {
    if (outcome.type !== 'found') continue
    const state = byValue.get(outcome.value)
    if (state === undefined) continue
    if (!byRevision.has(outcome.revision)) byRevision.set(outcome.revision, state)
    const until = return_us ?? Number.POSITIVE_INFINITY
    seen_us.set(state, Math.min(until, seen_us.get(state) ?? until))
  }
  return { byValue, byRevision, seen_us, phantoms: [], states }
}

/** The state that a revision names; one that no put is known by is a phantom. */
function stateOfRevision(names: Names, revision: number): number {
  if (revision === 0) return ABSENT
  let state = names.byRevision.get(revision)
  if (state === undefined) {
    state = names.states++
    names.byRevision.set(revision, state)
    names.phantoms.push(state)
  }
  return state
}

function requirementOf(operation: Operation, names: Names): Required | 'optional' | undefined {
  const { action, outcome, return_us } = operation
  if (action.type === 'stale-read' || outcome.type === 'fail') return undefined
  const known = { operation, after: ANY, return_us: return_us ?? Number.POSITIVE_INFINITY }
  const observe = (before: number, revision = 0): Required => {
    return { ...known, kind: OBSERVE, before, hint: revision }
  }
  if (action.type === 'read') {
    switch (outcome.type) {
      case 'found': {
        const state = names.byValue.get(outcome.value)
        return state === undefined ? undefined : observe(state, outcome.revision)
      }
      case 'absent':
        return observe(ABSENT)
      case 'not-modified':
        return action.unless === undefined
          ? undefined
          : observe(stateOfRevision(names, action.unless), action.unless)
      default:
        return undefined
    }
  }
  if (outcome.type === 'condition-failed') return refused(operation, names, known)
  if (outcome.type === 'unknown') {
    if (action.type === 'delete') return 'optional'
    const state = names.byValue.get(action.value) as number
    const seen_us = names.seen_us.get(state)
    if (seen_us === undefined) return 'optional'
    const before = conditionOf(operation, names)
    return { operation, kind: PUT, before, after: state, hint: 0, return_us: seen_us }
  }
  if (action.type === 'delete') {
    if (outcome.type === 'absent') return observe(ABSENT)
    if (outcome.type !== 'deleted') return undefined
    const before = action.condition === undefined ? PRESENT : conditionOf(operation, names)
    return { ...known, kind: DELETE, before, after: ABSENT, hint: outcome.revision }
  }
  if (outcome.type !== 'written') return undefined
  const after = names.byValue.get(action.value) as number
  const before = writtenOn(conditionOf(operation, names), outcome.created)
  return { ...known, kind: PUT, before, after, hint: outcome.revision }
}

/** The state that the condition of a write names. */
function conditionOf(operation: Operation, names: Names): number {
  const { action } = operation
  const condition = 'condition' in action ? action.condition : undefined
  if (condition === undefined) return ANY
  switch (condition.type) {
    case 'absent':
      return action.type === 'delete' ? IMPOSSIBLE : ABSENT
    case 'revision':
      return condition.revision === 0 ? IMPOSSIBLE : stateOfRevision(names, condition.revision)
    default:
      return assertNever(condition)
  }
}

/** What a put was written on, by its condition and by whether it said that it made the key. */
function writtenOn(condition: number, created: boolean | undefined): number {
  if (created === undefined) return condition
  if (created) return condition === ANY || condition === ABSENT ? ABSENT : IMPOSSIBLE
  if (condition === ABSENT) return IMPOSSIBLE
  return condition === ANY ? PRESENT : condition
}

/** A 412: the key is at another revision than the condition says. */
function refused(
  operation: Operation,
  names: Names,
  known: Omit<Required, 'kind' | 'before' | 'hint'>,
): Required | undefined {
  const { action, outcome } = operation
  const condition = 'condition' in action ? action.condition : undefined
  if (condition === undefined || outcome.type !== 'condition-failed') return undefined
  const { revision } = outcome
  const expected = condition.type === 'absent' ? 0 : condition.revision
  if (revision !== undefined) {
    const before = revision === expected ? IMPOSSIBLE : stateOfRevision(names, revision)
    return { ...known, kind: OBSERVE, before, hint: revision }
  }
  if (expected === 0) return { ...known, kind: OBSERVE, before: PRESENT, hint: 0 }
  return { ...known, kind: OBSERVE_NOT, before: stateOfRevision(names, expected), hint: 0 }
}

function assemble(
  sorted: { required: Required[]; optional: Operation[]; names: Names },
  { anyPut, anyRemove, present = false }: Surroundings,
): KeyProblem {
  const { required, optional, names } = sorted
  const any = [anyPut, anyRemove].filter((operation) => operation !== undefined)
  required.sort((one, other) => one.operation.call_us - other.operation.call_us)
  const size = required.length
  const kind = new Uint8Array(size)
  const before = new Int32Array(size)
  const after = new Int32Array(size)
  const hint = new Float64Array(size)
  for (let at = 0; at < size; at++) {
    const one = required[at] as Required
    kind[at] = one.kind
    before[at] = one.before
    after[at] = one.after
    hint[at] = one.hint
  }
  const placed = place(required, [...optional, ...any])
  const told = new Set(required.flatMap((one) => (one.kind === OBSERVE_NOT ? [] : [one.before])))
  const unseen = new Set(names.phantoms.filter((state) => !told.has(state)))
  const writes = sortOptional(optional, placed.optional, { names, unseen })
  const anyWrite = (operation: Operation | undefined): OptionalWrite | undefined => {
    if (operation === undefined) return undefined
    const at = optional.length + any.indexOf(operation)
    return { operation, call: placed.optional[at] as number }
  }
  return {
    operations: required.map(({ operation }) => operation),
    kind,
    before,
    after,
    hint,
    call: placed.call,
    return: placed.return,
    places: 2 * size + optional.length + any.length,
    states: names.states,
    ...describeStates({ kind, before, after }, writes, names.states),
    phantoms: names.phantoms,
    optional: { ...writes, anyPut: anyWrite(anyPut), anyRemove: anyWrite(anyRemove) },
    initial: present ? DEAD : ABSENT,
  }
}

/** Puts calls and returns in one sequence; at equal times calls come first. */
function place(required: readonly Required[], optional: readonly Operation[]) {
  const size = required.length
  const places = 2 * size + optional.length
  const time = new Float64Array(places)
  for (let at = 0; at < size; at++) {
    const one = required[at] as Required
    time[at] = one.operation.call_us
    time[size + optional.length + at] = one.return_us
  }
  for (let at = 0; at < optional.length; at++) {
    time[size + at] = (optional[at] as Operation).call_us
  }
  // Calls have the lower indexes, so that a stable order by time puts them first.
  const order = new Uint32Array(places).map((_, at) => at)
  order.sort((one, other) => {
    const apart = (time[one] as number) - (time[other] as number)
    return Number.isNaN(apart) || apart === 0 ? one - other : apart
  })
  const at = new Int32Array(places)
  for (let place = 0; place < places; place++) at[order[place] as number] = place
  return {
    call: at.slice(0, size),
    optional: at.slice(size, size + optional.length),
    return: at.slice(size + optional.length),
  }
}

function sortOptional(
  operations: readonly Operation[],
  calls: Int32Array,
  { names, unseen }: { names: Names; unseen: ReadonlySet<number> },
): Omit<OptionalWrites, 'anyPut' | 'anyRemove'> {
  const put: OptionalWrite[] = []
  const putIfAbsent: OptionalWrite[] = []
  const remove: OptionalWrite[] = []
  const putOn = new Map<number, OptionalWrite>()
  const removeOn = new Map<number, OptionalWrite>()
  operations.forEach((operation, at) => {
    const write = { operation, call: calls[at] as number }
    const { action } = operation
    if (action.type !== 'put' && action.type !== 'delete') return
    const { condition } = action
    const puts = action.type === 'put'
    if (condition?.type === 'absent') {
      if (puts) putIfAbsent.push(write)
      return
    }
    const state = condition === undefined ? undefined : names.byRevision.get(condition.revision)
    if (state === undefined || unseen.has(state)) {
      // Nothing tells which state it means: let it be any.
      ;(puts ? put : remove).push(write)
      return
    }
    const on = puts ? putOn : removeOn
    const other = on.get(state)
    // At most one of them can take effect: the state is gone then. The first called can do most.
    if (other === undefined || other.call > write.call) on.set(state, write)
  })
  for (const list of [put, putIfAbsent, remove]) list.sort((one, other) => one.call - other.call)
  return { put, putIfAbsent, remove, putOn, removeOn }
}

function describeStates(
  { kind, before, after }: { kind: Uint8Array; before: Int32Array; after: Int32Array },
  optional: Pick<OptionalWrites, 'putOn' | 'removeOn'>,
  states: number,
) {
  const needed = new Int32Array(states)
  const pinned = new Uint8Array(states)
  const whole = new Uint8Array(states)
  let excludes = false
  for (let at = 0; at < kind.length; at++) {
    const state = before[at] as number
    if (kind[at] === PUT && state === PRESENT) whole[after[at] as number] = 1
    if (state < 0) continue
    if (kind[at] === OBSERVE_NOT) {
      pinned[state] = 1
      excludes = true
    } else needed[state] = (needed[state] as number) + 1
  }
  for (const state of [...optional.putOn.keys(), ...optional.removeOn.keys()]) pinned[state] = 1
  for (let at = 0; at < kind.length; at++) {
    const state = before[at] as number
    if (state >= 0 && kind[at] !== OBSERVE) whole[state] = 0
  }
  for (let state = 0; state < states; state++) {
    if (excludes || pinned[state] === 1) whole[state] = 0
  }
  return { needed, pinned, whole }
}
