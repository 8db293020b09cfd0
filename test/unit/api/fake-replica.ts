/** One replica of the toy cluster: its links, the frames it answers, and its switches. */

import { decodeSegment } from '../../../src/database/kv/codec.ts'
import {
  FRAME,
  type Query,
  type QueryReply,
  type ReadRequest,
  type Refusal,
  type StatusFrame,
} from '../../../src/database/kv/frame-types.ts'
import * as frames from '../../../src/database/kv/frames.ts'
import type { CommandResult, KeyRecord, Segment } from '../../../src/database/kv/types.ts'
import type { ErrorCode, Outcome } from '../../../src/shared/errors.ts'
import type { FakeCluster } from './fake-cluster.ts'
import type { FakeLink } from './fake-link.ts'

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
