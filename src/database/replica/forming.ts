/**
 * The time of an empty replica: looks around until it may join a cluster or form one
 * (bootstrap.ts decides), and does it.
 *
 * Forming writes the first entry, the membership of all N, before the cluster id: a crash between
 * the two is mended at the next start from the entry, while an id without a log could not be.
 *
 * How many replicas there are to be, and whether a cluster was formed before, the orchestrator
 * tells. It is asked once before anything is formed, and again while this replica waits; where it
 * cannot tell the first, the configuration does.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { genesisEntry } from '../consensus/membership.ts'
import { type MemberId, type Membership, memberId } from '../consensus/types.ts'
import { type BootstrapDecision, decideBootstrap, type MarkerView } from './bootstrap.ts'
import { ORCHESTRATOR_TIMEOUT_MS, type Orchestrator } from './orchestrator.ts'
import type { Hello, Storage, StoredState, Transport } from './ports.ts'

const LOOK_EVERY_MS = 50
/** How often the orchestrator is asked while this replica waits. */
const ASK_EVERY_MS = 5000
/** Names of peers that are there are looked up within this time. */
export const NAMES_WITHIN_MS = 3000

export type FormingOptions = {
  readonly storage: Storage
  readonly transport: Transport
  readonly clock: Clock
  readonly newId: () => string
  readonly firstOrdinal: number
  readonly expected: number
  readonly orchestrator?: Orchestrator | undefined
  readonly ordered: boolean
  readonly hello: () => Hello
  readonly onWaiting: (why: string) => void
  /** A peer has a cluster: this replica belongs to it from now on, with nothing on its disk. */
  readonly onJoin: (clusterId: string) => void
  /** This replica formed a cluster; `stored` is what its disk holds now. */
  readonly onFormed: (membership: Membership, stored: StoredState) => void
  readonly onFatal: (error: unknown) => void
}

/** Who a new cluster is to consist of: as many ordinals from the first one on. */
export type Plan = { readonly firstOrdinal: number; readonly expected: number }

export class Forming {
  readonly #options: FormingOptions
  #decision: BootstrapDecision = { type: 'wait', why: 'starting' }
  #marker: MarkerView
  readonly #since_ms: number
  #asked_ms = -1
  #asking = false
  #timer: Timer | undefined
  #done = false

  constructor(options: FormingOptions) {
    this.#options = options
    this.#since_ms = options.clock.now_ms()
    this.#marker = { type: options.orchestrator === undefined ? 'none' : 'unasked' }
  }

  /** Why this replica waits, for people. */
  get why(): string {
    return this.#decision.type === 'wait' ? this.#decision.why : 'joining'
  }

  /** As the orchestrator tells it, else as configured. */
  get plan(): Plan {
    const { orchestrator, firstOrdinal, expected } = this.#options
    const topology = orchestrator?.topology
    if (topology === undefined || topology.replicas === 0) return { firstOrdinal, expected }
    return { firstOrdinal: topology.first, expected: topology.replicas }
  }

  /** The cluster that was formed here, as the marker says; '': none that it knew. */
  get formerCluster(): string {
    return this.#marker.type === 'present' ? this.#marker.marker.clusterId : ''
  }

  /** Looks now, and again and again until there is a cluster. */
  look(): void {
    if (this.#done) return
    const { transport, clock, hello, ordered, orchestrator } = this.#options
    this.#ask()
    const before = this.why
    const links = transport.peers().filter((peer) => peer.connected)
    const peers = links.flatMap((peer) => (peer.hello === undefined ? [] : [peer.hello]))
    const answered = new Set(peers.map((peer) => peer.ordinal))
    const known = transport.peers().map((peer) => peer.ordinal)
    this.#decision = decideBootstrap({
      self: hello(),
      ...this.plan,
      peers,
      silent: known.filter((ordinal) => !answered.has(ordinal)),
      looked: clock.now_ms() - this.#since_ms >= NAMES_WITHIN_MS,
      ordered,
      marker: this.#marker,
      markerName: orchestrator?.markerName ?? 'of this cluster',
    })
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

  /** Asks the orchestrator, if it is time. Neither call rejects, and both are bounded. */
  #ask(): void {
    const { orchestrator, clock } = this.#options
    const now_ms = clock.now_ms()
    if (orchestrator === undefined || this.#asking) return
    if (this.#asked_ms >= 0 && now_ms - this.#asked_ms < ASK_EVERY_MS) return
    this.#asking = true
    const marker = orchestrator.readMarker(ORCHESTRATOR_TIMEOUT_MS)
    const topology = orchestrator.readTopology(ORCHESTRATOR_TIMEOUT_MS)
    void Promise.all([marker, topology]).then(([state]) => {
      this.#asking = false
      this.#asked_ms = clock.now_ms()
      this.#marker = state
      this.look()
    })
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
