/**
 * A network that may be cut or slow: stands in front of the true transport. Cut links stay up, only
 * nothing passes (the transport's own filter drops the messages); a slow one keeps the order of the
 * messages of each link and direction. It also hands the links of API servers to the liar.
 *
 *   core ──send──► [delay out] ──► transport [filter] ──► peer
 *   core ◄──────── [delay in]  ◄── transport [filter] ◄── peer
 */

import type { Clock } from '../../shared/clock.ts'
import { LINK_QUEUE_BYTES_MAX } from '../../shared/limits.ts'
import type { Link } from '../../shared/link.ts'
import { type MemberId, type Message, ordinalOf } from '../consensus/types.ts'
import type {
  Hello,
  PeerStatus,
  SnapshotSource,
  Transport,
  TransportHandlers,
} from '../replica/ports.ts'
import { DelayLine } from './delay-line.ts'
import type { FaultBoard } from './fault-board.ts'
import type { Direction, Peers } from './fault-kinds.ts'

/** A transport that can drop messages: `false` drops. */
export interface FilteredTransport extends Transport {
  setFilter(filter: ((direction: 'in' | 'out', ordinal: number) => boolean) | undefined): void
}

export type FaultyTransportOptions = {
  readonly board: FaultBoard
  readonly clock: Clock
  readonly random: () => number
  /** What stands between an API server and this replica. */
  readonly wrapLink: (link: Link) => Link
}

/** A message without entries, about, with what is kept of it. */
const MESSAGE_BYTES = 256

export class FaultyTransport implements Transport {
  readonly #inner: FilteredTransport
  readonly #options: FaultyTransportOptions
  readonly #lines = new Map<string, DelayLine>()
  #handlers: TransportHandlers | undefined

  constructor(inner: FilteredTransport, options: FaultyTransportOptions) {
    this.#inner = inner
    this.#options = options
    options.board.watch('isolate', () => this.#isolate())
    options.board.watch('slow-network', () => {
      if (options.board.active('slow-network') !== undefined) return
      for (const line of this.#lines.values()) line.flush()
      this.#lines.clear()
    })
  }

  start(hello: Hello, handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers
    return this.#inner.start(hello, {
      onHello: (hello) => handlers.onHello(hello),
      onRefused: (by, code) => handlers.onRefused(by, code),
      onMessage: (message) => this.#receive(message, handlers),
      onSnapshot: (snapshot) => handlers.onSnapshot(snapshot),
      onUnreachable: (member) => handlers.onUnreachable(member),
      onApiLink: (link, name) => handlers.onApiLink(this.#options.wrapLink(link), name),
    })
  }

  announce(hello: Hello): void {
    this.#inner.announce(hello)
  }

  send(message: Message): void {
    const ordinal = ordinalOf(message.to)
    const delay_ms = this.#delay('out', ordinal)
    if (delay_ms === undefined) {
      this.#inner.send(message)
      return
    }
    const line = this.#line(`out ${ordinal}`)
    if (line.push(delay_ms, sizeOf(message), () => this.#inner.send(message))) return
    // Said after the caller is done.
    setImmediate(() => this.#handlers?.onUnreachable(message.to))
  }

  #receive(message: Message, handlers: TransportHandlers): void {
    const ordinal = ordinalOf(message.from)
    const delay_ms = this.#delay('in', ordinal)
    if (delay_ms === undefined) handlers.onMessage(message)
    else {
      const deliver = () => handlers.onMessage(message)
      this.#line(`in ${ordinal}`).push(delay_ms, sizeOf(message), deliver)
    }
  }

  sendSnapshot(
    to: MemberId,
    options: { from: MemberId; term: number; source: SnapshotSource },
  ): Promise<void> {
    const source = this.#slowed(options.source, ordinalOf(to))
    return this.#inner.sendSnapshot(to, { ...options, source })
  }

  /** Who is cut off is not connected, for those who ask. */
  peers(): readonly PeerStatus[] {
    const isolate = this.#options.board.active('isolate')
    const peers = this.#inner.peers()
    if (isolate === undefined || isolate.direction === 'out') return peers
    return peers.map((peer) =>
      concerns(isolate.peers, peer.ordinal)
        ? { ...peer, connected: false, problem: 'cut off by the fault isolate' }
        : peer,
    )
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #isolate(): void {
    const fault = this.#options.board.active('isolate')
    this.#inner.setFilter(
      fault === undefined
        ? undefined
        : (direction, ordinal) =>
            !(matches(fault.direction, direction) && concerns(fault.peers, ordinal)),
    )
  }

  /** How long a message is held; undefined: it passes at once. */
  #delay(direction: 'in' | 'out', ordinal: number): number | undefined {
    const fault = this.#options.board.active('slow-network')
    if (fault === undefined || !matches(fault.direction, direction)) return undefined
    if (!concerns(fault.peers, ordinal)) return undefined
    return fault.by_ms + fault.jitter_ms * this.#options.random()
  }

  #line(name: string): DelayLine {
    let line = this.#lines.get(name)
    if (line === undefined) {
      line = new DelayLine({ clock: this.#options.clock, bytes_max: LINK_QUEUE_BYTES_MAX })
      this.#lines.set(name, line)
    }
    return line
  }

  #slowed(source: SnapshotSource, ordinal: number): SnapshotSource {
    return {
      meta: source.meta,
      chunks: () => this.#slowChunks(source, ordinal),
      close: () => source.close(),
    }
  }

  async *#slowChunks(source: SnapshotSource, ordinal: number): AsyncIterable<Uint8Array> {
    for await (const chunk of source.chunks()) {
      const delay_ms = this.#delay('out', ordinal)
      if (delay_ms !== undefined) {
        await new Promise<void>((resolve) => this.#options.clock.after(delay_ms, resolve))
      }
      yield chunk
    }
  }
}

function matches(given: Direction, direction: 'in' | 'out'): boolean {
  return given === 'both' || given === direction
}

function concerns(peers: Peers, ordinal: number): boolean {
  return peers === 'all' || peers.includes(ordinal)
}

function sizeOf(message: Message): number {
  let bytes = MESSAGE_BYTES
  if (message.type === 'append') for (const entry of message.entries) bytes += entry.bytes.length
  return bytes
}
