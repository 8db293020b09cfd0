/**
 * One replica, from its disk to its links: forms or joins a cluster, then runs the loop.
 *
 *   opened ──► empty ──decideBootstrap──► member (loop runs) ──drain──► stopped
 *                │                           │
 *                └── follows a cluster id only in memory until the first log content is stored
 *
 * Everything it needs of the outside is handed in (ports.ts), so that a simulator can run it.
 */

import { assert } from '../../shared/assert.ts'
import { ClusterError } from '../../shared/errors.ts'
import { ENTRY_VERSION } from '../consensus/entry.ts'
import { type CoreEvent, type MemberId, type Membership, memberId } from '../consensus/types.ts'
import { Allegiance } from './allegiance.ts'
import { isForgotten, isRemoved } from './belonging.ts'
import type { Departure } from './departure.ts'
import { type Fingerprint, Fingerprints, NO_FINGERPRINT } from './fingerprints.ts'
import { forceBootstrap } from './forced-bootstrap.ts'
import { Forming } from './forming.ts'
import { Housekeeping } from './housekeeping.ts'
import { Lanes } from './lanes.ts'
import { Loop } from './loop.ts'
import { Orchestrated } from './orchestrated.ts'
import type {
  DiskSpace,
  Hello,
  IncomingSnapshot,
  PeerStatus,
  RefusalCode,
  Stopping,
  StoredState,
} from './ports.ts'
import { Refusal } from './refusal.ts'
import type { ReplicaOptions } from './replica-options.ts'
import { Views } from './views.ts'

/** A leader has this many election timeouts to speak to a replica that holds nothing yet. */
const JOIN_PATIENCE_TIMEOUTS = 2

