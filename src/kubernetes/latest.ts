/**
 * One question asked by many: whoever asks gets an answer to a question sent after that, and at
 * most one is under way, however many ask.
 */

import type { Clock } from '../shared/clock.ts'

export class Latest<T> {
  readonly #ask: () => Promise<T>
  readonly #clock: Clock
  #running: Promise<T> | undefined
  #next: Promise<T> | undefined

  /** `ask` never rejects. */
  constructor(ask: () => Promise<T>, clock: Clock) {
    this.#ask = ask
    this.#clock = clock
  }

  /** undefined: not within `timeout_ms`. */
  async within(timeout_ms: number): Promise<T | undefined> {
    return await new Promise<T | undefined>((resolve) => {
      const timer = this.#clock.after(timeout_ms, () => resolve(undefined))
      this.fresh().then((value) => {
        timer.cancel()
        resolve(value)
      })
    })
  }

  fresh(): Promise<T> {
    // It has not been sent yet.
    if (this.#next !== undefined) return this.#next
    if (this.#running === undefined) return this.#start()
    this.#next = this.#running.then(() => this.#start())
    return this.#next
  }

  #start(): Promise<T> {
    this.#next = undefined
    const running = this.#ask().finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }
}
