/**
 * The replicas' transport: one `Peer` for each ordinal that discovery names or that says hello, the
 * peer port, and snapshots. It implements `Transport` of `replica/ports.ts`.
 *
 * It promises little, as the core expects: messages may be lost (a full queue, a broken link),
 * never delivered to another incarnation than they were for, and in order on one link. Whenever
 * messages to a member may have been lost, `onUnreachable` says so.
 */

import { assert } from '../../shared/assert.ts'
import { type Clock, systemClock } from '../../shared/clock.ts'
import type { ClusterError, ErrorCode } from '../../shared/errors.ts'
import { PEER_FORGET_MS, PEERS_MAX } from '../../shared/limits.ts'
import type { Discovery, Link, LinkIdentity, PeerAddress } from '../../shared/link.ts'
import { Seldom } from '../../shared/seldom.ts'
import { type MemberId, type Message, ordinalOf } from '../consensus/types.ts'
import type {
  Hello,
  PeerStatus,
  RefusalCode,
  SnapshotSource,
  Transport,
  TransportHandlers,
} from '../replica/ports.ts'
import type { Refused } from './hello-codec.ts'
import type { PeerLog } from './log.ts'
import { Lookout } from './lookout.ts'
import { Peer, type PeerContext } from './peer.ts'
import { PeerLink, type PeerLinkEvents } from './peer-link.ts'
import type { PeerTls } from './peer-tls.ts'
import { placeAt, samePlace } from './places.ts'
import type { PeerSecret } from './secret.ts'
import type { SnapshotLimits } from './snapshot-stream.ts'
import { SnapshotTraffic } from './snapshot-traffic.ts'
import { createHttpWire, type PeerWire } from './wire.ts'

/** Lets a message pass, or drops it: the seam for the fault "isolate". */
export type MessageFilter = (direction: 'in' | 'out', ordinal: number) => boolean

export type PeerTransportOptions = {
  /** The own name, `db-0`, for people. */
  readonly name: string
  /** Where the peer port listens; port 0: any. */
  readonly host: string
  readonly port: number
  readonly discovery: Discovery
  readonly secret: PeerSecret
  /** undefined: plain connections. */
  readonly tls?: PeerTls | undefined
  readonly clock?: Clock
  readonly random?: () => number
  readonly log?: PeerLog
  readonly dialTimeout_ms?: number
  readonly snapshots?: SnapshotLimits
  /** Another wire than HTTP: a simulated network. */
  readonly wire?: (identity: () => LinkIdentity) => PeerWire
  /** How to run something after the work at hand; setImmediate unless said otherwise. */
  readonly defer?: (run: () => void) => void
}

const REFUSALS = ['wrong-cluster', 'removed-replica', 'unauthorized', 'tls-refused'] as const

function isRefusal(code: ErrorCode): code is RefusalCode {
  return REFUSALS.some((refusal) => refusal === code)
}

/** The transport of one replica: `listen`, `start`, `close`. */
export class PeerTransport implements Transport {
  readonly #options: PeerTransportOptions
  readonly #clock: Clock
  readonly #wire: PeerWire
  readonly #lookout: Lookout
  readonly #context: PeerContext
  readonly #events: PeerLinkEvents
  readonly #peers = new Map<number, Peer>()
  readonly #snapshots: SnapshotTraffic
  readonly #lost = new Set<MemberId>()
  readonly #seldom: Seldom
  #bound: { host: string; port: number } | undefined
  #hello: Hello | undefined
  #handlers: TransportHandlers | undefined
  #filter: MessageFilter | undefined
  #closed = false

