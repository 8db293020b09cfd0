/**
 * A simulated process: it can be paused, and it can die between any two of its effects. An effect
 * is whatever leaves it: a frame sent, a batch written, a file renamed. Each port asks `effect()`
 * first, and does nothing once the process is dead: the code goes on running and does not know.
 *
 *   alive ──pause──► paused (events wait) ──resume──► alive
 *     └──kill, or the fuse burnt down──► dead: nothing leaves, nothing arrives
 */

import type { Clock } from '../../src/shared/clock.ts'
import type { Chance } from './chance.ts'
import type { Event, Scheduler } from './scheduler.ts'

/** Wall clocks begin here: late in 2026. */
const EPOCH_MS = 1_795_000_000_000
/** A real clock's timers come late by about this much. */
const TIMER_LATE_MS = 0.5

export type ProcessOptions = {
  readonly name: string
  readonly scheduler: Scheduler
  readonly chance: Chance
  /** How fast its clocks run: 1.01 gains a hundredth. */
  readonly rate: number
  /** How wrong its wall clock is at first, ms. */
  readonly skew_ms: number
}

export class SimulatedProcess {
  readonly name: string
  readonly clock: Clock
  readonly #scheduler: Scheduler
  readonly #rate: number
  readonly #born_ms: number
  #skew_ms: number
  #alive = true
  #paused = false
  /** Effects left before it dies; −1: no fuse. */
  #fuse = -1
  #fuseEnd = ''
  /** Events that came while it was paused. */
  readonly waiting: Event[] = []
  /** Called when the fuse has burnt down, right before its death. */
  onFuse: () => void = () => undefined
  /** Called once, at its death. */
  onDeath: (why: string) => void = () => undefined

  constructor(options: ProcessOptions) {
    const { name, scheduler, chance, rate, skew_ms } = options
    this.name = name
    this.#scheduler = scheduler
    this.#rate = rate
    this.#skew_ms = skew_ms
    this.#born_ms = scheduler.now_ms
    this.clock = {
      now_ms: () => 1000 + (scheduler.now_ms - this.#born_ms) * this.#rate,
      wall_ms: () => Math.floor(EPOCH_MS + this.#skew_ms + scheduler.now_ms * this.#rate),
      after: (delay_ms, run) => {
        // As setTimeout: a millisecond at least.
        const wait_ms = Math.max(1, delay_ms) / this.#rate + chance.random() * TIMER_LATE_MS
        const event = scheduler.after(wait_ms, this, run)
        return {
          cancel: () => {
            event.run = undefined
          },
        }
      },
    }
  }

  get alive(): boolean {
    return this.#alive
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Alive and not paused. */
  get running(): boolean {
    return this.#alive && !this.#paused
  }

  /** Something is about to leave: may it? The fuse burns. */
  effect(): boolean {
    if (!this.#alive) return false
    if (this.#fuse < 0) return true
    if (this.#fuse === 0) {
      this.onFuse()
      this.kill(this.#fuseEnd)
      return false
    }
    this.#fuse -= 1
    return true
  }

  /** It dies, of this, after so many more effects. */
  lightFuse(effects: number, why: string): void {
    this.#fuse = effects
    this.#fuseEnd = why
  }

  kill(why: string): void {
    if (!this.#alive) return
    this.#alive = false
    this.waiting.length = 0
    this.onDeath(why)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    const events = this.waiting.splice(0)
    if (this.#alive) this.#scheduler.again(events)
  }

  /** The wall clock is set forward or back. */
  jump(by_ms: number): void {
    this.#skew_ms += by_ms
  }
}
