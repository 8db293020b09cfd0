/**
 * Writes that wait for a frame: those that go again first, in the order of their sequences, then
 * new ones in the order they came. Settled ones (their deadline passed) are stepped over.
 */

import { ENTRY_BYTES_MAX } from '../shared/limits.ts'
import type { PendingWrite } from './pending-write.ts'

export class WriteQueue {
  #retries: PendingWrite[] = []
  #fresh: PendingWrite[] = []

  /** Waiting writes, settled ones not yet stepped over included. */
  get length(): number {
    return this.#retries.length + this.#fresh.length
  }

  push(write: PendingWrite): void {
    this.#fresh.push(write)
  }

  /** Puts writes back that left once already. */
  retry(writes: readonly PendingWrite[]): void {
    this.#retries.push(...writes)
    this.#retries.sort((one, other) => one.sequence - other.sequence)
  }

  /**
   * The next writes for one frame: up to ENTRY_BYTES_MAX, or one larger one. What `accept` does not
   * take is dropped. `separate`: puts and deletes are not mixed.
   */
  take(options: {
    readonly accept: (write: PendingWrite) => boolean
    readonly count_max: number
    readonly separate: boolean
  }): PendingWrite[] {
    const { accept, count_max, separate } = options
    const taken: PendingWrite[] = []
    let bytes = 0
    for (const queue of [this.#retries, this.#fresh]) {
      let used = 0
      let full = false
      for (const write of queue) {
        if (write.settled) {
          used++
          continue
        }
        const first = taken[0]
        const fits =
          first === undefined ||
          (bytes + write.size_bytes <= ENTRY_BYTES_MAX &&
            (!separate || write.command.type === first.command.type))
        full = !fits || taken.length >= count_max
        if (full) break
        used++
        if (!accept(write)) continue
        taken.push(write)
        bytes += write.size_bytes
      }
      queue.splice(0, used)
      if (full) break
    }
    return taken
  }

  /** Drops the settled ones, so that a queue nobody takes from does not grow. */
  sweep(): void {
    const waits = (write: PendingWrite): boolean => !write.settled
    this.#retries = this.#retries.filter(waits)
    this.#fresh = this.#fresh.filter(waits)
  }

  /** Empties the queue. */
  clear(): void {
    this.#retries = []
    this.#fresh = []
  }
}