export class Replica {
  readonly #options: ReplicaOptions
  readonly #self: MemberId
  readonly lanes: Lanes
  readonly views: Views
  #stored: StoredState
  #loop: Loop | undefined
  #housekeeping: Housekeeping | undefined
  #clusterId: string
  #persistedId: boolean
  readonly #forming: Forming
  readonly #allegiance: Allegiance
  readonly #orchestrated: Orchestrated
  #draining = false
  #stopped = false
  #stopping: Stopping | undefined
  #drained: (() => void) | undefined
  readonly #refusal: Refusal
  /** The replicas' states differ, and no majority agrees. */
  #split: string | undefined
  #fingerprint = NO_FINGERPRINT
  readonly #fingerprints: Fingerprints

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.#stored = options.stored
    const { ordinal, incarnation, clusterId } = options.storage.identity
    // Who holds nothing of a cluster belongs to none, whatever its disk remembers.
    this.#clusterId = options.stored.consensus.lastIndex > 0 ? clusterId : ''
    this.#persistedId = this.#clusterId !== ''
    this.#self = memberId(ordinal, incarnation)
    this.#fingerprints = new Fingerprints(this.#self)
    this.#refusal = new Refusal(() => options.transport.peers())
    this.#forming = new Forming({
      ...options,
      ordered: this.ordered,
      hello: () => this.#hello(),
      onWaiting: (why) => options.onEvent({ type: 'waiting', why }),
      onJoin: (clusterId) => this.#join(clusterId),
      onFormed: (membership, stored) => this.#formed(membership, stored),
    })
    this.#allegiance = new Allegiance({
      clock: options.clock,
      patience_ms: JOIN_PATIENCE_TIMEOUTS * options.timing.electionTimeout_ms,
      settled: () => this.#persistedId || this.#loop === undefined,
      led: () => this.#loop?.status().leader !== undefined,
      accompanied: () => this.#accompanied(),
      giveUp: (why) => options.onFatal(new ClusterError('wrong-cluster', why)),
    })
    this.#orchestrated = new Orchestrated(options, {
      loop: () => this.#loop,
      stopping: () => this.#stopping,
      tell: (stopping) => this.tellStopping(stopping),
    })
    this.views = new Views({
      name: options.name,
      identity: () => {
        const { identity } = options.storage
        const clusterId = this.#clusterId || identity.clusterId || this.#forming.formerCluster
        return { ...identity, clusterId }
      },
      storage: options.storage,
      loop: () => this.#loop,
      space: () => this.#housekeeping?.space,
      peers: () => options.transport.peers(),
      notes: () => this.#notes(),
      plan: () => this.#forming.plan,
      waiting: () => this.waiting,
      marked: () => this.#forming.formerCluster !== '',
      orchestrator: options.orchestrator,
    })
    this.lanes = new Lanes({
      clock: options.clock,
      loop: () => this.#loop,
      status: () => this.views.status(),
      leader: () => this.views.leader(),
      notInCluster: () => this.views.notInCluster(),
      answer: (query) => this.views.answer(query),
    })
  }

  get loop(): Loop | undefined {
    return this.#loop
  }

  /** The last measured space of the volume. */
  get space(): DiskSpace | undefined {
    return this.#housekeeping?.space
  }

  get draining(): boolean {
    return this.#draining
  }

  /** How it stops for good, where it is scaled away. */
  get departure(): Departure {
    return this.#orchestrated.departure
  }

  /** Pods are made one after the other, each when the one before is ready. */
  get ordered(): boolean {
    return this.#options.podManagement === 'OrderedReady'
  }

  get peers(): readonly PeerStatus[] {
    return this.#options.transport.peers()
  }

  /** Ordinals that have a name, and were never heard. */
  get unheard(): number[] {
    const unheard = this.peers.filter(({ hello }) => hello === undefined)
    return unheard.map(({ ordinal }) => ordinal)
  }

  /** Why this replica is in no cluster yet; undefined: it is. */
  get waiting(): string | undefined {
    return this.#loop === undefined ? this.#forming.why : undefined
  }

  /** Listens to peers, and runs or waits for a cluster. */
  async start(): Promise<void> {
    const { storage, transport } = this.#options
    const stored = this.#stored.consensus
    const membership = stored.memberships.at(-1)?.membership ?? stored.base.membership
    if (this.#clusterId === '' && membership !== undefined) {
      // The founder stopped between its first entry and noting its cluster id.
      await storage.adopt(membership.clusterId)
      this.#clusterId = membership.clusterId
      this.#persistedId = true
    }
    await transport.start(this.#hello(), {
      onHello: (hello) => this.#heard(hello),
      onRefused: (by, code) => this.#refused(by, code),
      onMessage: (message) => this.#loop?.step({ type: 'message', message }),
      onSnapshot: (snapshot) => this.#snapshot(snapshot),
      onUnreachable: (member) => this.#loop?.step({ type: 'unreachable', to: member }),
      onApiLink: (link) => this.lanes.accept(link),
    })
    if (this.#clusterId !== '') this.#run()
    else this.#forming.look()
  }

  /** Tells the peers that it is about to stop; undefined: no longer. Only once it has a loop. */
  tellStopping(stopping: Stopping | undefined): void {
    this.#stopping = stopping
    if (!this.#stopped) this.#options.transport.announce(this.#hello())
  }

  /**
   * SIGTERM: gives the lead away, waits to be removed where it leaves for good, then stops. Bounded
   * by the core's own patience, and by the grace.
   */
  async drain(): Promise<void> {
    this.#draining = true
    const loop = this.#loop
    if (loop !== undefined && !loop.halted) {
      await Promise.all([this.#handOver(loop), this.departure.settle()])
    }
    await this.stop()
  }

  #handOver(loop: Loop): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#drained = resolve
      loop.step({ type: 'drain' })
      const patience_ms = this.#options.timing.electionTimeout_ms * 4
      this.#options.clock.after(patience_ms, resolve)
    })
  }

  /** Stops without ceremony; resolves when the disk is closed. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#forming.stop()
    this.#allegiance.stop()
    this.#housekeeping?.close()
    this.#orchestrated.close()
    await this.#loop?.stop()
    this.lanes.close()
    await this.#options.transport.close()
    await this.#options.storage.close()
  }

  /**
   * `ordinal bootstrap --force`: this replica's data becomes a new cluster of one, under a new
   * cluster id and history. Returns them; the process must then start again. Refused
   * (`refused-bootstrap`) while a leader is known, or without data.
   */
  async forceBootstrap(): Promise<Membership> {
    return await forceBootstrap(this.#loop, this.#options)
  }

  // Forming and joining.

  /** Belongs to this cluster from now on; on disk only with the first log content. */
  #join(clusterId: string): void {
    this.#clusterId = clusterId
    this.#options.onEvent({ type: 'joining', clusterId })
    this.#options.transport.announce(this.#hello())
    this.#run()
  }

  #formed(membership: Membership, stored: StoredState): void {
    this.#clusterId = membership.clusterId
    this.#persistedId = true
    this.#stored = stored
    this.#options.onEvent({ type: 'formed', membership })
    this.#options.transport.announce(this.#hello())
    this.#run()
  }

  #run(): void {
    assert(this.#loop === undefined, 'the loop runs already')
    const { storage, transport, clock, timing, random, diskFreeMin_bytes } = this.#options
    const loop = new Loop({
      storage,
      transport,
      clock,
      stored: this.#stored,
      core: {
        self: this.#self,
        start: this.#options.newId(),
        ...timing,
        random,
      },
      beforeContent: () => this.#persistId(),
      onFingerprint: (fingerprint) => this.#noteFingerprint(fingerprint),
      advice: () => this.views.advice(),
      onEvent: (event) => this.#event(event),
      onFatal: (error) => this.#options.onFatal(error),
    })
    this.#loop = loop
    this.#housekeeping = new Housekeeping({
      storage,
      clock,
      loop,
      freeMin_bytes: diskFreeMin_bytes,
      draining: () => this.#draining,
      onRound: () => {
        if (this.#isRemoved(this.#self)) this.#removed('the cluster removed this incarnation')
        else if (isForgotten(loop.status())) transport.announce(this.#hello())
      },
      onFatal: (error) => this.#options.onFatal(error),
    })
    loop.start()
    this.#housekeeping.start()
    this.#orchestrated.follow(loop)
    for (const peer of transport.peers()) {
      if (peer.connected && peer.hello !== undefined) this.#heard(peer.hello)
    }
  }

  async #persistId(): Promise<void> {
    if (this.#persistedId) return
    await this.#options.storage.adopt(this.#clusterId)
    this.#persistedId = true
  }

  #event(event: CoreEvent): void {
    this.#options.onEvent(event)
    if (event.type === 'drained') this.#drained?.()
    const { type } = event
    // Its history is told before the first answer that comes of it.
    if (type === 'role' || type === 'leader' || type === 'membership') this.lanes.broadcast()
  }

  #isRemoved(member: MemberId): boolean {
    return isRemoved(this.#loop?.status(), member)
  }

  // Peers.

  #hello(): Hello {
    const { storage, address } = this.#options
    const { expected } = this.#forming.plan
    const { clusterName, ordinal, incarnation } = storage.identity
    return {
      clusterName,
      clusterId: this.#clusterId,
      ordinal,
      incarnation,
      address,
      format: ENTRY_VERSION,
      expected,
      fingerprint: this.#fingerprint,
      wasMember: storage.identity.clusterId !== '',
      stopping: this.#stopping,
    }
  }

  #heard(hello: Hello): 'wrong-cluster' | 'removed-replica' | undefined {
    if (this.#loop === undefined) {
      this.#forming.look()
      return undefined
    }
    if (hello.clusterId === '') return undefined
    if (hello.clusterId !== this.#clusterId) return 'wrong-cluster'
    const member = memberId(hello.ordinal, hello.incarnation)
    // One that is going does not have to be told, and may wait for others that leave.
    if (this.#isRemoved(member)) return hello.stopping === 'goes' ? undefined : 'removed-replica'
    this.#loop.step({ type: 'heard', member })
    this.#compare(member, hello.fingerprint)
    return undefined
  }

  /** Tells the peers, so that they can compare. */
  #noteFingerprint(fingerprint: Fingerprint): void {
    this.#fingerprint = fingerprint
    this.#compare(this.#self, fingerprint)
    this.#options.transport.announce(this.#hello())
  }

  #compare(member: MemberId, fingerprint: Fingerprint): void {
    const voters = this.#loop?.status().membership?.voters ?? []
    const verdict = this.#fingerprints.note(member, fingerprint, voters)
    if (verdict.type === 'equal') return
    if (verdict.type === 'split') {
      this.#split = verdict.why
      this.#loop?.stopWrites()
      return
    }
    this.#options.onFatal(new ClusterError('data-damaged', verdict.why))
  }

  #refused(by: Hello | undefined, code: RefusalCode): void {
    const { why, news } = this.#refusal.noted(by, code)
    if (news) this.#options.onEvent({ type: 'refused', why })
    if (code === 'removed-replica' && this.#clusterId !== '') this.#removed(why)
    if (code === 'wrong-cluster') this.#allegiance.refused(why)
  }

  #accompanied(): boolean {
    const peers = this.#options.transport.peers()
    return peers.some((peer) => peer.connected && peer.hello?.clusterId === this.#clusterId)
  }

  #removed(why: string): void {
    if (this.departure.active) {
      this.departure.refused()
      return
    }
    const { storage, onFatal } = this.#options
    storage.condemn(why).then(() => onFatal(new ClusterError('removed-replica', why)), onFatal)
  }

  async #snapshot(snapshot: IncomingSnapshot): Promise<void> {
    const loop = this.#loop
    if (loop === undefined) throw new ClusterError('cluster-forming', 'not in a cluster yet')
    await loop.receiveSnapshot(snapshot)
  }

  #notes(): string[] {
    const { note } = this.#orchestrated
    const now = [this.waiting, this.#split, this.#refusal.why, this.views.advice(), note]
    return [...this.#options.notes, ...now.filter((note) => note !== undefined)]
  }
}
