/**
 * Decides when waiting client frames become the next entry: as soon as the own disk is free,
 * consensus takes proposals, and the entry before is committed, or many commands wait. That is the
 * whole batching policy at the leader (back-pressure, DESIGN §12): while one batch is under way the
 * next one fills. Small batches follow each other, since what a batch costs hardly depends on its
 * size; large ones are pipelined, so that a long way to the followers costs no throughput.
 */

import type { Entry } from '../consensus/entry.ts'
import { type Batch, type Origin, Proposals } from './proposals.ts'

export type ProposerOptions = {
  /** Is it time for an entry, with so many commands waiting? */
  readonly ready: (waiting: number) => boolean
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
    while (this.#options.ready(this.proposals.waitingCommands)) {
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
