/**
 * A toy cluster behind real frames: one state that all replicas share, a leader that is told to
 * lead, and switches for what real ones do wrong: hold answers, execute and die, refuse, fall
 * silent. Sessions, floors and stored results are kept as the state machine keeps them.
 */

import { decodeSegment } from '../../../src/database/kv/codec.ts'
import {
  type ClusterView,
  FRAME,
  type Query,
  type QueryReply,
  type ReadRequest,
  type Refusal,
  type StatusFrame,
} from '../../../src/database/kv/frame-types.ts'
import * as frames from '../../../src/database/kv/frames.ts'
import { encodeRecord } from '../../../src/database/kv/record.ts'
import type {
  Command,
  CommandResult,
  Condition,
  KeyRecord,
  ResultStatus,
  Segment,
} from '../../../src/database/kv/types.ts'
import type { Clock } from '../../../src/shared/clock.ts'
import { ClusterError, type ErrorCode, type Outcome } from '../../../src/shared/errors.ts'
import type { Dialer, Discovery, LinkIdentity, PeerAddress } from '../../../src/shared/link.ts'
import { type FakeLink, linkPair } from './fake-link.ts'

type Stored = { status: ResultStatus; revision: number }

export class FakeReplica {
  readonly cluster: FakeCluster
  readonly ordinal: number
  link: FakeLink | undefined
  /** False: cannot be dialed. */
  up = true
  /** Sends no status frames and answers nothing: paused, or cut off. */
  silent = false
  /** Write frames are neither executed nor answered until `release`. */
  holdWrites = false
  holdReads = false
  /** Executes, but its answers are lost. */
  muteWrites = false
  refuseWrites: { code: ErrorCode; outcome: Outcome } | undefined
  refuseReads: ErrorCode | undefined
  problem: ErrorCode | undefined
  advice: string | undefined
  /** Where others say that they reach each other. */
  peers: StatusFrame['peers']
  missing: string[] = []
  age_ms = 0
  /** Segments and reads in the order they came. */
  readonly segments: Segment[] = []
  readonly reads: ReadRequest[] = []
  readonly held: (() => void)[] = []

  constructor(cluster: FakeCluster, ordinal: number) {
    this.cluster = cluster
    this.ordinal = ordinal
  }

  get name(): string {
    return `db-${this.ordinal}`
  }

  /** Where it is reached. */
  get host(): string {
    return this.movedTo ?? this.name
  }

  movedTo: string | undefined

  status(): StatusFrame {
    const { cluster } = this
    const leads = cluster.leader === this.ordinal
    return {
      ordinal: this.ordinal,
      role: leads ? 'leader' : 'follower',
      term: cluster.term,
      leader: cluster.leader,
      writable: leads,
      revision: cluster.revision,
      history: cluster.history,
      clusterId: 'cluster',
      age_ms: this.age_ms,
      missing: this.missing,
      problem: this.problem,
      advice: this.advice,
      peers: this.peers,
    }
  }

  accept(link: FakeLink): void {
    this.link = link
    link.onFrame = (type, body) => this.#frame(type, body)
    link.onClose = () => {
      if (this.link === link) this.link = undefined
    }
    this.tell()
  }

  /** Sends its status, unless silent. */
  tell(): void {
    if (!this.silent) this.link?.send(FRAME.status, frames.encodeStatus(this.status()))
  }

  /** Ends the link; what it holds is lost. */
  die(): void {
    this.up = false
    this.held.length = 0
    this.link?.close()
  }

  /** Handles everything held so far. */
  release(): void {
    this.holdWrites = false
    this.holdReads = false
    for (const run of this.held.splice(0)) run()
  }

