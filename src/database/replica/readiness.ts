/**
 * Is this replica alive, and may the read Service send clients here? (DESIGN §9)
 *
 * Ready: it was caught up with a leader that it heard within the last READY_FOR_MS, so that a
 * change of leader makes nobody unready. In the ordered mode: or whoever has a name was heard,
 * since a replica that waits for a quorum would wait for Pods that nobody makes. Live: a batch on
 * its way to the disk makes progress; the event loop is shown to move by the answer itself. Never
 * the quorum: restarting a replica does not bring others back.
 */

import type { Clock } from '../../shared/clock.ts'
import { NAMES_WITHIN_MS } from './forming.ts'
import type { Replica } from './replica.ts'

/** Without a leader for this long a replica stops taking reads from the Service. */
export const READY_FOR_MS = 30_000
/** Without progress for this long a replica is to be restarted. */
export const LIVE_FOR_MS = 60_000

export class Readiness {
  readonly #replica: Replica
  readonly #clock: Clock
  #caughtUp_ms = -1
  #batches = -1
  #progress_ms: number
  readonly #since_ms: number

  constructor(replica: Replica, clock: Clock) {
    this.#replica = replica
    this.#clock = clock
    this.#progress_ms = clock.now_ms()
    this.#since_ms = clock.now_ms()
  }

  /** Looks at the replica; called by the probes and a few times a second. */
  observe(): void {
    const now_ms = this.#clock.now_ms()
    const loop = this.#replica.loop
    if (loop === undefined) {
      this.#progress_ms = now_ms
      return
    }
    if (loop.writer.batches !== this.#batches || !loop.writer.busy) {
      this.#batches = loop.writer.batches
      this.#progress_ms = now_ms
    }
    const status = loop.status()
    if (status.leader === undefined || !status.membership?.opened) return
    const leads = status.role === 'leader' && status.committedInTerm
    const follows = status.freshAt_ms >= 0 && status.term > 0 && status.role === 'follower'
    if ((leads || follows) && loop.applied >= status.commit) this.#caughtUp_ms = now_ms
  }

  /** Why the read Service should send nobody here; undefined: it may. */
  notReady(): string | undefined {
    this.observe()
    if (this.#replica.draining) return 'this replica is stopping'
    const why = this.#notCaughtUp()
    return why !== undefined && this.#replica.ordered ? this.#notInOrder() : why
  }

  /** In the ordered mode nothing makes the next Pod before this one is ready (DESIGN §9). */
  #notInOrder(): string | undefined {
    const { unheard } = this.#replica
    if (unheard.length > 0) return `replica ${unheard.join(', ')} was not heard yet`
    const known = this.#clock.now_ms() - this.#since_ms >= NAMES_WITHIN_MS
    return known ? undefined : 'looking for other replicas'
  }

  #notCaughtUp(): string | undefined {
    const waiting = this.#replica.waiting
    if (waiting !== undefined) return waiting
    if (this.#caughtUp_ms < 0) return `not caught up with a leader yet${this.#missing()}`
    const silent_ms = this.#clock.now_ms() - this.#caughtUp_ms
    if (silent_ms <= READY_FOR_MS) return undefined
    return `no leader heard for ${Math.round(silent_ms / 1000)} s${this.#missing()}`
  }

  /** Why this process should be restarted; undefined: it is well. */
  notLive(): string | undefined {
    this.observe()
    const stuck_ms = this.#clock.now_ms() - this.#progress_ms
    if (stuck_ms <= LIVE_FOR_MS) return undefined
    return `a write has been on its way to the disk for ${Math.round(stuck_ms / 1000)} s`
  }

  #missing(): string {
    const missing = this.#replica.views.missing()
    return missing.length === 0 ? '' : `; not reached: ${missing.join(', ')}`
  }
}
