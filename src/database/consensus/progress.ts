/**
 * What a leader knows of one member: how far its log is equal, what to send next, and how it does.
 * After etcd's tracker/progress.go.
 *
 *              success, match known          rejected, unreachable
 *    probe ───────────────────────▶ replicate ────────────▶ probe
 *      │ what it needs is compacted       │
 *      └──────────▶ snapshot ◀────────────┘
 *                      │ sent, or it turned out to hold enough
 *                      └──────▶ probe
 *
 * probe: one append at a time; replicate: appends are pipelined, `next` runs ahead of the answers;
 * snapshot: none are sent but heartbeats.
 */

import { INFLIGHT_APPENDS_MAX, INFLIGHT_BYTES_MAX } from '../../shared/limits.ts'
import type { Health, MemberId } from './types.ts'
import { ordinalOf } from './types.ts'

const UNKNOWN_HEALTH: Health = { electable: false, draining: false, diskFull: false }

export class Progress {
  readonly member: MemberId
  readonly ordinal: number
  /** Highest index known equal and synced there. */
  match = 0
  /** The next index to send. */
  next: number
  state: 'probe' | 'replicate' | 'snapshot' = 'probe'
  /** Probe only: an append is on its way, wait for its answer or the next heartbeat. */
  probeSent = false
  /** When the latest answered append was sent, by the leader's clock; -1: none in this term. */
  answered_ms = -1
  /** Its link broke, and nothing was heard since. */
  linkLost = false
  /** Since when it has answered without a gap; -1: it does not. */
  steadySince_ms = -1
  /** Its own clock at its latest answer, echoed to it, and which start of its process that was. */
  replied_ms = -1
  life = 0
  /** When anything was sent to it last, and when a heartbeat was. */
  sent_ms = Number.NEGATIVE_INFINITY
  heartbeat_ms = Number.NEGATIVE_INFINITY
  /** The commit index it has been told. */
  commitSent = 0
  /** No snapshot is offered before this time (the last one failed). */
  snapshotAfter_ms = Number.NEGATIVE_INFINITY
  health: Health = UNKNOWN_HEALTH

  /** Appends on the way, oldest first, as a ring: their last index and their size. */
  readonly #lastIndexes: number[] = []
  readonly #sizes: number[] = []
  #head = 0
  #count = 0
  #bytes = 0

  constructor(member: MemberId, next: number) {
    this.member = member
    this.ordinal = ordinalOf(member)
    this.next = next
  }

  get inflight(): number {
    return this.#count
  }

  /** It answered. A process that has started anew counts its time from another beginning. */
  replied(reply: { life: number; replied_ms: number; sent_ms: number }): void {
    const { life, replied_ms, sent_ms } = reply
    const later = life === this.life ? replied_ms > this.replied_ms : sent_ms > this.answered_ms
    if (!later) return
    this.life = life
    this.replied_ms = replied_ms
  }

  /** No entries may be sent now. */
  get paused(): boolean {
    if (this.state === 'probe') return this.probeSent
    if (this.state === 'snapshot') return true
    return this.#count >= INFLIGHT_APPENDS_MAX || this.#bytes >= INFLIGHT_BYTES_MAX
  }

  becomeProbe(next: number): void {
    this.state = 'probe'
    this.probeSent = false
    this.next = Math.max(next, this.match + 1)
    this.#clear()
  }

  becomeReplicate(): void {
    this.state = 'replicate'
    this.probeSent = false
    this.next = this.match + 1
    this.#clear()
  }

  becomeSnapshot(): void {
    this.state = 'snapshot'
    this.probeSent = false
    this.#clear()
  }

  /** Entries up to `lastIndex` were sent. */
  sentEntries(lastIndex: number, bytes: number): void {
    if (this.state === 'probe') {
      // `next` stays: the answer tells whether what lies before it is equal.
      this.probeSent = true
      return
    }
    this.next = lastIndex + 1
    const at = (this.#head + this.#count) % INFLIGHT_APPENDS_MAX
    this.#lastIndexes[at] = lastIndex
    this.#sizes[at] = bytes
    this.#count += 1
    this.#bytes += bytes
  }

  /** It holds everything up to `match`. */
  acked(match: number): void {
    const probed = this.state === 'probe' && match >= this.next - 1
    if (match > this.match) this.match = match
    if (this.next <= match) this.next = match + 1
    if (probed) this.becomeReplicate()
    while (this.#count > 0 && (this.#lastIndexes[this.#head] as number) <= match) {
      this.#bytes -= this.#sizes[this.#head] as number
      this.#head = (this.#head + 1) % INFLIGHT_APPENDS_MAX
      this.#count -= 1
    }
  }

  /**
   * It rejected an append behind `previousIndex`; `hint` is where its log may be equal. False when
   * the answer is old news.
   */
  rejected(previousIndex: number, hint: number): boolean {
    if (this.state === 'snapshot' || previousIndex <= this.match) return false
    if (this.state === 'replicate') {
      this.becomeProbe(this.match + 1)
      return true
    }
    if (this.next - 1 !== previousIndex) return false
    this.becomeProbe(Math.min(previousIndex, hint + 1))
    return true
  }

  #clear(): void {
    this.#head = 0
    this.#count = 0
    this.#bytes = 0
  }
}
