/**
 * Client frames on their way into the log. Frames of all API servers that are waiting are merged
 * into one entry (DESIGN §12), so that the log, the CRC and LevelDB pay once a batch. Each frame
 * is remembered until its entry is applied, so that its results find their way back.
 *
 *   waiting ──merged into an entry──► proposed(index, term) ──applied──► answered
 *      └── leader steps down ──► refused, not applied      └──► refused, unknown: same sequence
 */

import { ClusterError } from '../../shared/errors.ts'
import { ENTRY_BYTES_MAX, PROPOSAL_QUEUE_BYTES_MAX } from '../../shared/limits.ts'
import type { CommandResult } from '../kv/types.ts'

/** Who waits for a frame's results. */
export type Origin = {
  answer(results: readonly CommandResult[]): void
  /** `proposed`: it stands in some log and may yet take effect. */
  refuse(proposed: boolean): void
}

type Waiting = { readonly segment: Uint8Array; readonly count: number; readonly origin: Origin }

/** A merged proposal: segments and how many commands they hold. */
export type Batch = {
  readonly segments: readonly Uint8Array[]
  readonly count: number
  readonly origins: readonly Origin[]
}

export class Proposals {
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #waitingCommands = 0
  /** Log index → the term it was proposed in and who waits for it. */
  readonly #proposed = new Map<number, { term: number; origins: readonly Origin[] }>()

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  get waitingCommands(): number {
    return this.#waitingCommands
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** Queues a checked segment. Throws `overloaded` when PROPOSAL_QUEUE_BYTES_MAX is reached. */
  add(segment: Uint8Array, count: number, origin: Origin): void {
    if (this.#waitingBytes + segment.length > PROPOSAL_QUEUE_BYTES_MAX) {
      throw new ClusterError('overloaded', 'the leader holds too many waiting writes', {
        outcome: 'not-applied',
      })
    }
    this.#waiting.push({ segment, count, origin })
    this.#waitingBytes += segment.length
    this.#waitingCommands += count
  }

  /** Takes the next batch: at least one frame, at most about ENTRY_BYTES_MAX. */
  next(): Batch | undefined {
    if (this.#waiting.length === 0) return undefined
    let bytes = 0
    let taken = 0
    let count = 0
    for (const waiting of this.#waiting) {
      if (taken > 0 && bytes + waiting.segment.length > ENTRY_BYTES_MAX) break
      bytes += waiting.segment.length
      count += waiting.count
      taken += 1
    }
    const batch = this.#waiting.splice(0, taken)
    this.#waitingBytes -= bytes
    this.#waitingCommands -= count
    return {
      segments: batch.map((waiting) => waiting.segment),
      count,
      origins: batch.map((waiting) => waiting.origin),
    }
  }

  /** The batch became the entry at `index`. */
  proposed(batch: Batch, index: number, term: number): void {
    this.#proposed.set(index, { term, origins: batch.origins })
  }

  /** The entry at `index` was applied with these results, one list a segment. */
  applied(index: number, term: number, results: readonly (readonly CommandResult[])[]): void {
    const waiting = this.#proposed.get(index)
    if (waiting === undefined) return
    this.#proposed.delete(index)
    if (waiting.term !== term) {
      for (const origin of waiting.origins) origin.refuse(true)
      return
    }
    for (const [position, origin] of waiting.origins.entries()) {
      origin.answer(results[position] ?? [])
    }
  }

  /** This replica leads no more: all who wait are told at once. */
  refuseAll(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    this.#waitingCommands = 0
    for (const { origin } of waiting) origin.refuse(false)
    const proposed = [...this.#proposed.values()]
    this.#proposed.clear()
    for (const { origins } of proposed) for (const origin of origins) origin.refuse(true)
  }
}
