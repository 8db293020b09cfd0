/**
 * One other ordinal: the task that keeps an own dialed link to it up, and the links it dialed here.
 *
 *   waiting ──timer, or a sign of life──▶ dialing ──answered──▶ linked ──broke──▶ waiting
 *                                            └──failed──▶ waiting (longer)
 *
 * Names are looked up again at each dial; the address that the peer's last hello carried is tried
 * as well, and first of all what another peer told since, so that one working direction is enough
 * while DNS lags (DESIGN §7). Messages leave by the own link, else by an accepted one; always by a
 * link to exactly the member they are for.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { DIAL_RETRY_MS_MAX, DIAL_RETRY_MS_MIN } from '../../shared/limits.ts'
import type { Dialer, Link, LinkIdentity, PeerAddress } from '../../shared/link.ts'
import type { MemberId } from '../consensus/types.ts'
import type { Hello, PeerStatus } from '../replica/ports.ts'
import type { PeerLink } from './peer-link.ts'
import { placeAt, samePlace } from './places.ts'

export type PeerContext = {
  readonly clock: Clock
  readonly random: () => number
  readonly dialer: Dialer
  /** Where discovery sees an ordinal now; undefined: it does not, or cannot be asked. */
  locate(ordinal: number): Promise<PeerAddress | undefined>
  /** Starts speaking on a dialed link. */
  open(link: Link, remote: LinkIdentity): PeerLink
  /** A dial was refused by the peer. */
  onRefused(ordinal: number, error: ClusterError): void
  /** The link that messages for this member took has ended. */
  onUnreachable(member: MemberId): void
}

/** A dial and its links for one ordinal. */
export class Peer {
  readonly ordinal: number
  readonly #context: PeerContext
  /** The last hello heard, on any link. */
  #hello: Hello | undefined
  #heard_ms = -1
  #address: PeerAddress | undefined
  /** What another peer told, until it was tried. */
  #told: PeerAddress | undefined
  #problem: string | undefined
  #dialed: PeerLink | undefined
  readonly #accepted = new Map<MemberId, PeerLink>()
  #state: 'waiting' | 'dialing' | 'linked' | 'closed' = 'waiting'
  #failures = 0
  #timer: Timer | undefined

  constructor(ordinal: number, context: PeerContext) {
    this.ordinal = ordinal
    this.#context = context
    this.#wait(0)
  }

  /** Any link to this ordinal. */
  get linked(): boolean {
    return this.#dialed !== undefined || this.#accepted.size > 0
  }

  get heard_ms(): number {
    return this.#heard_ms
  }

  get hello(): Hello | undefined {
    return this.#hello
  }

  status(): PeerStatus {
    return {
      ordinal: this.ordinal,
      address: this.#address,
      connected: this.#dialed?.ready ?? false,
      hello: this.#hello,
      heard_ms: this.#heard_ms,
      problem: this.#problem,
    }
  }

  /** Where it is, by its own word on a link that works. */
  get place(): PeerAddress | undefined {
    const hello = this.#hello
    return this.links().some((link) => link.ready) ? placeOf(hello) : undefined
  }

