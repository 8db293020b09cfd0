/**
 * A slow stretch of one link in one direction: what goes in comes out later, in order. Bounded as a
 * link is: what would make it too full is dropped, as the transport may (consensus sends again).
 */

import type { Clock, Timer } from '../../shared/clock.ts'

type Item = { readonly due_ms: number; readonly bytes: number; readonly deliver: () => void }

export class DelayLine {
  readonly #clock: Clock
  readonly #bytes_max: number
  #items: Item[] = []
  #bytes = 0
  #timer: Timer | undefined

  constructor(options: { clock: Clock; bytes_max: number }) {
    this.#clock = options.clock
    this.#bytes_max = options.bytes_max
  }

  get empty(): boolean {
    return this.#items.length === 0
  }

  /** Delivers after `delay_ms`, never before what went in earlier. False: full, dropped. */
  push(delay_ms: number, bytes: number, deliver: () => void): boolean {
    if (this.#bytes + bytes > this.#bytes_max && !this.empty) return false
    const last_ms = this.#items.at(-1)?.due_ms ?? Number.NEGATIVE_INFINITY
    const due_ms = Math.max(this.#clock.now_ms() + delay_ms, last_ms)
    this.#items.push({ due_ms, bytes, deliver })
    this.#bytes += bytes
    this.#wait()
    return true
  }

  /** Delivers all at once, in order. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#deliver(Number.POSITIVE_INFINITY)
  }

  #wait(): void {
    const first = this.#items[0]
    if (this.#timer !== undefined || first === undefined) return
    const delay_ms = Math.max(0, first.due_ms - this.#clock.now_ms())
    this.#timer = this.#clock.after(delay_ms, () => {
      this.#timer = undefined
      // A timer may fire a fraction of a millisecond early.
      this.#deliver(this.#clock.now_ms() + 1)
      this.#wait()
    })
  }

  #deliver(until_ms: number): void {
    let count = 0
    while (count < this.#items.length && (this.#items[count] as Item).due_ms <= until_ms) count += 1
    const due = this.#items.splice(0, count)
    for (const { bytes, deliver } of due) {
      this.#bytes -= bytes
      deliver()
    }
  }
}
