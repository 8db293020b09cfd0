/**
 * Linearizability of a few operations on one key, by trying every order: slow, and simple enough to
 * be believed. Written from the meaning of the operations alone, for comparison with the checker.
 */

import type { Condition, Operation } from '../../../src/verifier/history.ts'

type State = { readonly value: string; readonly revision: number | undefined } | undefined

/**
 * There is an order that explains all answers. For at most about ten operations. `start`: the key
 * holds nothing at first, or anything that nobody tells of.
 */
export function isLinearizable(
  history: readonly Operation[],
  start: 'absent' | 'any' = 'absent',
): boolean {
  const operations = history.filter(matters)
  const other: State = { value: '(from before)', revision: undefined }
  const starts = start === 'any' ? [undefined, other] : [undefined]
  return assignments(operations).some((revisions) =>
    starts.some((state) => search(operations, revisions, state)),
  )
}

function matters({ action, outcome }: Operation): boolean {
  if (action.type === 'stale-read' || outcome.type === 'fail') return false
  return !(action.type === 'read' && outcome.type === 'unknown')
}

/** All ways in which puts of unknown outcome may have got the revisions that answers mention. */
function assignments(operations: readonly Operation[]): Map<string, number>[] {
  const known = new Map<string, number>()
  const mentioned = new Set<number>()
  for (const { action, outcome } of operations) {
    if (action.type === 'put' && outcome.type === 'written') {
      known.set(action.value, outcome.revision)
    }
    if (outcome.type === 'found' && !known.has(outcome.value)) {
      known.set(outcome.value, outcome.revision)
    }
    if (outcome.type === 'condition-failed' && outcome.revision) mentioned.add(outcome.revision)
    if ('condition' in action && action.condition?.type === 'revision') {
      mentioned.add(action.condition.revision)
    }
    if (action.type === 'read' && action.unless !== undefined) mentioned.add(action.unless)
  }
  const owned = new Set(known.values())
  const free = [...mentioned].filter((revision) => !owned.has(revision))
  const open = operations.flatMap(({ action, outcome }) =>
    action.type === 'put' && outcome.type === 'unknown' && !known.has(action.value)
      ? [action.value]
      : [],
  )
  let all: Map<string, number>[] = [known]
  for (const revision of free) {
    all = all.flatMap((one) => [
      one,
      ...open
        .filter((value) => !one.has(value))
        .map((value) => new Map([...one, [value, revision]])),
    ])
  }
  return all
}

function search(
  operations: readonly Operation[],
  revisions: ReadonlyMap<string, number>,
  start: State,
): boolean {
  const go = (left: readonly Operation[], state: State): boolean => {
    if (left.every(({ outcome }) => outcome.type === 'unknown')) return true
    return left.some((next) => {
      const late = left.some(
        (other) => other.outcome.type !== 'unknown' && (other.return_us ?? Infinity) < next.call_us,
      )
      if (late) return false
      const after = step(next, state, revisions)
      if (after === 'wrong') return false
      return go(
        left.filter((one) => one !== next),
        after,
      )
    })
  }
  return go(operations, start)
}

function holds(condition: Condition | undefined, state: State): boolean {
  if (condition === undefined) return true
  if (condition.type === 'absent') return state === undefined
  return state?.revision === condition.revision
}

function step(
  { action, outcome }: Operation,
  state: State,
  revisions: ReadonlyMap<string, number>,
): State | 'wrong' {
  const right = (is: boolean, after: State) => (is ? after : 'wrong')
  if (action.type === 'stale-read') return 'wrong'
  if (action.type === 'read') {
    if (outcome.type === 'absent') return right(state === undefined, state)
    if (outcome.type === 'not-modified') {
      return right(state !== undefined && state.revision === action.unless, state)
    }
    return right(outcome.type === 'found' && state?.value === outcome.value, state)
  }
  const done = holds(action.condition, state)
  const put =
    action.type === 'put'
      ? { value: action.value, revision: revisions.get(action.value) }
      : undefined
  switch (outcome.type) {
    case 'unknown':
      return done ? put : state
    case 'condition-failed': {
      const { revision } = outcome
      const absent = state === undefined
      const told = revision === 0 ? absent : !absent && state.revision === revision
      return right(!done && (revision === undefined || told), state)
    }
    case 'absent':
      return right(state === undefined, state)
    case 'deleted':
      return right(done && state !== undefined, undefined)
    case 'written':
      return right(done && (outcome.created ?? state === undefined) === (state === undefined), put)
    default:
      return 'wrong'
  }
}
