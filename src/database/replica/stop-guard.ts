/**
 * The guard in front of a stop: a kubelet asks (preStop) before it sends SIGTERM, and the answer is
 * held back while the cluster would lose its quorum by this replica's leaving (DESIGN §7). Under
 * `Parallel` nothing else stands between a rolling update and a lost quorum (CHART, pitfall 14).
 *
 *   asked ──► asks ──may leave, or patience is over──► goes ──SIGTERM──► (drain)
 *              │                                         └──none came──► not stopping
 *              └──whoever asked has gone──► not stopping
 *
 * The StatefulSet says what it is stopped for: where the whole tier stops nobody waits, and a
 * replica that is scaled away waits to be removed instead (departure.ts).
 *
 * Peers are told both stages by the hello. Of those that ask at the same moment the highest ordinal
 * goes first, as in a rolling update; when all voters ask, all go: the cluster is being stopped.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { majority } from '../consensus/quorum.ts'
import { type CoreStatus, memberId, ordinalOf } from '../consensus/types.ts'
import type { Departure } from './departure.ts'
import type { PeerStatus, Stopping } from './ports.ts'

/** Hellos of those that are asked at the same moment have crossed by then. */
export const CROSSING_MS = 300
const LOOK_EVERY_MS = 100
/** Asked by a kubelet, SIGTERM comes at once. */
export const SIGNAL_WITHIN_MS = 10_000
/** What a peer said of its stopping counts for this long after it fell silent. */
export const SAID_FOR_MS = 30_000

/** Another voter, as this replica sees it. */
export type OtherVoter = {
  readonly ordinal: number
  /** Linked; and where this replica leads, answering and caught up. */
  readonly well: boolean
  readonly stopping: Stopping | undefined
}

export type Leave = { readonly may: boolean; readonly why: string }

/** May this voter leave without breaking the quorum that the others need? */
export function mayLeave(ordinal: number, others: readonly OtherVoter[]): Leave {
  const needed = majority(others.length + 1)
  const well = others.filter((other) => other.well)
  if (others.length === 0) return { may: true, why: 'there is no other voter' }
  if (others.every(({ stopping }) => stopping === 'asks' || stopping === 'goes')) {
    return { may: true, why: 'all other voters stop too' }
  }
  if (well.length + 1 < needed) return { may: true, why: 'there is no quorum to keep' }
  // Who asks with a lower ordinal waits until this one is back.
  const stay = well.filter(
    (other) =>
      other.stopping === undefined || (other.stopping === 'asks' && other.ordinal < ordinal),
  )
  if (stay.length >= needed) return { may: true, why: 'the others are a quorum' }
  const missing = others.filter((other) => !stay.includes(other)).map((other) => other.ordinal)
  return { may: false, why: `the others are no quorum without ordinal ${missing.join(', ')}` }
}

/** The other voters; undefined: this replica is no voter. */
export function otherVoters(
  status: CoreStatus,
  peers: readonly PeerStatus[],
  { now_ms, silence_ms }: { now_ms: number; silence_ms: number },
): OtherVoter[] | undefined {
  const voters = status.membership?.voters ?? []
  if (!voters.includes(status.self)) return undefined
  return voters
    .filter((member) => member !== status.self)
    .map((member): OtherVoter => {
      const ordinal = ordinalOf(member)
      const peer = peers.find((each) => each.ordinal === ordinal)
      const hello = peer?.hello
      if (peer === undefined || hello === undefined) {
        return { ordinal, well: false, stopping: undefined }
      }
      const linked = peer.connected && memberId(hello.ordinal, hello.incarnation) === member
      const progress = status.progress.find((each) => each.member === member)
      const follows =
        status.role !== 'leader' ||
        (progress?.state === 'replicate' && progress.answered_ms >= now_ms - silence_ms)
      const said = peer.connected || now_ms - peer.heard_ms <= SAID_FOR_MS
      return { ordinal, well: linked && follows, stopping: said ? hello.stopping : undefined }
    })
}

