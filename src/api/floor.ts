/**
 * The sequences of one session, and its floor: the highest sequence below which everything is
 * decided, that is answered, or given up for good (DESIGN §5, exactly once).
 *
 * Invariants, held by test/unit/api/floor.test.ts:
 *   1. no sequence is issued twice;
 *   2. the floor never passes a sequence that is not decided;
 *   3. once all are decided, the floor is the last sequence issued.
 */

import { assert } from '../shared/assert.ts'
import { SESSION_RESULTS_MAX } from '../shared/limits.ts'

export class SequenceFloor {
  #floor = 0
  #issued = 0
  /** Decided sequences above the floor. */
  readonly #decided = new Set<number>()

  get floor(): number {
    return this.#floor
  }

  /** Sequences above the floor: results that the replicas may have to keep. */
  get span(): number {
    return this.#issued - this.#floor
  }

  /** False: one more sequence could make the session's table of results overflow. */
  get hasRoom(): boolean {
    return this.span < SESSION_RESULTS_MAX
  }

  /** The next sequence, never given out before. */
  issue(): number {
    assert(this.hasRoom, 'no sequence may be issued while the session is full')
    this.#issued++
    return this.#issued
  }

  /** This sequence is answered or given up; it will never be sent again. */
  decide(sequence: number): void {
    assert(
      sequence > this.#floor && sequence <= this.#issued && !this.#decided.has(sequence),
      `sequence ${sequence} is not open`,
    )
    this.#decided.add(sequence)
    while (this.#decided.delete(this.#floor + 1)) this.#floor++
  }
}
