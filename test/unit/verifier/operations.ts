/** Histories written by hand: `put(1, 'a', [0, 10], 5)` is a put by client 1 from 0 to 10 µs. */

import type { Action, Condition, Operation, Outcome } from '../../../src/verifier/history.ts'

/** Call and return, µs; without a return no answer came. */
export type Span = readonly [number, number?]

let made = 0

export function operation(
  process: number,
  span: Span,
  action: Action,
  outcome: Outcome,
  key = 'k',
): Operation {
  const [call_us, return_us] = span
  return { id: made++, process, key, call_us, return_us, action, outcome }
}

type Put = {
  readonly created?: boolean
  readonly if?: Condition
  readonly key?: string
}

/** A put acknowledged at a revision. */
export function put(
  process: number,
  value: string,
  span: Span,
  revision: number,
  more: Put = {},
): Operation {
  const outcome: Outcome = {
    type: 'written',
    revision,
    ...(more.created === undefined ? {} : { created: more.created }),
  }
  return operation(process, span, putAction(value, more), outcome, more.key)
}

export function putAction(value: string, more: Put = {}): Action {
  return { type: 'put', value, ...(more.if === undefined ? {} : { condition: more.if }) }
}

/** A put that nobody knows the outcome of. */
export function lostPut(process: number, value: string, span: Span, more: Put = {}): Operation {
  return operation(process, span, putAction(value, more), { type: 'unknown' }, more.key)
}

/** A put refused for its condition. */
export function refusedPut(
  process: number,
  value: string,
  span: Span,
  { revision, ...more }: Put & { readonly revision?: number },
): Operation {
  const outcome: Outcome = {
    type: 'condition-failed',
    ...(revision === undefined ? {} : { revision }),
  }
  return operation(process, span, putAction(value, more), outcome, more.key)
}

export function remove(process: number, span: Span, revision: number): Operation {
  return operation(process, span, { type: 'delete' }, { type: 'deleted', revision })
}

export function lostRemove(process: number, span: Span, more: Put = {}): Operation {
  const condition = more.if === undefined ? {} : { condition: more.if }
  return operation(process, span, { type: 'delete', ...condition }, { type: 'unknown' }, more.key)
}

/** A linearizable read that found a value. */
export function read(process: number, value: string, span: Span, revision: number): Operation {
  return operation(process, span, { type: 'read' }, { type: 'found', value, revision })
}

export function readNothing(process: number, span: Span): Operation {
  return operation(process, span, { type: 'read' }, { type: 'absent' })
}

export const at = (revision: number): Condition => ({ type: 'revision', revision })
export const ifAbsent: Condition = { type: 'absent' }
