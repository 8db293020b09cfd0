/**
 * What an operation demands of its key: the state that it needs, and the one that it leaves. States
 * are named here, by the value that a put wrote and by the revisions that answers told.
 */

import { assertNever } from '../shared/assert.ts'
import type { Operation } from './history.ts'
import {
  ABSENT,
  ANY,
  DELETE,
  FIRST_PUT,
  IMPOSSIBLE,
  OBSERVE,
  OBSERVE_NOT,
  PRESENT,
  PUT,
} from './key-problem.ts'

/** An operation that must have taken effect: what it needs, and what it leaves. */
export type Requirement = {
  readonly operation: Operation
  readonly kind: number
  readonly before: number
  readonly after: number
  readonly hint: number
  readonly return_us: number
}

/** What states are known by. */
export type Names = {
  readonly byValue: ReadonlyMap<string, number>
  /** Puts' states first, phantoms later. */
  readonly byRevision: Map<number, number>
  /** When the value of an unknown put was seen first, by state. */
  readonly seen_us: ReadonlyMap<number, number>
  readonly phantoms: number[]
  states: number
}

/** Gives each put of one key its state. */
export function nameStates(operations: readonly Operation[]): Names {
  const byValue = new Map<string, number>()
  const byRevision = new Map<number, number>()
  const seen_us = new Map<number, number>()
  let states = FIRST_PUT
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

/** What it demands; undefined: nothing. `optional`: nobody can tell whether it took effect. */
export function requirementOf(
  operation: Operation,
  names: Names,
): Requirement | 'optional' | undefined {
  const { action, outcome, return_us } = operation
  if (action.type === 'stale-read' || outcome.type === 'fail') return undefined
  const known = { operation, after: ANY, return_us: return_us ?? Number.POSITIVE_INFINITY }
  const observe = (before: number, revision = 0): Requirement => {
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
  known: Omit<Requirement, 'kind' | 'before' | 'hint'>,
): Requirement | undefined {
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
