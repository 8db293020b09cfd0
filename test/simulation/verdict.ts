/**
 * The history as the product's own verifier judges it, from the clients' side alone: it knows
 * nothing of logs and states, and searches for an order of each key's operations (Wing, Gong,
 * Lowe). Keys that may expire are left to history.ts: nobody sees when they go.
 */

import { checkHistory } from '../../src/verifier/check-history.ts'
import type { Action, Condition, Operation, Outcome } from '../../src/verifier/history.ts'
import type * as ours from './history.ts'
import { Violation } from './violation.ts'

/** Steps of the search; what takes more is left undecided, and history.ts has judged it. */
const STEPS_MAX = 200_000

/** Throws a `Violation` where no order of a key's operations explains what the clients saw. */
export function judge(operations: readonly ours.Operation[]): void {
  const mortal = new Set<string>()
  for (const { intent } of operations) {
    if (intent.type === 'put' && intent.ttl_ms > 0) mortal.add(intent.key)
  }
  const seen: Operation[] = []
  for (const [id, operation] of operations.entries()) {
    if (mortal.has(operation.intent.key) || operation.askedAgain) continue
    const told = translate(id, operation)
    if (told !== undefined) seen.push(told)
  }
  const [finding] = checkHistory(seen, { steps_max: STEPS_MAX }).findings
  if (finding !== undefined) throw new Violation(finding.type, finding.explanation)
}

/** undefined: it says nothing that the verifier could use. */
function translate(id: number, operation: ours.Operation): Operation | undefined {
  const { client, intent, condition, call_ms, return_ms, outcome } = operation
  const action = actionOf(intent, condition)
  const told = outcome === undefined ? ({ type: 'unknown' } as const) : outcomeOf(intent, outcome)
  if (action === undefined) return undefined
  // That a condition failed says something only if the verifier knows the condition.
  if (condition.type === 'other' && told.type === 'condition-failed') return undefined
  return {
    id,
    process: client,
    key: intent.key,
    call_us: call_ms * 1000,
    return_us: Number.isFinite(return_ms) ? return_ms * 1000 : undefined,
    action,
    outcome: told,
  }
}

function actionOf(intent: ours.Intent, condition: ours.Condition): Action | undefined {
  if (intent.type === 'get') {
    return intent.consistency === 'linearizable' ? { type: 'read' } : undefined
  }
  const known = knownCondition(condition)
  const demand = known === undefined ? {} : { condition: known }
  if (intent.type === 'put') return { type: 'put', value: intent.value, ...demand }
  return { type: 'delete', ...demand }
}

/** Of the conditions it knows those that name a revision, or ask for absence. */
function knownCondition(condition: ours.Condition): Condition | undefined {
  if (condition.type === 'revision') return { type: 'revision', revision: condition.revision }
  return condition.type === 'absent' ? { type: 'absent' } : undefined
}

function outcomeOf(intent: ours.Intent, outcome: ours.Outcome): Outcome {
  if (outcome.type === 'failed') return { type: 'fail', code: outcome.code }
  if (outcome.type === 'unknown') return { type: 'unknown', code: outcome.code }
  const { status, revision, value, state } = outcome.answer
  if (status === 'created' || status === 'updated') {
    return { type: 'written', revision, created: status === 'created' }
  }
  if (status === 'deleted') return { type: 'deleted', revision }
  if (status === 'condition-failed') return { type: 'condition-failed', revision }
  if (intent.type === 'delete') return { type: 'absent' }
  if (value === undefined) return { type: 'absent', seen: state }
  return { type: 'found', value, revision, seen: state }
}
