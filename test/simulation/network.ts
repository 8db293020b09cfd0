/**
 * The simulated network between places (`db-0`, `api-1`): delays, partitions in one direction or
 * both, links that are held or reset, and the odd message that is lost, comes twice or comes
 * minutes late.
 *
 * A link is an ordered stream, as TCP makes it: what a partition holds up arrives later, in order.
 * The core promises to survive more than that, so single messages may also be dropped, repeated and
 * delivered late, after their link has ended (`mess`).
 */

import type { ReceivedSnapshot } from '../../src/database/peers/wire.ts'
import type { Link, LinkIdentity } from '../../src/shared/link.ts'
import type { Chance } from './chance.ts'
import type { SimulatedProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'
import { SimulatedLink } from './simulated-link.ts'

export type NetworkOptions = {
  /** Shortest time of a frame on its way, and what chance adds on average. */
  readonly delay_ms: number
  readonly jitter_ms: number
  /** Probability that a single peer message is dropped, comes twice, or comes late. */
  readonly drop: number
  readonly twice: number
  readonly late: number
  /** That a frame of an API server comes late; TCP neither loses one nor doubles it. */
  readonly apiLate: number
  /** Longest time a message may be held, ms. */
  readonly held_ms: number
}

/** One end of what goes over the network. */
export type Endpoint = { readonly process: SimulatedProcess; readonly place: string }

/** Someone who listens at an address. */
export type Listener = Endpoint & {
  /** Throws what the dialer is to be told; else says who answers. */
  admit(remote: LinkIdentity, target: string): LinkIdentity
  onLink(link: Link, remote: LinkIdentity): void
  onSnapshot(read: () => Promise<ReceivedSnapshot>, remote: LinkIdentity): Promise<void>
}

/** However slow the network is, a frame takes no longer than this. */
const SLOW_MS_MAX = 1500
/** How long a piece of a stream waits before it tries a partition again. */
const RETRY_MS = 100

export class Network {
  readonly scheduler: Scheduler
  readonly chance: Chance
  readonly options: NetworkOptions
  readonly #listeners = new Map<string, Listener>()
  /** `a>b` → how many faults block it. */
  readonly #blocked = new Map<string, number>()
  readonly #links = new Set<SimulatedLink>()
  /** Everything takes this many times as long. */
  slowness = 1
  readonly counters = { dropped: 0, twice: 0, late: 0, held: 0, frames: 0, resets: 0 }
  /** Told of each frame that arrives, for the transcript. */
  onArrival: (link: SimulatedLink, type: number, body: Buffer) => void = () => undefined

  constructor(options: { scheduler: Scheduler; chance: Chance; network: NetworkOptions }) {
    this.scheduler = options.scheduler
    this.chance = options.chance
    this.options = options.network
  }

  listen(address: string, listener: Listener): void {
    this.#listeners.set(address, listener)
  }

  unlisten(address: string, process: SimulatedProcess): void {
    if (this.#listeners.get(address)?.process === process) this.#listeners.delete(address)
  }

  listenerAt(address: string): Listener | undefined {
    return this.#listeners.get(address)
  }

  /** How long the next frame takes. */
  delay_ms(): number {
    const { delay_ms, jitter_ms } = this.options
    const chance = this.chance.random()
    const own_ms = delay_ms + jitter_ms * chance * chance * 3
    return Math.min(own_ms * this.slowness, Math.max(own_ms, SLOW_MS_MAX))
  }

  /** Runs something at the other end when word of it has got there, partitions or not. */
  carry(from: Endpoint, to: Endpoint, run: () => void): void {
    if (this.isBlocked(from.place, to.place)) {
      this.scheduler.after(RETRY_MS, undefined, () => this.carry(from, to, run))
    } else this.scheduler.after(this.delay_ms(), to.process, run)
  }

  isBlocked(from: string, to: string): boolean {
    return (this.#blocked.get(`${from}>${to}`) ?? 0) > 0
  }

  block(from: string, to: string): void {
    const way = `${from}>${to}`
    this.#blocked.set(way, (this.#blocked.get(way) ?? 0) + 1)
  }

  unblock(from: string, to: string): void {
    const way = `${from}>${to}`
    const left = (this.#blocked.get(way) ?? 0) - 1
    if (left > 0) {
      this.#blocked.set(way, left)
      return
    }
    this.#blocked.delete(way)
    for (const link of [...this.#links]) {
      if (link.place === from && link.otherPlace === to) link.release()
    }
  }

  /** Breaks the links of this place, with what is on its way on them. */
  resetAt(place: string): void {
    for (const link of [...this.#links]) {
      if (link.place !== place) continue
      this.counters.resets += 1
      link.breakBoth()
    }
  }

  /** A process is gone: the others learn of it, at once if its machine still lives. */
  ended(process: SimulatedProcess, machineLives: boolean): void {
    for (const [address, listener] of [...this.#listeners]) {
      if (listener.process === process) this.#listeners.delete(address)
    }
    for (const link of [...this.#links]) {
      if (link.process !== process) continue
      if (machineLives) link.hangUp()
      this.#links.delete(link)
    }
  }

  /** A process lets go of all its links, and lives. */
  closeLinks(process: SimulatedProcess): void {
    for (const link of [...this.#links]) if (link.process === process) link.close()
  }

  /** Two ends of a new link; the listener's may be used at once. */
  connect(
    dialer: Endpoint,
    listener: Endpoint,
    types: { lossy: ReadonlySet<number>; late: ReadonlySet<number> },
  ): { near: SimulatedLink; far: SimulatedLink } {
    const near = new SimulatedLink(this, { ...endpoint(dialer), ...types })
    const far = new SimulatedLink(this, { ...endpoint(listener), ...types })
    near.join(far)
    far.join(near)
    for (const link of [near, far]) this.#links.add(link)
    return { near, far }
  }

  forget(link: SimulatedLink): void {
    this.#links.delete(link)
  }
}

function endpoint({ process, place }: Endpoint): Endpoint {
  return { process, place }
}
