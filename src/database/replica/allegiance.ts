/**
 * A replica that follows a cluster and holds nothing of it yet may have followed the wrong one: one
 * that is no more (after `bootstrap --force`), of which a peer still has an old disk, or which
 * another empty replica only follows because this one does. A peer of another cluster refuses it,
 * and that is the moment of doubt:
 *
 *   refused ──nobody of its cluster is linked──► look around again
 *      └──somebody is──► patience ──no leader of its cluster heard meanwhile──► look around again
 *                            └──content stored, or its leader heard──► loyal
 *
 * A leader that is there speaks to whoever says hello within milliseconds; a cluster without one
 * cannot be joined. Looking around again is a new start of the process: nothing was stored.
 */

import type { Clock, Timer } from '../../shared/clock.ts'

export type AllegianceOptions = {
  readonly clock: Clock
  /** How long a leader may take to be heard, ms. */
  readonly patience_ms: number
  /** It holds content of its cluster, and so belongs to it for good, or belongs to none. */
  readonly settled: () => boolean
  /** A leader of its cluster is known. */
  readonly led: () => boolean
  /** A peer of the same cluster is linked. */
  readonly accompanied: () => boolean
  readonly giveUp: (why: string) => void
}

export class Allegiance {
  readonly #options: AllegianceOptions
  #timer: Timer | undefined
  #stopped = false

  constructor(options: AllegianceOptions) {
    this.#options = options
  }

  /** A peer of another cluster refuses this replica. */
  refused(why: string): void {
    const { clock, patience_ms, settled, led, accompanied, giveUp } = this.#options
    if (this.#stopped || settled() || led()) return
    if (!accompanied()) {
      this.stop()
      giveUp(why)
      return
    }
    this.#timer ??= clock.after(patience_ms, () => {
      this.#timer = undefined
      if (this.#stopped || settled() || led()) return
      this.stop()
      giveUp(`${why}, and its own cluster has no leader`)
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }
}
