/**
 * A replica that stops gives its lead away first: consensus is told to drain, and says when that is
 * done. It is waited for only as long as an orderly hand-over takes.
 */

import type { Clock } from '../../shared/clock.ts'
import type { Loop } from './loop.ts'

/** Election timeouts after which nobody waits for it any more. */
const PATIENCE_TIMEOUTS = 4

export class HandOver {
  readonly #clock: Clock
  readonly #patience_ms: number
  #resolve: (() => void) | undefined

  constructor(clock: Clock, electionTimeout_ms: number) {
    this.#clock = clock
    this.#patience_ms = PATIENCE_TIMEOUTS * electionTimeout_ms
  }

  /** Resolves when the lead is given away, or was not there, or at the end of patience. */
  begin(loop: Loop): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#resolve = resolve
      loop.step({ type: 'drain' })
      this.#clock.after(this.#patience_ms, resolve)
    })
  }

  /** Consensus says that it is drained. */
  done(): void {
    this.#resolve?.()
  }
}