export type StopGuardOptions = {
  readonly clock: Clock
  readonly ordinal: number
  /** At this moment; undefined: this replica is no voter. */
  readonly others: () => readonly OtherVoter[] | undefined
  /** Tells the peers; undefined: not stopping. */
  readonly tell: (stopping: Stopping | undefined) => void
  /** SIGTERM has come. */
  readonly draining: () => boolean
  /** What it is stopped for, and how it leaves for good. */
  readonly departure: Pick<Departure, 'intent' | 'leave' | 'cancel'>
  /** Longest time an answer is held back. */
  readonly hold_ms: number
}

/** Holds answers back; one at a time is decided on, whoever else asks gets the same. */
export class StopGuard {
  readonly #options: StopGuardOptions
  readonly #asking = new Set<AbortSignal>()
  #deciding: Promise<string> | undefined
  #signal: Timer | undefined

  constructor(options: StopGuardOptions) {
    this.#options = options
  }

  /** Resolves to why this replica may stop now, or as soon as `gone` says that nobody waits. */
  async released(gone: AbortSignal): Promise<string> {
    this.#asking.add(gone)
    this.#deciding ??= this.#decide().finally(() => {
      this.#deciding = undefined
    })
    try {
      return await this.#deciding
    } finally {
      this.#asking.delete(gone)
    }
  }

  async #decide(): Promise<string> {
    const { clock, others, tell, hold_ms, departure } = this.#options
    const until_ms = clock.now_ms() + hold_ms
    const first = this.#look()
    if (first.may && (others()?.length ?? 0) === 0) return first.why
    this.#signal?.cancel()
    tell('asks')
    const [purpose] = await Promise.all([
      departure.intent(),
      this.#pause(Math.min(CROSSING_MS, hold_ms)),
    ])
    if (purpose.type === 'leaves') return await this.#leave(purpose.why, until_ms)
    let leave: Leave = purpose.type === 'ends' ? { may: true, why: purpose.why } : this.#look()
    while (!leave.may && clock.now_ms() < until_ms && !this.#abandoned()) {
      await this.#pause(LOOK_EVERY_MS)
      leave = this.#look()
    }
    const stay = () => {
      departure.cancel()
      tell(undefined)
    }
    if (this.#abandoned()) {
      stay()
      return 'nobody waits any more'
    }
    tell('goes')
    this.#awaitSignal(stay)
    return leave.may ? leave.why : `held for ${hold_ms} ms; ${leave.why}`
  }

  /** Scaled away: it goes on voting until it was removed. */
  async #leave(why: string, until_ms: number): Promise<string> {
    const { clock, departure, hold_ms } = this.#options
    let end: string | undefined
    void departure.leave(why).then((reason) => {
      end = reason
    })
    while (end === undefined && clock.now_ms() < until_ms && !this.#abandoned()) {
      await this.#pause(LOOK_EVERY_MS)
    }
    if (this.#abandoned()) {
      departure.cancel()
      return 'nobody waits any more'
    }
    this.#awaitSignal(() => departure.cancel())
    return end ?? `held for ${hold_ms} ms; it is not removed yet`
  }

  #awaitSignal(otherwise: () => void): void {
    this.#signal = this.#options.clock.after(SIGNAL_WITHIN_MS, () => {
      // Asked by somebody else than a kubelet: it stays, and the others may count on it again.
      if (!this.#options.draining()) otherwise()
    })
  }

  #abandoned(): boolean {
    return [...this.#asking].every((gone) => gone.aborted)
  }

  #look(): Leave {
    const { ordinal, others, draining } = this.#options
    if (draining()) return { may: true, why: 'it is stopping' }
    const voters = others()
    return voters === undefined ? { may: true, why: 'it is no voter' } : mayLeave(ordinal, voters)
  }

  #pause(delay_ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(delay_ms, resolve))
  }
}
