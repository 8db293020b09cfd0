/**
 * The simulator's one entrance for others: `runSeed(seed)` runs a whole cluster for a minute or two
 * of virtual time and says what went wrong, if anything did. Importing this file runs nothing.
 *
 * Whoever wants the product changed (mutants) registers a module hook before the first `runSeed`:
 * nothing of `src/` is loaded before that call.
 */

import { makeLimitsAdjustable } from './adjustable-limits.ts'
import type { Fault } from './faults.ts'

export type RunOptions = {
  /** Keep the transcript's lines (costs time); without it `transcript()` is empty. */
  readonly transcript?: boolean
  /** Run these faults instead of the seed's own. */
  readonly faults?: readonly Fault[]
  /** Run only those of the seed's faults that stand at these places: for shrinking. */
  readonly keep?: readonly number[]
  /**
   * What an exception nobody expected (a broken assertion, a rejection nobody handles) means:
   * `fail` (the default): the run fails by the check `exception`. `crash`: its process ends and is
   * started again, so that only invariants and the history decide.
   */
  readonly exceptions?: 'fail' | 'crash'
}

export type RunFailure = {
  /** The invariant or check that failed, a stable short name: `one-leader-a-term`, … */
  readonly check: string
  readonly message: string
  /** Virtual time at which it was noticed. */
  readonly at_ms: number
}

export type RunResult = {
  readonly seed: number
  readonly failure: RunFailure | undefined
  /** Of the whole transcript, 16 hexadecimal digits: equal runs have equal hashes. */
  readonly hash: string
  readonly virtual_ms: number
  /** Client operations begun. */
  readonly operations: number
  /** The schedule that was run. */
  readonly faults: readonly Fault[]
  /** Situation → how often it occurred in this run. */
  readonly coverage: Readonly<Record<string, number>>
  /** What happened, a line an event; '' unless asked for. */
  transcript(): string
}

/** Runs one seed (a whole number from 0 to 2^32 − 1). Runs of one process come one by one. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  makeLimitsAdjustable()
  const { runOnce } = await import('./run.ts')
  return await runOnce(seed, options)
}
