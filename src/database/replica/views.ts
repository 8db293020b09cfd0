/**
 * What a replica says of itself: its status to API servers, the cluster as it sees it, lists of
 * keys. Only pictures, no decisions.
 */

import { ClusterError, type ErrorCode } from '../../shared/errors.ts'
import { FORMAT_NEWEST } from '../../shared/formats.ts'
import { type MemberId, ordinalOf } from '../consensus/types.ts'
import type {
  ClusterView,
  ListAnswer,
  Query,
  QueryReply,
  ReplicaAddress,
  StatusFrame,
} from '../kv/frame-types.ts'
import { scaledTooFar } from './advice.ts'
import type { Plan } from './forming.ts'
import { readList } from './listing.ts'
import type { Loop } from './loop.ts'
import type { Orchestrator } from './orchestrator.ts'
import type { DiskSpace, Identity, PeerStatus, Storage } from './ports.ts'
import { replicaRows } from './replica-rows.ts'

export type ViewsOptions = {
  readonly name: string
  readonly identity: () => Identity
  readonly storage: Storage
  readonly loop: () => Loop | undefined
  readonly space: () => DiskSpace | undefined
  readonly peers: () => readonly PeerStatus[]
  readonly notes: () => readonly string[]
  /** Who a new cluster is to consist of: as many ordinals from this one on. */
  readonly plan: () => Plan
  /** Why this replica is in no cluster yet; undefined: it is. */
  readonly waiting: () => string | undefined
  /** The marker says that a cluster was formed here. */
  readonly marked: () => boolean
  readonly orchestrator: Orchestrator | undefined
}

export class Views {
  readonly #options: ViewsOptions

  constructor(options: ViewsOptions) {
    this.#options = options
  }

  /** Ordinal of the known leader; -1: unknown. */
  leader(): number {
    const leader = this.#options.loop()?.status().leader
    return leader === undefined ? -1 : ordinalOf(leader)
  }

