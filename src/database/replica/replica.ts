/**
 * One replica, from its disk to its links: forms or joins a cluster, then runs the loop.
 *
 *   opened ──► empty (forming.ts) ──joins or forms──► member (loop.ts runs) ──drain──► stopped
 *
 * It owns these states and joins the parts: which cluster it belongs to is followed-cluster.ts's,
 * what it and its peers make of each other hellos.ts's. Everything it needs of the outside is
 * handed in (ports.ts), so that a simulator can run it.
 */

import { assert } from '../../shared/assert.ts'
import { ClusterError } from '../../shared/errors.ts'
import { type CoreEvent, type MemberId, type Membership, memberId } from '../consensus/types.ts'
import { isForgotten, isRemoved } from './belonging.ts'
import type { Departure } from './departure.ts'
import { FollowedCluster } from './followed-cluster.ts'
import { forceBootstrap } from './forced-bootstrap.ts'
import { Forming } from './forming.ts'
import { HandOver } from './hand-over.ts'
import { Hellos } from './hellos.ts'
import { Housekeeping } from './housekeeping.ts'
import { Lanes } from './lanes.ts'
import { Loop } from './loop.ts'
import { Orchestrated } from './orchestrated.ts'
import type { DiskSpace, IncomingSnapshot, PeerStatus, Stopping, StoredState } from './ports.ts'
import type { ReplicaOptions } from './replica-options.ts'
import { Views } from './views.ts'

export class Replica {
  readonly #options: ReplicaOptions
  readonly #self: MemberId
  readonly lanes: Lanes
  readonly views: Views
  #stored: StoredState
  #loop: Loop | undefined
  #housekeeping: Housekeeping | undefined
  readonly #cluster: FollowedCluster
  readonly #forming: Forming
  readonly #hellos: Hellos
  readonly #orchestrated: Orchestrated
  readonly #handOver: HandOver
  #draining = false
  #stopped = false

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.#stored = options.stored
    const { ordinal, incarnation } = options.storage.identity
    this.#self = memberId(ordinal, incarnation)
    this.#cluster = new FollowedCluster(options.storage, options.stored.consensus)
    this.#forming = new Forming({
      ...options,
      ordered: this.ordered,
      hello: () => this.#hellos.own(),
      onWaiting: (why) => options.onEvent({ type: 'waiting', why }),
      onJoin: (clusterId) => this.#join(clusterId),
      onFormed: (membership, stored) => this.#formed(membership, stored),
    })
    this.#hellos = new Hellos(options, {
      cluster: this.#cluster,
      loop: () => this.#loop,
      expected: () => this.#forming.plan.expected,
      look: () => this.#forming.look(),
      onRemoved: (why) => this.#removed(why),
    })
    this.#orchestrated = new Orchestrated(options, {
      loop: () => this.#loop,
      stopping: () => this.#hellos.stopping,
      tell: (stopping) => this.tellStopping(stopping),
    })
    this.#handOver = new HandOver(options.clock, options.timing.electionTimeout_ms)
    this.views = new Views({
      name: options.name,
      identity: () => {
        const { identity } = options.storage
        const clusterId = this.#cluster.id || identity.clusterId || this.#forming.formerCluster
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
    const { transport } = this.#options
    if (this.#cluster.unnoted) await this.#cluster.note()
    await transport.start(this.#hellos.own(), {
      onHello: (hello) => this.#hellos.heard(hello),
      onRefused: (by, code) => this.#hellos.refused(by, code),
      onMessage: (message) => this.#loop?.step({ type: 'message', message }),
      onSnapshot: (snapshot) => this.#snapshot(snapshot),
      onUnreachable: (member) => this.#loop?.step({ type: 'unreachable', to: member }),
      onApiLink: (link) => this.lanes.accept(link),
    })
    if (this.#cluster.id !== '') this.#run()
    else this.#forming.look()
  }

  /** Tells the peers that it is about to stop; undefined: no longer. Only once it has a loop. */
  tellStopping(stopping: Stopping | undefined): void {
    this.#hellos.tellStopping(stopping)
  }

  /**
   * SIGTERM: gives the lead away, waits to be removed where it leaves for good, then stops. Bounded
   * by the core's own patience, and by the grace.
   */
  async drain(): Promise<void> {
    this.#draining = true
    const loop = this.#loop
    if (loop !== undefined && !loop.halted) {
      await Promise.all([this.#handOver.begin(loop), this.departure.settle()])
    }
    await this.stop()
  }

  /** Stops without ceremony; resolves when the disk is closed. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#forming.stop()
    this.#hellos.close()
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
    this.#cluster.follow(clusterId)
    this.#options.onEvent({ type: 'joining', clusterId })
    this.#hellos.announce()
    this.#run()
  }

  #formed(membership: Membership, stored: StoredState): void {
    this.#cluster.formed(membership.clusterId)
    this.#stored = stored
    this.#options.onEvent({ type: 'formed', membership })
    this.#hellos.announce()
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
      core: { self: this.#self, start: this.#options.newId(), ...timing, random },
      beforeContent: () => this.#cluster.store(),
      onFingerprint: (fingerprint) => this.#hellos.noteFingerprint(fingerprint),
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
        const status = loop.status()
        if (isRemoved(status, status.self)) this.#removed('the cluster removed this incarnation')
        else if (isForgotten(status)) this.#hellos.announce()
      },
      onFatal: (error) => this.#options.onFatal(error),
    })
    loop.start()
    this.#housekeeping.start()
    this.#orchestrated.follow(loop)
    for (const peer of transport.peers()) {
      if (peer.connected && peer.hello !== undefined) this.#hellos.heard(peer.hello)
    }
  }

  #event(event: CoreEvent): void {
    this.#options.onEvent(event)
    if (event.type === 'drained') this.#handOver.done()
    const { type } = event
    // Its history is told before the first answer that comes of it.
    if (type === 'role' || type === 'leader' || type === 'membership') this.lanes.broadcast()
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
    const now = [this.waiting, ...this.#hellos.notes, this.views.advice(), note]
    return [...this.#options.notes, ...now.filter((note) => note !== undefined)]
  }
}
