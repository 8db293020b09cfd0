/**
 * When applied changes go to the disk: this long after the first of them, or sooner when there are
 * APPLIED_BYTES_MAX of them. They ride with a batch that is under way anyway, but not with each: a
 * session or a key that changes again meanwhile is written once, and what a client waits for is its
 * log entry alone. Until then they are in memory and in the log.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { APPLIED_BYTES_MAX } from '../../shared/limits.ts'

const FLUSH_AFTER_MS = 50

export class FlushTimer {
  readonly #clock: Clock
  readonly #flush: () => void
  #timer: Timer | undefined
  #due = false

  /** `flush` asks for a batch, whether or not anything else is to be written. */
  constructor(clock: Clock, flush: () => void) {
    this.#clock = clock
    this.#flush = flush
  }

  /** Something was applied. */
  start(): void {
    this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => {
      this.#timer = undefined
      this.#due = true
      this.#flush()
    })
  }

  /** Should the next batch take the changes, of which there are so many bytes? */
  isDue(bytes: number): boolean {
    return this.#due || bytes >= APPLIED_BYTES_MAX
  }

  /** The changes were taken, or nothing is written any more. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#due = false
  }
}