  constructor(options: PeerTransportOptions) {
    this.#options = options
    const clock = options.clock ?? systemClock
    const identity = () => this.#identity()
    this.#clock = clock
    this.#seldom = new Seldom(clock)
    this.#wire = options.wire?.(identity) ?? createHttpWire({ ...options, clock, identity })
    this.#snapshots = new SnapshotTraffic({
      wire: this.#wire,
      identity,
      addresses: async (ordinal) => (await this.#peers.get(ordinal)?.addresses()) ?? [],
      open: (direction, ordinal) => this.#filter?.(direction, ordinal) !== false,
      onSnapshot: (incoming) => this.#handlersNow().onSnapshot(incoming),
    })
    this.#lookout = new Lookout({
      discovery: options.discovery,
      clock,
      onFound: (ordinals) => this.#found(ordinals),
      ...(options.log === undefined ? {} : { log: options.log }),
    })
    this.#events = {
      onHello: (link, hello) => this.#heardHello(link, hello),
      onRefused: (link, code) => this.#refused(link.remote.ordinal, code),
      onMessage: (link, message) => this.#deliver(link, message),
      onPlaces: (places) => this.#heardPlaces(places),
      onClose: (link, reason) => this.#peers.get(link.remote.ordinal)?.ended(link, reason),
    }
    this.#context = {
      clock,
      random: options.random ?? Math.random,
      dialer: this.#wire,
      locate: (ordinal) => this.#lookout.locate(ordinal),
      open: (link, remote) => this.#open(link, remote, true),
      onRefused: (ordinal, error) => this.#dialRefused(ordinal, error),
      onUnreachable: (member) => this.#handlers?.onUnreachable(member),
    }
  }

  /** Opens the peer port, so that its number is known before `start`. Rejects: `port-in-use`. */
  async listen(): Promise<{ host: string; port: number }> {
    this.#bound ??= await this.#wire.listen()
    return this.#bound
  }

  /** Opens the peer port if `listen` did not, and starts to look for peers. */
  async start(hello: Hello, handlers: TransportHandlers): Promise<void> {
    assert(this.#handlers === undefined && !this.#closed, 'a transport starts once')
    this.#hello = hello
    await this.listen()
    this.#handlers = handlers
    this.#wire.serve({
      identity: () => this.#identity(),
      onLink: (link, remote) => this.#accept(link, remote),
      onSnapshot: (read, remote) => this.#snapshots.receive(read, remote),
    })
    this.#lookout.start()
  }

  announce(hello: Hello): void {
    const before = this.#helloNow()
    const same = hello.ordinal === before.ordinal && hello.incarnation === before.incarnation
    assert(same, 'a transport keeps its identity')
    this.#hello = hello
    for (const peer of this.#peers.values()) {
      for (const link of peer.links()) link.announce(hello)
      peer.hurry()
    }
  }

  send(message: Message): void {
    const ordinal = ordinalOf(message.to)
    if (this.#filter?.('out', ordinal) === false) return
    const link = this.#peers.get(ordinal)?.route(message.to)
    if (link !== undefined && !link.send(message)) this.#loseLater(message.to)
  }

  sendSnapshot(
    to: MemberId,
    options: { from: MemberId; term: number; source: SnapshotSource },
  ): Promise<void> {
    return this.#snapshots.send(to, options)
  }

  peers(): readonly PeerStatus[] {
    const peers = [...this.#peers.values()].sort((a, b) => a.ordinal - b.ordinal)
    return peers.map((peer) => peer.status())
  }

  /** Drops what the filter says, from now on; undefined: nothing. */
  setFilter(filter: MessageFilter | undefined): void {
    this.#filter = filter
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#lookout.close()
    this.#snapshots.close()
    for (const peer of this.#peers.values()) peer.close()
    await this.#wire.close()
  }

  #helloNow(): Hello {
    assert(this.#hello !== undefined, 'the transport was not started')
    return this.#hello
  }

  #identity(): LinkIdentity {
    const { clusterName, clusterId, ordinal, incarnation } = this.#helloNow()
    const { name } = this.#options
    return { role: 'replica', name, clusterName, clusterId, ordinal, incarnation }
  }

  #handlersNow(): TransportHandlers {
    assert(this.#handlers !== undefined, 'the transport was not started')
    return this.#handlers
  }

  // Links -----------------------------------------------------------------------------------------

  #found(ordinals: ReadonlySet<number>): void {
    for (const ordinal of ordinals) this.#peer(ordinal)
    const now_ms = this.#clock.now_ms()
    for (const [ordinal, peer] of this.#peers) {
      const silent_ms = now_ms - peer.heard_ms
      if (ordinals.has(ordinal) || peer.linked || silent_ms < PEER_FORGET_MS) continue
      peer.close()
      this.#peers.delete(ordinal)
    }
  }

  #peer(ordinal: number): Peer | undefined {
    const known = this.#peers.get(ordinal)
    if (known !== undefined || ordinal === this.#helloNow().ordinal) return known
    if (this.#peers.size >= PEERS_MAX || this.#closed) return undefined
    const peer = new Peer(ordinal, this.#context)
    this.#peers.set(ordinal, peer)
    return peer
  }

  #open(link: Link, remote: LinkIdentity, dialed: boolean): PeerLink {
    return new PeerLink({ link, remote, dialed, hello: this.#helloNow(), events: this.#events })
  }

  #accept(link: Link, remote: LinkIdentity): void {
    if (remote.role === 'api') {
      this.#handlersNow().onApiLink(link, remote.name)
      return
    }
    const peer = this.#peer(remote.ordinal)
    if (peer === undefined) {
      link.onClose = () => undefined
      link.close()
      return
    }
    peer.accept(this.#open(link, remote, false))
  }

  #heardHello(link: PeerLink, hello: Hello): Refused | undefined {
    if (this.#closed) return undefined
    const peer = this.#peers.get(hello.ordinal)
    const { clusterId } = this.#helloNow()
    const foreign = clusterId !== '' && hello.clusterId !== '' && hello.clusterId !== clusterId
    const refused = foreign ? 'wrong-cluster' : this.#handlersNow().onHello(hello)
    const before = peer?.place
    peer?.heard(hello)
    if (refused !== undefined) return refused
    if (peer !== undefined) this.#tellPlaces(link, hello, before)
    if (link.dialed) peer?.settled()
    else peer?.hurry()
    return undefined
  }

  /** Tells who came where the others are, and the others where it is, if that is news. */
  #tellPlaces(link: PeerLink, { ordinal, address }: Hello, before: PeerAddress | undefined): void {
    const place = placeAt(ordinal, address)
    if (before !== undefined && samePlace(place, before)) return
    const others = [...this.#peers.values()].filter((peer) => peer.ordinal !== ordinal)
    link.tell(others.flatMap((peer) => peer.place ?? []))
    if (place === undefined) return
    for (const peer of others)
      peer
        .links()
        .find(({ ready }) => ready)
        ?.tell([place])
  }

  #heardPlaces(places: readonly PeerAddress[]): void {
    for (const place of places) this.#peer(place.ordinal)?.told(place)
  }

  #refused(ordinal: number, code: Refused): void {
    if (this.#closed) return
    if (this.#seldom.due(`${ordinal} ${code}`)) {
      this.#options.log?.warn({ ordinal, code }, 'refused by a peer')
    }
    this.#handlersNow().onRefused(this.#peers.get(ordinal)?.hello, code)
  }

  #dialRefused(ordinal: number, error: ClusterError): void {
    const { code } = error
    if (!isRefusal(code)) return
    if (this.#seldom.due(`${ordinal} ${error.message}`)) {
      this.#options.log?.warn({ ordinal, code, err: error }, 'refused by a peer')
    }
    this.#handlersNow().onRefused(this.#peers.get(ordinal)?.hello, code)
  }

  #deliver(link: PeerLink, message: Message): void {
    const { ordinal } = link.remote
    if (this.#closed || this.#filter?.('in', ordinal) === false) return
    this.#peers.get(ordinal)?.heard()
    this.#handlersNow().onMessage(message)
  }

  /** Said after the caller is done, and once for all that was dropped meanwhile. */
  #loseLater(member: MemberId): void {
    if (this.#lost.has(member)) return
    this.#lost.add(member)
    const defer = this.#options.defer ?? ((run: () => void) => void setImmediate(run))
    defer(() => {
      this.#lost.delete(member)
      if (!this.#closed) this.#handlers?.onUnreachable(member)
    })
  }
}
