/**
 * How a replica leaves for good (DESIGN §7, scale-down): told to stop, it reads its StatefulSet.
 * Where its ordinal is not meant to run any more it does not just stop:
 *
 *   told to stop ──reads──► stays: a restart
 *                   └─────► leaves: says so, votes on ──removed──► out: data condemned
 *                              └── its time is over ──┐             │ nobody else leaves any more,
 *                                                     ▼             ▼ or its time is over
 *                                                   stops ◄─────────┘
 *
 * Scaling 5→1 under `Parallel` stops four at the same instant. All of them vote on, and none stops
 * before the leader has removed the last one that says it leaves. The disk of one that was removed
 * is condemned: should its ordinal come back, the data is set aside and it joins as a new
 * incarnation.
 */

import type { Clock } from '../../shared/clock.ts'
import {
  type Intent,
  intentOf,
  ORCHESTRATOR_TIMEOUT_MS,
  type Orchestrator,
} from './orchestrator.ts'
import type { Stopping } from './ports.ts'

const LOOK_EVERY_MS = 50
/** What is left of the grace for closing the disk. */
const GRACE_LEFT_MS = 5000

export type DepartureOptions = {
  readonly orchestrator: Orchestrator | undefined
  readonly clock: Clock
  readonly ordinal: number
  /** From being told to stop to being killed. */
  readonly grace_ms: number
  /** It votes, or learns, or does not know yet that it was removed. */
  readonly isMember: () => boolean
  /** It knows that its removal is committed. */
  readonly isRemoved: () => boolean
  /** A peer that is linked says that it leaves too. */
  readonly othersLeave: () => boolean
  readonly tell: (stopping: Stopping | undefined) => void
  /** Notes on the disk that its data is to be set aside. */
  readonly condemn: (why: string) => Promise<void>
  /** It was removed, and goes on running all the same: it must start again. */
  readonly startAgain: (why: string) => void
  readonly onLeaving: (why: string) => void
}

export class Departure {
  readonly #options: DepartureOptions
  #told_ms = -1
  #leaving: Promise<string> | undefined
  #cancelled = false
  #out = false
  /** A peer refused it as one that was removed. */
  #refused = false

  constructor(options: DepartureOptions) {
    this.#options = options
  }

  /** It waits to be removed. */
  get active(): boolean {
    return this.#leaving !== undefined
  }

  /** What stopping means now, by the StatefulSet as it is now. Bounded; never rejects. */
  async intent(): Promise<Intent> {
    const { orchestrator, clock, ordinal } = this.#options
    if (this.#told_ms < 0) this.#told_ms = clock.now_ms()
    if (orchestrator === undefined) return { type: 'stays' }
    return intentOf(ordinal, await orchestrator.readTopology(ORCHESTRATOR_TIMEOUT_MS))
  }

  /** SIGTERM: leaves if it is to, and resolves when it may stop. */
  async settle(): Promise<void> {
    const begun = this.#leaving
    if (begun !== undefined) await begun
    else {
      const intent = await this.intent()
      if (intent.type === 'leaves' && this.#options.isMember()) await this.leave(intent.why)
    }
  }

  /** Resolves, with the reason, when it may stop. */
  leave(why: string): Promise<string> {
    if (this.#leaving === undefined) {
      this.#cancelled = false
      this.#options.tell('leaves')
      this.#options.onLeaving(`${why}: waiting to be removed`)
      this.#leaving = this.#untilOut().then((end) => {
        this.#options.onLeaving(end)
        return end
      })
    }
    return this.#leaving
  }

  /** It was asked to stop and is not stopped after all. */
  cancel(): void {
    this.#told_ms = -1
    if (this.#leaving === undefined) return
    this.#cancelled = true
    this.#leaving = undefined
    if (this.#out) this.#options.startAgain('it was removed from the membership')
    else this.#options.tell(undefined)
  }

  /** A peer says that it was removed. */
  refused(): void {
    this.#refused = true
  }

  async #untilOut(): Promise<string> {
    const { clock, grace_ms, isRemoved, othersLeave, tell, condemn } = this.#options
    const until_ms = this.#told_ms + grace_ms - Math.min(GRACE_LEFT_MS, grace_ms / 2)
    for (;;) {
      if (this.#cancelled) return 'it is not stopped after all'
      if (!this.#out && (this.#refused || isRemoved())) {
        this.#out = true
        await condemn('scaled down: it was removed from the membership')
        tell('goes')
      }
      if (this.#out && !othersLeave()) return 'it was removed from the membership'
      if (clock.now_ms() >= until_ms) {
        return this.#out ? 'others are not removed yet' : 'its grace is over; it was not removed'
      }
      await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve))
    }
  }
}
