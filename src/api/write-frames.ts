/**
 * The write frames on their way to replicas. Those to the present leader take up its lanes; those
 * whose leader was lost are abandoned: their writes go elsewhere, in doubt, and a late reply is
 * still welcome.
 */

import { ABANDONED_FRAMES_MAX, WRITE_FRAMES_MAX } from '../shared/limits.ts'
import type { PendingWrite } from './pending-write.ts'
import type { Replica } from './replica-pool.ts'

export type WriteFrame = {
  readonly id: number
  readonly replica: Replica
  /** The term in which the replica led when this left. */
  readonly term: number
  readonly writes: readonly PendingWrite[]
  abandoned: boolean
}

export class WriteFrames {
  readonly #frames = new Map<number, WriteFrame>()
  #lanes = 0

  get hasLane(): boolean {
    return this.#lanes < WRITE_FRAMES_MAX
  }

  add(frame: WriteFrame): void {
    this.#frames.set(frame.id, frame)
    this.#lanes++
  }

  /** The frame that a reply of this replica is for; undefined: forgotten meanwhile. */
  find(id: number, replica: Replica): WriteFrame | undefined {
    const frame = this.#frames.get(id)
    return frame?.replica === replica ? frame : undefined
  }

  finish(frame: WriteFrame): void {
    this.#frames.delete(frame.id)
    if (!frame.abandoned) this.#lanes--
  }

  /** Abandons frames to anyone but this leader in its present term; their writes must go again. */
  abandonOthers(leader: Replica): PendingWrite[] {
    const open: PendingWrite[] = []
    for (const frame of this.#frames.values()) {
      if (frame.abandoned) continue
      if (frame.replica !== leader || frame.term !== leader.status.term) {
        open.push(...this.#abandon(frame))
      }
    }
    for (const frame of this.#frames.values()) {
      if (this.#frames.size - this.#lanes <= ABANDONED_FRAMES_MAX) break
      if (frame.abandoned) this.#frames.delete(frame.id)
    }
    return open
  }

  /** Nothing sent to this replica will be answered any more; their writes must go again. */
  lose(replica: Replica): PendingWrite[] {
    const open: PendingWrite[] = []
    for (const frame of [...this.#frames.values()]) {
      if (frame.replica !== replica) continue
      if (!frame.abandoned) open.push(...this.#abandon(frame))
      this.#frames.delete(frame.id)
    }
    return open
  }

  #abandon(frame: WriteFrame): PendingWrite[] {
    frame.abandoned = true
    this.#lanes--
    const open = frame.writes.filter((write) => !write.settled)
    for (const write of open) {
      write.inFlight = false
      write.doubts++
    }
    return open
  }
}
