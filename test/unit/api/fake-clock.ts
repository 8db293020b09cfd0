/** A clock that moves when told to, one timer after the other. */

import type { Clock, Timer } from '../../../src/shared/clock.ts'

/** Lets everything that is under way in this process take its course for one turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Waits for a condition, at most a few thousand turns. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let turns = 0; turns < 5000; turns++) {
    if (condition()) return
    await turn()
  }
  throw new Error(`never came true: ${what}`)
}

export class FakeClock implements Clock {
  #now_ms = 1000
  readonly #timers = new Map<number, { at_ms: number; run: () => void }>()
  #next = 1

  now_ms(): number {
    return this.#now_ms
  }

  wall_ms(): number {
    return 1_700_000_000_000 + this.#now_ms
  }

  after(delay_ms: number, run: () => void): Timer {
    const id = this.#next++
    this.#timers.set(id, { at_ms: this.#now_ms + delay_ms, run })
    return { cancel: () => void this.#timers.delete(id) }
  }

  /** Moves on, letting frames travel between any two timers. */
  async advance(delay_ms: number): Promise<void> {
    const end_ms = this.#now_ms + delay_ms
    for (;;) {
      await settle()
      let due: { id: number; at_ms: number; run: () => void } | undefined
      for (const [id, timer] of this.#timers) {
        if (timer.at_ms <= end_ms && (due === undefined || timer.at_ms < due.at_ms)) {
          due = { id, ...timer }
        }
      }
      if (due === undefined) break
      this.#timers.delete(due.id)
      this.#now_ms = Math.max(this.#now_ms, due.at_ms)
      due.run()
    }
    this.#now_ms = end_ms
    await settle()
  }
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 6; turns++) await turn()
}
