/**
 * The verdict on one key: a quick search first, which is all that a key needs that holds; then a
 * look at the place where it was stuck, since a small proof is quicker found than a large one; then
 * all of it.
 */

import { type Counterexample, findCounterexample } from './counterexample.ts'
import type { Operation } from './history.ts'
import { findOrder, type SearchOutcome } from './linearizability.ts'
import { buildKeyProblem } from './problem-builder.ts'

/** Steps of the quick search: so many an operation, and so many more. */
const QUICK_STEPS_PER_OPERATION = 4
const QUICK_STEPS = 100_000
/** Steps of one search for a small proof. */
const PROOF_STEPS = 500_000

export type KeyVerdict =
  | { readonly type: 'linearizable'; readonly steps: number }
  | {
      readonly type: 'wrong'
      /** Undefined: proved by the whole key, and nothing smaller was found. */
      readonly counterexample: Counterexample | undefined
      readonly suspects: readonly Operation[]
      readonly steps: number
    }
  | { readonly type: 'undecided'; readonly reason: string; readonly steps: number }

/** Is there an order of the operations of one key that explains all answers? */
export function judgeKey(
  given: readonly Operation[],
  limits: { readonly steps_max: number; readonly memory_bytes_max: number },
): KeyVerdict {
  const { memory_bytes_max } = limits
  const operations = withoutIdle(given)
  const problem = buildKeyProblem(operations)
  const quick_max = QUICK_STEPS + QUICK_STEPS_PER_OPERATION * problem.operations.length
  let { steps_max } = limits
  let steps = 0
  const spend = (spent: number) => {
    steps += spent
    steps_max -= spent
  }
  const search = (most: number): SearchOutcome => {
    const outcome = findOrder(problem, { steps_max: Math.min(most, steps_max), memory_bytes_max })
    spend(outcome.steps)
    return outcome
  }
  let outcome = search(quick_max)
  if (outcome.type === 'linearizable') return { type: 'linearizable', steps }
  const proof = { steps_max: Math.max(0, Math.min(PROOF_STEPS, steps_max)), memory_bytes_max }
  let { found, steps: spent } = findCounterexample(operations, outcome.suspects, proof)
  spend(spent)
  if (found === undefined && outcome.type === 'undecided' && steps_max > 0) {
    outcome = search(steps_max)
    if (outcome.type === 'linearizable') return { type: 'linearizable', steps }
    if (outcome.type === 'not-linearizable') {
      ;({ found, steps: spent } = findCounterexample(operations, outcome.suspects, proof))
      spend(spent)
    }
  }
  if (found === undefined && outcome.type === 'undecided') {
    return { type: 'undecided', reason: outcome.reason, steps }
  }
  return { type: 'wrong', counterexample: found, suspects: outcome.suspects, steps }
}

/**
 * Without the deletes of unknown outcome that cannot have taken effect: all puts of the key are
 * known with their revisions, and none has the one that the delete is conditional on.
 */
function withoutIdle(operations: readonly Operation[]): readonly Operation[] {
  const revisions = new Set<number>()
  for (const { action, outcome } of operations) {
    if (action.type === 'put' && outcome.type === 'unknown') return operations
    if (outcome.type === 'written' || outcome.type === 'found') revisions.add(outcome.revision)
  }
  return operations.filter(({ action, outcome }) => {
    if (action.type !== 'delete' || outcome.type !== 'unknown') return true
    return action.condition?.type !== 'revision' || revisions.has(action.condition.revision)
  })
}