  #frame(type: number, body: Buffer): void {
    if (type === FRAME.write) {
      const { frame, segment } = frames.decodeWrite(Buffer.from(body))
      const decoded = decodeSegment(segment)
      this.segments.push(decoded)
      this.#orHold(this.holdWrites, () => this.#write(frame, decoded))
    } else if (type === FRAME.read) {
      const request = frames.decodeRead(Buffer.from(body))
      this.reads.push(request)
      this.#orHold(this.holdReads, () => this.#read(request))
    } else {
      const { frame, query } = frames.decodeQuery(Buffer.from(body))
      this.#orHold(false, () => {
        this.link?.send(FRAME.queryReply, frames.encodeQueryReply(frame, this.#answer(query)))
      })
    }
  }

  #orHold(hold: boolean, run: () => void): void {
    if (hold || this.silent) this.held.push(run)
    else run()
  }

  #refusal(code: ErrorCode, outcome: Outcome): Refusal {
    return { code, message: `refused: ${code}`, outcome, leader: this.cluster.leader }
  }

  #write(frame: number, segment: Segment): void {
    const { cluster } = this
    const reply = (results: readonly CommandResult[] | Refusal) => {
      if (this.muteWrites) return
      const parts = frames.encodeWriteReply({ frame, results, revision: cluster.revision })
      this.link?.send(FRAME.writeReply, parts)
    }
    const puts = segment.commands.some(({ command }) => command.type === 'put')
    const { refuseWrites } = this
    if (refuseWrites !== undefined && (refuseWrites.code !== 'disk-full' || puts)) {
      if (refuseWrites.outcome === 'unknown') cluster.apply(segment)
      reply(this.#refusal(refuseWrites.code, refuseWrites.outcome))
    } else if (cluster.leader !== this.ordinal) reply(this.#refusal('not-leader', 'not-applied'))
    else reply(cluster.apply(segment))
  }

  #read(request: ReadRequest): void {
    const { cluster } = this
    const { frame, consistency, maxStale_ms, minRevision, items } = request
    const answer = (records: Parameters<typeof frames.encodeReadReply>[0]['records']): void => {
      const age_ms = consistency === 'stale' ? this.age_ms : 0
      const revision = cluster.revision
      const parts = frames.encodeReadReply({ frame, records, revision, age_ms })
      this.link?.send(FRAME.readReply, parts)
    }
    if (this.refuseReads !== undefined) answer(this.#refusal(this.refuseReads, 'not-applied'))
    else if (consistency === 'linearizable' && cluster.leader < 0) {
      answer(this.#refusal('no-leader', 'not-applied'))
    } else if (maxStale_ms > 0 && this.age_ms > maxStale_ms) {
      answer(this.#refusal('too-stale', 'not-applied'))
    } else if (minRevision > cluster.revision) {
      answer(this.#refusal('revision-not-reached', 'not-applied'))
    } else
      answer(items.map(({ key, metadataOnly }) => ({ record: cluster.record(key), metadataOnly })))
  }

  #answer(query: Query): QueryReply {
    const { cluster } = this
    if (query.type === 'cluster') return { type: 'cluster', answer: cluster.view() }
    if (query.consistency === 'linearizable' && cluster.leader < 0) {
      return { type: 'refused', refusal: this.#refusal('no-leader', 'not-applied') }
    }
    const bytes = (text: string) => Buffer.from(text)
    const keys = [...cluster.records.keys()]
      .map((key) => Buffer.from(key, 'latin1'))
      .sort(Buffer.compare)
      .filter((key) => key.subarray(0, bytes(query.prefix).length).equals(bytes(query.prefix)))
      .filter((key) => query.after === undefined || Buffer.compare(key, bytes(query.after)) > 0)
    const listed = keys.slice(0, query.limit).map((key) => {
      const record = cluster.records.get(key.toString('latin1')) as KeyRecord
      const { revision, createRevision, version, contentType, value } = record
      const size_bytes = value.length
      return { key: key.toString(), revision, createRevision, version, size_bytes, contentType }
    })
    const more = keys.length > listed.length
    return { type: 'list', answer: { keys: listed, more, revision: cluster.revision, age_ms: 0 } }
  }
}

export class FakeCluster {
  readonly replicas: FakeReplica[] = []
  readonly records = new Map<string, KeyRecord>()
  readonly sessions = new Map<number, { floor: number; results: Map<number, Stored> }>()
  history = 'h1'
  term = 1
  leader = 0
  revision = 0
  /** Commands executed, retries that met their result not counted. */
  executed = 0
  /** How often each key was changed. */
  readonly effects = new Map<string, number>()
  repeated = 0
  dials = 0
  readonly #clock: Clock

  constructor(clock: Clock, size = 3) {
    this.#clock = clock
    for (let ordinal = 0; ordinal < size; ordinal++) {
      this.replicas.push(new FakeReplica(this, ordinal))
    }
    this.#beat()
  }

  replica(ordinal: number): FakeReplica {
    return this.replicas[ordinal] as FakeReplica
  }

  /** Makes this replica lead in a new term; -1: nobody leads. */
  lead(ordinal: number): void {
    this.leader = ordinal
    this.term++
    this.tell()
  }

  tell(): void {
    for (const replica of this.replicas) replica.tell()
  }

  #beat(): void {
    this.#clock.after(250, () => {
      this.tell()
      this.#beat()
    })
  }

  /** Ordinals that discovery does not know. */
  readonly denied = new Set<number>()

  readonly discovery: Discovery = {
    lookup: async () =>
      this.replicas
        .filter(({ ordinal }) => !this.denied.has(ordinal))
        .map(({ ordinal }) => ({ ordinal, host: `db-${ordinal}`, port: 1 })),
  }

  readonly dialer: Dialer = {
    dial: async (target: PeerAddress) => {
      this.dials++
      const replica = this.replica(target.ordinal)
      if (!replica.up || target.host !== replica.host) {
        throw new ClusterError('no-replica', 'nobody is there')
      }
      const [near, far] = linkPair()
      const remote: LinkIdentity = {
        role: 'replica',
        name: replica.name,
        clusterName: 'test',
        clusterId: 'cluster',
        ordinal: replica.ordinal,
        incarnation: `i-${replica.ordinal}`,
      }
      setImmediate(() => replica.accept(far))
      return { link: near, remote }
    },
  }

  record(key: Uint8Array): Uint8Array | undefined {
    const record = this.records.get(Buffer.from(key).toString('latin1'))
    return record === undefined ? undefined : encodeRecord(key, record)
  }

  apply(segment: Segment): CommandResult[] {
    const session = this.sessions.get(segment.session)
    if (session !== undefined) {
      session.floor = Math.max(session.floor, segment.floor)
      for (const sequence of session.results.keys()) {
        if (sequence <= session.floor) session.results.delete(sequence)
      }
    }
    return segment.commands.map(({ sequence, command }) => {
      if (segment.session === 0) return { ...this.#system(command), repeated: false }
      if (session === undefined) return { status: 'session-unknown', revision: 0, repeated: false }
      if (sequence <= session.floor) return { status: 'below-floor', revision: 0, repeated: false }
      const stored = session.results.get(sequence)
      if (stored !== undefined) {
        this.repeated++
        return { ...stored, repeated: true }
      }
      const result = this.#execute(command)
      this.executed++
      session.results.set(sequence, result)
      return { ...result, repeated: false }
    })
  }

  #system(command: Command): Stored {
    this.revision++
    if (command.type === 'open-session') {
      this.sessions.set(this.revision, { floor: 0, results: new Map() })
    } else if (command.type === 'close-session') this.sessions.delete(command.session)
    return { status: 'done', revision: this.revision }
  }

  #execute(command: Command): Stored {
    if (command.type !== 'put' && command.type !== 'delete') throw new Error('not in this toy')
    const revision = ++this.revision
    const key = Buffer.from(command.key).toString('latin1')
    const old = this.records.get(key)
    if (!holds(command.condition, old?.revision)) {
      return { status: 'condition-failed', revision: old?.revision ?? 0 }
    }
    if (command.type === 'delete') {
      if (old === undefined) return { status: 'absent', revision: 0 }
      this.records.delete(key)
      return { status: 'deleted', revision }
    }
    this.effects.set(key, (this.effects.get(key) ?? 0) + 1)
    const { value, contentType, ttl_ms } = command
    this.records.set(key, {
      createRevision: old?.createRevision ?? revision,
      revision,
      version: (old?.version ?? 0) + 1,
      expires_ms: ttl_ms === 0 ? 0 : this.#clock.wall_ms() + ttl_ms,
      contentType,
      value: Buffer.from(value),
    })
    return { status: old === undefined ? 'created' : 'updated', revision }
  }

  view(): ClusterView {
    const leads = this.leader >= 0
    return {
      clusterId: 'cluster',
      name: 'test',
      history: this.history,
      revision: this.revision,
      term: this.term,
      leader: leads
        ? { name: `db-${this.leader}`, ordinal: this.leader, why: 'lowest ordinal' }
        : undefined,
      replicas: this.replicas.map(({ name, ordinal }) => ({
        name,
        ordinal,
        role: ordinal === this.leader ? 'leader' : 'follower',
        incarnation: `i-${ordinal}`,
        term: this.term,
        lastIndex: 1,
        commitIndex: 1,
        appliedIndex: 1,
        lag: 0,
        revision: this.revision,
        diskUsedBytes: 0,
        diskFreeBytes: 1,
        hash: { index: 1, value: '00' },
        electable: true,
        notes: [],
      })),
    }
  }
}

function holds(condition: Condition | undefined, revision: number | undefined): boolean {
  if (condition === undefined) return true
  const { match, noneMatch } = condition
  if (match === 'any' && revision === undefined) return false
  if (Array.isArray(match) && (revision === undefined || !match.includes(revision))) return false
  if (noneMatch === 'any' && revision !== undefined) return false
  return !(Array.isArray(noneMatch) && revision !== undefined && noneMatch.includes(revision))
}
