/**
 * Decides when waiting client frames become the next entry: as soon as the own disk is free and
 * consensus takes proposals. That is the whole batching policy at the leader (back-pressure,
 * DESIGN §12): while one batch is being synced the next one fills.
 */

import type { Entry } from '../consensus/entry.ts'
import { type Batch, type Origin, Proposals } from './proposals.ts'

export type ProposerOptions = {
  /** The own disk is free, and consensus takes proposals. */
  readonly ready: () => boolean
  /** Proposes the batch; calls `proposed` with the entry before anything else happens to it. */
  readonly propose: (batch: Batch, proposed: (entry: Entry | undefined) => void) => void
}

export class Proposer {
  readonly #options: ProposerOptions
  readonly proposals = new Proposals()
  #scheduled = false
  /** Entries proposed, for metrics. */
  proposed = 0

  constructor(options: ProposerOptions) {
    this.#options = options
  }

  /** Queues a checked segment. Throws `overloaded`. */
  add(segment: Uint8Array, count: number, origin: Origin): void {
    this.proposals.add(segment, count, origin)
    this.schedule()
  }

  /** Looks again at the end of this turn, so that what arrives together goes together. */
  schedule(): void {
    if (this.#scheduled || this.proposals.waitingCount === 0) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#options.ready()) {
      const batch = this.proposals.next()
      if (batch === undefined) return
      this.#options.propose(batch, (entry) => {
        if (entry === undefined) {
          for (const origin of batch.origins) origin.refuse(false)
          return
        }
        this.proposed += 1
        this.proposals.proposed(batch, entry.index, entry.term)
      })
    }
  }
}