  /** Another peer says where it is. */
  told(place: PeerAddress): void {
    if (this.#dialed !== undefined || samePlace(place, this.#told)) return
    this.#told = place
    this.hurry()
  }

  /** The link that messages for this member take now. */
  route(member: MemberId): PeerLink | undefined {
    const dialed = this.#dialed
    if (dialed?.ready && dialed.member === member) return dialed
    const accepted = this.#accepted.get(member)
    return accepted?.ready ? accepted : undefined
  }

  links(): PeerLink[] {
    return [...(this.#dialed === undefined ? [] : [this.#dialed]), ...this.#accepted.values()]
  }

  /** Addresses to try, the likeliest first. */
  async addresses(): Promise<PeerAddress[]> {
    const { ordinal } = this
    const located = await this.#context.locate(ordinal)
    const name = located?.name ?? this.#address?.name
    const seen = new Map<string, PeerAddress>()
    for (const address of [this.#told, located, placeOf(this.#hello), this.#address]) {
      if (address === undefined) continue
      // An address proves nothing: whatever led to it, the name to be shown there is the same.
      seen.set(
        `${address.host} ${address.port}`,
        name === undefined ? address : { ...address, name },
      )
    }
    return [...seen.values()]
  }

  /** A link that this ordinal dialed. It takes the place of an older one from the same member. */
  accept(link: PeerLink): void {
    const older = this.#accepted.get(link.member)
    this.#accepted.set(link.member, link)
    older?.close()
  }

  heard(hello?: Hello): void {
    this.#heard_ms = this.#context.clock.now_ms()
    if (hello !== undefined) this.#hello = hello
  }

  /** A sign that the peer is there: do not wait any longer. */
  hurry(): void {
    if (this.#state !== 'waiting') return
    this.#failures = Math.min(this.#failures, 1)
    this.#wait(0)
  }

  /** A link of this peer ended. */
  ended(link: PeerLink, reason: Error | undefined): void {
    const { member } = link
    if (this.#state === 'closed') return
    if (this.#dialed === link) {
      this.#dialed = undefined
      const why = link.refused ?? reason?.message ?? 'the other end closed it'
      this.#problem = `the link broke: ${why}`
      if (link.refused !== undefined) this.#failures = Number.POSITIVE_INFINITY
      this.#state = 'waiting'
      this.#wait(this.#pause_ms())
      this.#context.onUnreachable(member)
    } else if (this.#accepted.get(member) === link) {
      this.#accepted.delete(member)
      if (this.route(member) === undefined) this.#context.onUnreachable(member)
    }
  }

  close(): void {
    this.#state = 'closed'
    this.#timer?.cancel()
    for (const link of this.links()) link.close()
  }

  #wait(delay_ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#context.clock.after(delay_ms, () => void this.#dial())
  }

  /** Quick at first, then doubling, with half of it random so that peers do not move in step. */
  #pause_ms(): number {
    const doubled = DIAL_RETRY_MS_MIN * 2 ** Math.min(this.#failures, 16)
    const pause_ms = Math.min(DIAL_RETRY_MS_MAX, doubled)
    this.#failures += 1
    return pause_ms / 2 + (pause_ms / 2) * this.#context.random()
  }

  async #dial(): Promise<void> {
    this.#state = 'dialing'
    let tried = false
    for (const address of await this.addresses()) {
      if (this.#ended()) return
      tried = true
      try {
        const { link, remote } = await this.#context.dialer.dial(address)
        this.#linked(address, link, remote)
        return
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error
        this.#failed(error)
        if (samePlace(address, this.#told)) this.#told = undefined
      }
    }
    if (this.#ended()) return
    if (!tried) this.#problem = 'discovery does not know its address'
    this.#state = 'waiting'
    this.#wait(this.#pause_ms())
  }

  /** A function, since closing happens while a dial is awaited. */
  #ended(): boolean {
    return this.#state === 'closed'
  }

  #linked(address: PeerAddress, link: Link, remote: LinkIdentity): void {
    if (this.#ended()) {
      link.onClose = () => undefined
      link.close()
      return
    }
    this.#state = 'linked'
    this.#problem = undefined
    this.#address = address
    this.#told = undefined
    this.#dialed = this.#context.open(link, remote)
  }

  #failed(error: ClusterError): void {
    if (this.#ended()) return
    this.#problem = error.message
    if (error.code === 'no-replica' || error.code === 'wrong-replica') return
    // A refusal does not go away within milliseconds.
    if (error.code !== 'shutting-down') this.#failures = Number.POSITIVE_INFINITY
    this.#context.onRefused(this.ordinal, error)
  }

  /** A link that works: the next break is retried quickly again. */
  settled(): void {
    this.#failures = 0
  }
}

/** The address that a hello carries, if it is one that needs no lookup. */
function placeOf(hello: Hello | undefined): PeerAddress | undefined {
  return hello === undefined ? undefined : placeAt(hello.ordinal, hello.address)
}
