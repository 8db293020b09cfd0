/**
 * One link between two replicas, dialed or accepted: hello first, then messages.
 *
 *   opened ──hello accepted──▶ ready ──hello changed──▶ ready
 *     │ hello refused: tell, close        │ refused by the other end, broken: close
 *
 * A message is handed on only when it is between exactly the two identities of this link (DESIGN
 * §7): that makes a recycled address, and a frame left over from an earlier life, harmless.
 */

import { ClusterError } from '../../shared/errors.ts'
import type { Link, LinkIdentity, PeerAddress } from '../../shared/link.ts'
import { type MemberId, type Message, memberId } from '../consensus/types.ts'
import type { Hello } from '../replica/ports.ts'
import { decodeMessage, encodeMessage } from './codec.ts'
import {
  decodeHello,
  decodeRefused,
  encodeHello,
  encodeRefused,
  type Refused,
} from './hello-codec.ts'
import { decodePlaces, encodePlaces } from './places.ts'

const FRAME_HELLO = 1
const FRAME_MESSAGE = 2
const FRAME_REFUSED = 3
const FRAME_PLACES = 4

export type PeerLinkEvents = {
  /** Returns why the peer is refused, if it is. */
  onHello(link: PeerLink, hello: Hello): Refused | undefined
  /** The other end refused this replica. */
  onRefused(link: PeerLink, code: Refused): void
  onMessage(link: PeerLink, message: Message): void
  /** The other end tells where others are. */
  onPlaces(places: readonly PeerAddress[]): void
  onClose(link: PeerLink, reason: Error | undefined): void
}

export type PeerLinkOptions = {
  readonly link: Link
  readonly remote: LinkIdentity
  readonly dialed: boolean
  /** What to say first. */
  readonly hello: Hello
  readonly events: PeerLinkEvents
}

/** A link that knows who is at both of its ends. */
export class PeerLink {
  /** Who is at the other end. */
  readonly member: MemberId
  readonly remote: LinkIdentity
  readonly dialed: boolean
  readonly #self: MemberId
  readonly #link: Link
  readonly #events: PeerLinkEvents
  #ready = false
  #refused: Refused | undefined

  constructor(options: PeerLinkOptions) {
    const { link, remote, hello } = options
    this.remote = remote
    this.member = memberId(remote.ordinal, remote.incarnation)
    this.dialed = options.dialed
    this.#self = memberId(hello.ordinal, hello.incarnation)
    this.#link = link
    this.#events = options.events
    link.onClose = (reason) => this.#events.onClose(this, reason)
    this.announce(hello)
    link.onFrame = (type, body) => this.#receive(type, body)
  }

  /** The other end said hello and was not refused. */
  get ready(): boolean {
    return this.#ready && !this.#link.closed
  }

  /** Why this end ended the link, or the other end refused it. */
  get refused(): Refused | undefined {
    return this.#refused
  }

  announce(hello: Hello): void {
    this.#link.send(FRAME_HELLO, [encodeHello(hello)])
  }

  /** False: dropped, since the queue is full or the link has ended. */
  send(message: Message): boolean {
    return this.#link.send(FRAME_MESSAGE, encodeMessage(message))
  }

  /** Where others are. Best effort, as all of this. */
  tell(places: readonly PeerAddress[]): void {
    if (places.length > 0) this.#link.send(FRAME_PLACES, [encodePlaces(places)])
  }

  close(): void {
    this.#link.close()
  }

  #receive(type: number, body: Buffer): void {
    switch (type) {
      case FRAME_MESSAGE:
        this.#message(body)
        return
      case FRAME_HELLO:
        this.#hello(decodeHello(body))
        return
      case FRAME_PLACES:
        if (this.#ready) this.#events.onPlaces(decodePlaces(body))
        return
      case FRAME_REFUSED:
        this.#refused = decodeRefused(body)
        this.#events.onRefused(this, this.#refused)
        this.close()
        return
      default:
      // A newer version may say more; what is not understood is not needed.
    }
  }

  #hello(hello: Hello): void {
    const { remote } = this
    const same =
      hello.ordinal === remote.ordinal &&
      hello.incarnation === remote.incarnation &&
      hello.clusterName === remote.clusterName
    if (!same) throw new ClusterError('malformed-frame', `${remote.name} changed who it is`)
    const refused = this.#events.onHello(this, hello)
    if (refused === undefined) {
      this.#ready = true
      return
    }
    this.#refused = refused
    this.#link.send(FRAME_REFUSED, [encodeRefused(refused)])
    this.close()
  }

  #message(body: Buffer): void {
    if (!this.#ready) throw new ClusterError('malformed-frame', 'a message before the hello')
    const message = decodeMessage(body)
    if (message.to !== this.#self || message.from !== this.member) return
    this.#events.onMessage(this, message)
  }
}