  /** `db` of `db-0`. */
  #nameOf(ordinal: number): string {
    return this.#options.name.replace(/\d+$/, String(ordinal))
  }

  /** Voters this replica does not hear: no link, or none to this very incarnation. */
  missing(): string[] {
    const status = this.#options.loop()?.status()
    if (status?.membership === undefined) return this.#absent()
    return status.membership.voters
      .filter((member) => member !== status.self && !this.#hears(member))
      .map((member) => this.#nameOf(ordinalOf(member)))
  }

  /** Before there is a membership: who of the expected has not answered. */
  #absent(): string[] {
    const { identity, peers, plan } = this.#options
    const { firstOrdinal, expected } = plan()
    const present = new Set([identity().ordinal])
    for (const peer of peers()) if (peer.connected) present.add(peer.ordinal)
    return Array.from({ length: expected }, (_, at) => firstOrdinal + at)
      .filter((ordinal) => !present.has(ordinal))
      .map((ordinal) => this.#nameOf(ordinal))
  }

  #hears(member: MemberId): boolean {
    const peer = this.#options.peers().find((each) => each.ordinal === ordinalOf(member))
    if (peer?.hello === undefined || !peer.connected) return false
    return `${peer.hello.ordinal}/${peer.hello.incarnation}` === member
  }

  /** Why no writes are possible, as far as this replica can tell. */
  problem(): ErrorCode | undefined {
    const loop = this.#options.loop()
    if (loop === undefined) return this.#dataless()
    const status = loop.status()
    if (loop.refusing !== undefined) return loop.refusing
    if (status.leader !== undefined) return undefined
    if (status.membership === undefined) return this.#dataless()
    const voters = status.membership.voters.length
    if (this.missing().length > (voters - 1) / 2) return 'quorum-lost'
    return loop.problem().code
  }

  /** A new disk waits for a cluster to form; one in place of a lost one for those with the data. */
  #dataless(): ErrorCode {
    const { storage, plan, loop, marked } = this.#options
    const lost = loop() === undefined && marked()
    if (storage.identity.clusterId === '' && !lost) return 'cluster-forming'
    const absent = this.#absent().length
    // Everybody is there, and nobody has a cluster that one could join.
    if (lost && absent === 0) return 'quorum-lost'
    return absent > (plan().expected - 1) / 2 ? 'quorum-lost' : 'no-leader'
  }

  /** What to do where the cluster cannot help itself; undefined: nothing is to be done. */
  advice(): string | undefined {
    const { loop, orchestrator } = this.#options
    if (loop() === undefined) return undefined
    return scaledTooFar({
      status: loop()?.status(),
      orchestrator,
      hears: (member) => this.#hears(member),
      nameOf: (ordinal) => this.#nameOf(ordinal),
    })
  }

  /** The refusal of whatever is asked while this replica belongs to no cluster. */
  notInCluster(): { code: ErrorCode; message: string } {
    const { waiting } = this.#options
    const message = `this replica belongs to no cluster yet: ${waiting() ?? 'starting'}`
    return { code: this.problem() ?? 'cluster-forming', message }
  }

  status(): StatusFrame {
    const loop = this.#options.loop()
    const status = loop?.status()
    const identity = this.#options.identity()
    return {
      ordinal: identity.ordinal,
      role: status?.role ?? 'learner',
      term: status?.term ?? 0,
      leader: this.leader(),
      writable: status?.role === 'leader' && loop?.refusing === undefined,
      revision: loop?.meta().revision ?? 0,
      history: status?.membership?.history ?? '',
      clusterId: identity.clusterId,
      age_ms: loop?.age_ms() ?? -1,
      missing: this.missing(),
      problem: this.problem(),
      advice: this.advice() ?? this.#options.waiting(),
      peers: this.#linked(),
    }
  }

  /** Where those are reached that this replica has dialed. */
  #linked(): ReplicaAddress[] {
    return this.#options.peers().flatMap(({ connected, address }) => {
      if (!connected || address === undefined) return []
      const { ordinal, host, port } = address
      return [{ ordinal, host, port }]
    })
  }

  /** Answers an API server's rare questions. */
  async answer(query: Query): Promise<QueryReply> {
    if (query.type === 'cluster') return { type: 'cluster', answer: this.cluster() }
    return { type: 'list', answer: await this.list(query) }
  }

  async list(query: Extract<Query, { type: 'list' }>): Promise<ListAnswer> {
    const loop = this.#options.loop()
    if (loop === undefined) {
      const { code, message } = this.notInCluster()
      throw new ClusterError(code, message)
    }
    return await readList(loop, this.#options.storage, query)
  }

  /** The cluster as this replica sees it; complete only of itself. */
  cluster(): ClusterView {
    const identity = this.#options.identity()
    const status = this.#options.loop()?.status()
    const leader = status?.leader
    const lowest = Math.min(...(status?.membership?.voters ?? []).map(ordinalOf))
    return {
      clusterId: identity.clusterId,
      name: identity.clusterName,
      history: status?.membership?.history ?? '',
      revision: this.#options.loop()?.meta().revision ?? 0,
      term: status?.term ?? 0,
      leader:
        leader === undefined
          ? undefined
          : {
              name: this.#nameOf(ordinalOf(leader)),
              ordinal: ordinalOf(leader),
              why: ordinalOf(leader) === lowest ? 'lowest ordinal' : 'stand-in',
            },
      replicas: replicaRows({
        name: this.#options.name,
        identity,
        status,
        meta: this.#options.loop()?.meta(),
        space: this.#options.space(),
        notes: this.#options.notes(),
        peers: this.#options.peers(),
        nameOf: (ordinal) => this.#nameOf(ordinal),
        hears: (member) => this.#hears(member),
      }),
    }
  }

  /** Everything a person may want to know of this replica (`/status`). */
  detail(notReady: string | undefined): Record<string, unknown> {
    const { loop, peers, notes, name } = this.#options
    const { role, term, leader } = this.status()
    return {
      name,
      role,
      term,
      leader,
      ready: notReady === undefined,
      reason: notReady,
      problem: this.problem(),
      missing: this.missing(),
      notes: notes(),
      cluster: this.cluster(),
      membership: loop()?.status().membership,
      leadReason: loop()?.status().leadReason,
      format: FORMAT_NEWEST,
      peers: peers().map((peer) => ({
        ordinal: peer.ordinal,
        connected: peer.connected,
        address: peer.address,
        incarnation: peer.hello?.incarnation,
        clusterId: peer.hello?.clusterId,
        format: peer.hello?.format,
        problem: peer.problem,
      })),
    }
  }
}
