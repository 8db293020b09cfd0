/**
 * What a replica tells its peers of itself, and the verdicts that follow of hellos, both ways: may
 * this peer speak with it, are their states equal, and what follows where a peer refuses it.
 *
 *   peer's hello ──► of another cluster, or removed: refused
 *             └────► heard ──► content hashes compared ──► equal │ writes stop │ data set aside
 *   own hello ──► taken, or refused ──► told to people; removed, or in doubt (allegiance.ts)
 */

import { ClusterError } from '../../shared/errors.ts'
import { FORMAT_NEWEST } from '../../shared/formats.ts'
import { type MemberId, memberId } from '../consensus/types.ts'
import { Allegiance } from './allegiance.ts'
import { isRemoved } from './belonging.ts'
import { type Fingerprint, Fingerprints, NO_FINGERPRINT } from './fingerprints.ts'
import type { FollowedCluster } from './followed-cluster.ts'
import type { Loop } from './loop.ts'
import type { Hello, RefusalCode, Stopping } from './ports.ts'
import { Refusal } from './refusal.ts'
import type { ReplicaOptions } from './replica-options.ts'

/** A leader has this many election timeouts to speak to a replica that holds nothing yet. */
const JOIN_PATIENCE_TIMEOUTS = 2

/** What the hellos need of the replica. */
export type GreetingReplica = {
  readonly cluster: FollowedCluster
  readonly loop: () => Loop | undefined
  /** Replicas of a new cluster; 0: not told. */
  readonly expected: () => number
  /** A hello was heard while this replica belongs to no cluster. */
  readonly look: () => void
  /** The cluster has removed this incarnation. */
  readonly onRemoved: (why: string) => void
}

export class Hellos {
  readonly #options: ReplicaOptions
  readonly #replica: GreetingReplica
  readonly #self: MemberId
  readonly #fingerprints: Fingerprints
  readonly #refusal: Refusal
  readonly #allegiance: Allegiance
  #fingerprint = NO_FINGERPRINT
  #split: string | undefined
  #stopping: Stopping | undefined
  #closed = false

  constructor(options: ReplicaOptions, replica: GreetingReplica) {
    this.#options = options
    this.#replica = replica
    const { transport, clock, timing, storage, onFatal } = options
    this.#self = memberId(storage.identity.ordinal, storage.identity.incarnation)
    this.#fingerprints = new Fingerprints(this.#self)
    this.#refusal = new Refusal(() => transport.peers())
    this.#allegiance = new Allegiance({
      clock,
      patience_ms: JOIN_PATIENCE_TIMEOUTS * timing.electionTimeout_ms,
      settled: () => replica.cluster.stored || replica.loop() === undefined,
      led: () => replica.loop()?.status().leader !== undefined,
      accompanied: () => this.#accompanied(),
      giveUp: (why) => onFatal(new ClusterError('wrong-cluster', why)),
    })
  }

  /** What it last told its peers of its stopping. */
  get stopping(): Stopping | undefined {
    return this.#stopping
  }

  /** For people: states that differ with no majority, a peer that refuses this replica. */
  get notes(): (string | undefined)[] {
    return [this.#split, this.#refusal.why]
  }

  // What this replica tells.

  own(): Hello {
    const { storage, address } = this.#options
    const { cluster, expected } = this.#replica
    const { clusterName, ordinal, incarnation } = storage.identity
    return {
      clusterName,
      clusterId: cluster.id,
      ordinal,
      incarnation,
      address,
      format: FORMAT_NEWEST,
      expected: expected(),
      fingerprint: this.#fingerprint,
      wasMember: storage.identity.clusterId !== '',
      stopping: this.#stopping,
    }
  }

  /** Tells the peers what changed, or that it is still there. */
  announce(): void {
    this.#options.transport.announce(this.own())
  }

  /** Tells the peers that it is about to stop; undefined: no longer. */
  tellStopping(stopping: Stopping | undefined): void {
    this.#stopping = stopping
    if (!this.#closed) this.announce()
  }

  /** Tells the peers its content hash, so that they can compare. */
  noteFingerprint(fingerprint: Fingerprint): void {
    this.#fingerprint = fingerprint
    this.#compare(this.#self, fingerprint)
    this.announce()
  }

  // What peers tell.

  /** A peer said hello. Returns why it is refused; undefined: it is not. */
  heard(hello: Hello): 'wrong-cluster' | 'removed-replica' | undefined {
    const loop = this.#replica.loop()
    if (loop === undefined) {
      this.#replica.look()
      return undefined
    }
    if (hello.clusterId === '') return undefined
    if (hello.clusterId !== this.#replica.cluster.id) return 'wrong-cluster'
    const member = memberId(hello.ordinal, hello.incarnation)
    if (isRemoved(loop.status(), member)) {
      // One that is going does not have to be told, and may wait for others that leave.
      return hello.stopping === 'goes' ? undefined : 'removed-replica'
    }
    loop.step({ type: 'heard', member, format: hello.format })
    this.#compare(member, hello.fingerprint)
    return undefined
  }

  #compare(member: MemberId, fingerprint: Fingerprint): void {
    const loop = this.#replica.loop()
    const voters = loop?.status().membership?.voters ?? []
    const verdict = this.#fingerprints.note(member, fingerprint, voters)
    if (verdict.type === 'equal') return
    if (verdict.type === 'split') {
      this.#split = verdict.why
      loop?.stopWrites()
      return
    }
    this.#options.onFatal(new ClusterError('data-damaged', verdict.why))
  }

  /** A peer refuses this replica. */
  refused(by: Hello | undefined, code: RefusalCode): void {
    const { why, news } = this.#refusal.noted(by, code)
    if (news) this.#options.onEvent({ type: 'refused', why })
    if (code === 'removed-replica' && this.#replica.cluster.id !== '') this.#replica.onRemoved(why)
    if (code === 'wrong-cluster') this.#allegiance.refused(why)
  }

  #accompanied(): boolean {
    const { cluster } = this.#replica
    const peers = this.#options.transport.peers()
    return peers.some((peer) => peer.connected && peer.hello?.clusterId === cluster.id)
  }

  /** Nothing follows of a refusal any more, and nobody is told of stopping. */
  close(): void {
    this.#closed = true
    this.#allegiance.stop()
  }
}
