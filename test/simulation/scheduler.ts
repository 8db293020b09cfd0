/**
 * Virtual time: a queue of events, each of one process, run in the order of their times (ties in
 * the order in which they were made). After each event all promises that it settled are followed
 * to their end before the next one begins, so that nothing depends on the machine.
 *
 *   event ──run──► microtasks and ticks drained ──► next event, at its own time
 *     ├── of a process that is paused: waits until it goes on
 *     └── of a process that is dead: never happens
 */

import type { SimulatedProcess } from './process.ts'

export type Event = {
  time_ms: number
  sequence: number
  readonly owner: SimulatedProcess | undefined
  run: (() => void) | undefined
}

/** Follows what promises and ticks are due, now; Node's own name for it is from its beginnings. */
const drain = (process as unknown as { _tickCallback: () => void })._tickCallback

/** A run that needs more than this many events runs in circles. */
export const EVENTS_MAX = 3_000_000
/** Events between two looks at the real event loop. */
const EVENTS_A_TURN = 20_000

export class Scheduler {
  #now_ms = 0
  #sequence = 0
  #heap: Event[] = []
  #current: SimulatedProcess | undefined
  /** What an event, or a promise that it settled, threw. */
  onException: (error: unknown) => void = (error) => {
    throw error
  }
  events = 0

  get now_ms(): number {
    return this.#now_ms
  }

  /** Whose event runs now. */
  get current(): SimulatedProcess | undefined {
    return this.#current
  }

  /** Runs `run` at this time for this process; undefined: for the world, which never stops. */
  at(time_ms: number, owner: SimulatedProcess | undefined, run: () => void): Event {
    this.#sequence += 1
    const event = {
      time_ms: Math.max(time_ms, this.#now_ms),
      sequence: this.#sequence,
      owner,
      run,
    }
    this.#push(event)
    return event
  }

  after(delay_ms: number, owner: SimulatedProcess | undefined, run: () => void): Event {
    return this.at(this.#now_ms + delay_ms, owner, run)
  }

  /** Puts events that had to wait back, to happen now, in their old order. */
  again(events: readonly Event[]): void {
    for (const event of events) {
      this.#sequence += 1
      event.time_ms = this.#now_ms
      event.sequence = this.#sequence
      this.#push(event)
    }
  }

  /** Runs all events up to this time, or until `done`, which is asked after each event. */
  run(until_ms: number, done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      // Promises can only be drained from outside of one.
      const turn = () => {
        for (let count = 0; count < EVENTS_A_TURN; count += 1) {
          if (!this.#step(until_ms) || done() || this.events >= EVENTS_MAX) {
            resolve()
            return
          }
        }
        setImmediate(turn)
      }
      setImmediate(turn)
    })
  }

  #step(until_ms: number): boolean {
    const next = this.#heap[0]
    if (next === undefined || next.time_ms > until_ms) {
      this.#now_ms = Math.max(this.#now_ms, until_ms)
      return false
    }
    this.#pop()
    const { owner, run } = next
    if (run === undefined || owner?.alive === false) return true
    if (owner?.paused === true) {
      owner.waiting.push(next)
      return true
    }
    this.#now_ms = next.time_ms
    this.#current = owner
    this.events += 1
    next.run = undefined
    try {
      run()
    } catch (error) {
      this.onException(error)
    }
    drain()
    this.#current = undefined
    return true
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Event
      if (!isBefore(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    const size = heap.length
    if (size === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1
      const below = heap[child] as Event
      if (!isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.time_ms < b.time_ms || (a.time_ms === b.time_ms && a.sequence < b.sequence)
}
