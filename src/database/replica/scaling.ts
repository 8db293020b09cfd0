/**
 * Tells consensus who is meant to run (DESIGN §7): all replicas the range of ordinals as it was
 * last read, a leader also who leaves. From that the membership follows, one change at a time
 * (consensus/membership-policy.ts).
 *
 * The StatefulSet is read anew only while there is a reason: a member says that it leaves, or
 * stands outside the range. Nobody is removed by what was read before that. A member that says it
 * leaves has read the StatefulSet itself, so its word counts where the leader cannot read it.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { membersOf } from '../consensus/membership.ts'
import {
  type CoreStatus,
  isOutside,
  type MemberId,
  memberId,
  NO_SCALE,
  ordinalOf,
  type Scale,
} from '../consensus/types.ts'
import { ORCHESTRATOR_TIMEOUT_MS, type Orchestrator, rangeOf } from './orchestrator.ts'
import type { PeerStatus, Stopping } from './ports.ts'
import { SAID_FOR_MS } from './stop-guard.ts'

const LOOK_EVERY_MS = 100
/** The StatefulSet is read at most this often. */
const READ_EVERY_MS = 1000
/** What was read counts as read just now for this long. */
export const CONFIRMED_FOR_MS = 5000

export type ScalingOptions = {
  readonly orchestrator: Orchestrator
  readonly clock: Clock
  readonly status: () => CoreStatus
  readonly peers: () => readonly PeerStatus[]
  /** What this replica itself says. */
  readonly stopping: () => Stopping | undefined
  readonly tell: (scale: Scale) => void
}

/** The last reading of the StatefulSet for a reason. */
export type Reading = { readonly range: Scale['range']; readonly failed: boolean }

export class Scaling {
  readonly #options: ScalingOptions
  #told = JSON.stringify(NO_SCALE)
  #reading = false
  #read: (Reading & { readonly at_ms: number }) | undefined
  /** When the last reading began. */
  #asked_ms = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #closed = false

  constructor(options: ScalingOptions) {
    this.#options = options
  }

  start(): void {
    const tick = () => {
      if (this.#closed) return
      this.#timer = this.#options.clock.after(LOOK_EVERY_MS, tick)
      this.#look()
    }
    tick()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #look(): void {
    const { orchestrator, clock, status, peers, stopping, tell } = this.#options
    const now_ms = clock.now_ms()
    const known = rangeOf(orchestrator.topology)
    const now = status()
    const leaving = saysLeaves(now, peers(), { now_ms, stopping: stopping() })
    if (now.role === 'leader' && hasReason(now, known, leaving)) this.#readAgain(now_ms)
    const fresh = this.#read !== undefined && now_ms - this.#read.at_ms <= CONFIRMED_FOR_MS
    const scale = scaleOf({ known, leaving, reading: fresh ? this.#read : undefined })
    const text = JSON.stringify(scale)
    if (text === this.#told) return
    this.#told = text
    tell(scale)
  }

  #readAgain(now_ms: number): void {
    const { orchestrator, clock } = this.#options
    if (this.#reading || now_ms - this.#asked_ms < READ_EVERY_MS) return
    this.#reading = true
    this.#asked_ms = now_ms
    void orchestrator.readTopology(ORCHESTRATOR_TIMEOUT_MS).then((topology) => {
      this.#reading = false
      if (this.#closed) return
      const failed = topology === undefined
      this.#read = { range: rangeOf(topology), failed, at_ms: clock.now_ms() }
      this.#look()
    })
  }
}

/** Members that say that they leave, this replica included. */
export function saysLeaves(
  { self, membership }: CoreStatus,
  peers: readonly PeerStatus[],
  { now_ms, stopping }: { now_ms: number; stopping: Stopping | undefined },
): MemberId[] {
  const members = membersOf(membership)
  return members.filter((member) => {
    if (member === self) return stopping === 'leaves'
    const peer = peers.find((each) => each.ordinal === ordinalOf(member))
    if (peer?.hello?.stopping !== 'leaves') return false
    if (memberId(peer.ordinal, peer.hello.incarnation) !== member) return false
    return peer.connected || now_ms - peer.heard_ms <= SAID_FOR_MS
  })
}

function hasReason(
  { membership }: CoreStatus,
  range: Scale['range'],
  leaving: readonly MemberId[],
): boolean {
  if (leaving.length > 0) return true
  const members = membersOf(membership)
  return members.some((member) => isOutside({ ...NO_SCALE, range }, member))
}

/** What consensus is told. `reading`: the StatefulSet was read just now for a reason. */
export function scaleOf(view: {
  readonly known: Scale['range']
  readonly leaving: readonly MemberId[]
  readonly reading: Reading | undefined
}): Scale {
  const { known, leaving, reading } = view
  if (reading === undefined) return { range: known, confirmed: false, leaving: [] }
  if (reading.failed) return { range: known, confirmed: false, leaving }
  const range = reading.range
  const outside = leaving.filter((member) => isOutside({ ...NO_SCALE, range }, member))
  return { range, confirmed: range !== undefined, leaving: outside }
}
