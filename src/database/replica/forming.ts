/**
 * The time of an empty replica: looks around until it may join a cluster or form one
 * (bootstrap.ts decides), and does it.
 *
 * Forming writes the first entry, the membership of all N, before the cluster id: a crash between
 * the two is mended at the next start from the entry, while an id without a log could not be.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { genesisEntry } from '../consensus/membership.ts'
import { type MemberId, type Membership, memberId } from '../consensus/types.ts'
import { type BootstrapDecision, decideBootstrap } from './bootstrap.ts'
import type { Hello, Storage, StoredState, Transport } from './ports.ts'

const LOOK_EVERY_MS = 50

export type FormingOptions = {
  readonly storage: Storage
  readonly transport: Transport
  readonly clock: Clock
  readonly newId: () => string
  readonly firstOrdinal: number
  readonly expected: number
  readonly hello: () => Hello
  readonly onWaiting: (why: string) => void
  /** A peer has a cluster: this replica belongs to it from now on, with nothing on its disk. */
  readonly onJoin: (clusterId: string) => void
  /** This replica formed a cluster; `stored` is what its disk holds now. */
  readonly onFormed: (membership: Membership, stored: StoredState) => void
  readonly onFatal: (error: unknown) => void
}

export class Forming {
  readonly #options: FormingOptions
  #decision: BootstrapDecision = { type: 'wait', why: 'starting' }
  #timer: Timer | undefined
  #done = false

  constructor(options: FormingOptions) {
    this.#options = options
  }

  /** Why this replica waits, for people. */
  get why(): string {
    return this.#decision.type === 'wait' ? this.#decision.why : 'joining'
  }

  /** Looks now, and again and again until there is a cluster. */
  look(): void {
    if (this.#done) return
    const { transport, clock, hello, firstOrdinal, expected } = this.#options
    const before = this.why
    const links = transport.peers().filter((peer) => peer.connected)
    const peers = links.flatMap((peer) => (peer.hello === undefined ? [] : [peer.hello]))
    this.#decision = decideBootstrap({ self: hello(), firstOrdinal, expected, peers })
    const decision = this.#decision
    if (decision.type === 'join') {
      this.stop()
      this.#options.onJoin(decision.clusterId)
    } else if (decision.type === 'form') {
      this.stop()
      this.#form(decision.members).catch(this.#options.onFatal)
    } else {
      if (before !== decision.why) this.#options.onWaiting(decision.why)
      this.#timer?.cancel()
      this.#timer = clock.after(LOOK_EVERY_MS, () => this.look())
    }
  }

  stop(): void {
    this.#done = true
    this.#timer?.cancel()
  }

  async #form(members: readonly Hello[]): Promise<void> {
    const { storage, clock, newId } = this.#options
    const membership: Membership = {
      clusterId: newId(),
      history: historyOf(newId()),
      voters: members.map((hello) => memberId(hello.ordinal, hello.incarnation)),
      learners: [],
      removed: [],
      opened: false,
    }
    const entry = genesisEntry(membership, clock.wall_ms())
    const write = {
      id: 1,
      hardState: { term: entry.term, vote: '' },
      truncateFrom: undefined,
      entries: [entry],
      install: undefined,
    }
    await storage.write({ writes: [write], changes: undefined })
    await storage.adopt(membership.clusterId)
    this.#options.onFormed(membership, await storage.load())
  }
}

/** What `ordinal bootstrap --force` makes of a membership: a new cluster of this replica alone. */
export function aloneAfter(
  old: Membership,
  options: { self: MemberId; newId: () => string },
): Membership {
  const { self, newId } = options
  return {
    clusterId: newId(),
    history: historyOf(newId()),
    voters: [self],
    learners: [],
    removed: old.removed,
    opened: true,
  }
}

/** Eight hexadecimal digits: short enough for an ETag, long enough not to meet another. */
function historyOf(uuid: string): string {
  return uuid.slice(0, 8)
}
