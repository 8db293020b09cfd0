/**
 * Keeps a log readable while the same thing goes wrong again and again: each text is let through
 * once in a while, however often it comes. Bounded, since texts name addresses of strangers.
 */

import type { Clock } from './clock.ts'
import { SELDOM_KEYS_MAX, SELDOM_MS } from './limits.ts'

/** Remembers what was said lately. */
export class Seldom {
  readonly #clock: Clock
  readonly #said_ms = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** May this be said now? Not again within SELDOM_MS. */
  due(text: string): boolean {
    const now_ms = this.#clock.now_ms()
    const said_ms = this.#said_ms.get(text)
    if (said_ms !== undefined && now_ms - said_ms < SELDOM_MS) return false
    this.#said_ms.delete(text)
    // The oldest goes: a map keeps the order in which its keys came.
    const [oldest] = this.#said_ms.size >= SELDOM_KEYS_MAX ? this.#said_ms.keys() : []
    if (oldest !== undefined) this.#said_ms.delete(oldest)
    this.#said_ms.set(text, now_ms)
    return true
  }
}
