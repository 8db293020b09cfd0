/** Pauses between calls: they end early when there is news, and grow while nothing works. */

import type { Clock } from '../shared/clock.ts'
import { KUBERNETES_RETRY_MS_MAX, KUBERNETES_RETRY_MS_MIN } from '../shared/limits.ts'

/** A sleep that can be cut short. One at a time. */
export class Pause {
  readonly #clock: Clock
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** undefined: until it is woken. */
  async sleep(delay_ms: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = delay_ms === undefined ? undefined : this.#clock.after(delay_ms, resolve)
      this.#wake = () => {
        timer?.cancel()
        resolve()
      }
    })
    this.#wake = undefined
  }

  wake(): void {
    this.#wake?.()
  }
}

/** The pause after so many failures in a row, half of it by chance. */
export function retryAfter_ms(failures: number, random: () => number): number {
  const whole_ms = Math.min(KUBERNETES_RETRY_MS_MAX, KUBERNETES_RETRY_MS_MIN * 2 ** failures)
  return whole_ms / 2 + random() * (whole_ms / 2)
}
