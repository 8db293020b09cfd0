/**
 * Builds the problem of one key (key-problem.ts): sorts its operations into those that must have
 * taken effect and those that may have, puts their calls and returns in one sequence, and describes
 * the states by what depends on them.
 */

import type { Operation } from './history.ts'
import {
  ABSENT,
  DEAD,
  type KeyProblem,
  OBSERVE,
  OBSERVE_NOT,
  type OptionalWrite,
  type OptionalWrites,
  PRESENT,
  PUT,
  UNTOLD,
} from './key-problem.ts'
import { type Names, nameStates, type Requirement, requirementOf } from './requirements.ts'

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
  const required: Requirement[] = []
  const optional: Operation[] = []
  for (const operation of operations) {
    const made = requirementOf(operation, names)
    if (made === 'optional') optional.push(operation)
    else if (made !== undefined) required.push(made)
  }
  return assemble({ required, optional, names }, surroundings)
}

function assemble(
  sorted: { required: Requirement[]; optional: Operation[]; names: Names },
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
    const one = required[at] as Requirement
    kind[at] = one.kind
    before[at] = one.before
    after[at] = one.after
    hint[at] = one.hint
  }
  const placed = place(required, [...optional, ...any])
  const told = new Set(required.flatMap((one) => (one.kind === OBSERVE_NOT ? [] : [one.before])))
  const unseen = new Set(names.phantoms.filter((state) => !told.has(state)))
  // Of a weakened history nobody can tell which states have revisions that were told.
  const vague = anyPut !== undefined || present
  const writes = sortOptional(optional, placed.optional, { names, unseen, vague })
  const untold = writes.putUntold.length + writes.removeUntold.length > 0
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
    blank: untold ? UNTOLD : DEAD,
    initial: present ? DEAD : ABSENT,
  }
}

/** Puts calls and returns in one sequence; at equal times calls come first. */
function place(required: readonly Requirement[], optional: readonly Operation[]) {
  const size = required.length
  const places = 2 * size + optional.length
  const time = new Float64Array(places)
  for (let at = 0; at < size; at++) {
    const one = required[at] as Requirement
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
  given: { names: Names; unseen: ReadonlySet<number>; vague: boolean },
): Omit<OptionalWrites, 'anyPut' | 'anyRemove'> {
  const put: OptionalWrite[] = []
  const putIfAbsent: OptionalWrite[] = []
  const remove: OptionalWrite[] = []
  const { names, unseen, vague } = given
  const untold = { put: new Map<number, OptionalWrite>(), delete: new Map<number, OptionalWrite>() }
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
    if (condition === undefined) {
      ;(puts ? put : remove).push(write)
      return
    }
    const { revision } = condition
    if (revision === 0) return
    const state = names.byRevision.get(revision)
    if (state !== undefined && !unseen.has(state)) addFirst(puts ? putOn : removeOn, state, write)
    else if (vague) (puts ? put : remove).push(write)
    // No state whose revision was told is at this one; that of a put which nobody saw may be.
    else addFirst(untold[action.type], revision, write)
  })
  const putUntold = [...untold.put.values()]
  const removeUntold = [...untold.delete.values()]
  for (const list of [put, putIfAbsent, remove, putUntold, removeUntold]) {
    list.sort((one, other) => one.call - other.call)
  }
  return { put, putIfAbsent, remove, putUntold, removeUntold, putOn, removeOn }
}

/** At most one write on a state takes effect: it is gone then. The first called can do most. */
function addFirst(writes: Map<number, OptionalWrite>, of: number, write: OptionalWrite): void {
  const other = writes.get(of)
  if (other === undefined || other.call > write.call) writes.set(of, write)
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
