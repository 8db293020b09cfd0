/**
 * One timer for the deadlines of many requests: a timer each would cost more than the request's
 * own bookkeeping. It fires at the earliest deadline, hands over all that have passed, and looks
 * for the next one only then.
 */

import type { Clock, Timer } from '../shared/clock.ts'

type Waiting = { readonly deadline_ms: number }

export class Deadlines<T extends Waiting> {
  readonly #clock: Clock
  readonly #expire: (expired: readonly T[]) => void
  readonly #waiting = new Set<T>()
  #timer: Timer | undefined
  #due_ms = Number.POSITIVE_INFINITY

  /** @param expire gets those whose deadline passed; they are no longer watched. */
  constructor(clock: Clock, expire: (expired: readonly T[]) => void) {
    this.#clock = clock
    this.#expire = expire
  }

  get size(): number {
    return this.#waiting.size
  }

  add(item: T): void {
    this.#waiting.add(item)
    if (item.deadline_ms < this.#due_ms) this.#arm(item.deadline_ms)
  }

  /** The timer is left as it is: firing early costs one look. */
  remove(item: T): void {
    this.#waiting.delete(item)
  }

  /** Everything still waiting, oldest first; nothing is watched any more. */
  clear(): T[] {
    const left = [...this.#waiting]
    this.#waiting.clear()
    this.#timer?.cancel()
    this.#timer = undefined
    this.#due_ms = Number.POSITIVE_INFINITY
    return left
  }

  #arm(due_ms: number): void {
    this.#timer?.cancel()
    this.#due_ms = due_ms
    const delay_ms = Math.max(1, due_ms - this.#clock.now_ms())
    this.#timer = this.#clock.after(delay_ms, () => this.#fire())
  }

  #fire(): void {
    this.#timer = undefined
    this.#due_ms = Number.POSITIVE_INFINITY
    const now_ms = this.#clock.now_ms()
    const expired: T[] = []
    let next_ms = Number.POSITIVE_INFINITY
    for (const item of this.#waiting) {
      if (item.deadline_ms <= now_ms) expired.push(item)
      else if (item.deadline_ms < next_ms) next_ms = item.deadline_ms
    }
    for (const item of expired) this.#waiting.delete(item)
    if (next_ms !== Number.POSITIVE_INFINITY) this.#arm(next_ms)
    if (expired.length > 0) this.#expire(expired)
  }
}
