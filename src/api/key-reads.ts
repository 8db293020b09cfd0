/**
 * Reads of single keys, gathered into frames by back-pressure and spread over the replicas in turn
 * (DESIGN §8, §12).
 *
 * Reads with the same terms form a group and share frames; at most READ_FRAMES_MAX frames of a
 * group are on their way to one replica. Reads that wait for a revision or refuse old state stand
 * in groups of their own, so that they hold up nobody else. A read may be repeated freely: when a
 * replica is lost, falls silent or refuses, its reads go to another one, until their deadlines.
 */

import { FRAME, type ReadReply, type Refusal } from '../database/kv/frame-types.ts'
import { encodeRead, isRefusal } from '../database/kv/frames.ts'
import type { Clock, Timer } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import type { AnswerSource, ReadDone, ReadTerms } from '../shared/http/reader.ts'
import { READ_ATTEMPT_MS_MAX, READ_FRAMES_MAX, READ_ITEMS_MAX } from '../shared/limits.ts'
import { Deadlines } from './deadlines.ts'
import { diagnose, refusalOfRead } from './diagnosis.ts'
import type { Replica, ReplicaPool } from './replica-pool.ts'

/** Pause before a replica that refused is asked again by the same group. */
const REFUSED_PAUSE_MS = 20

type PendingRead = {
  readonly key: Uint8Array
  readonly metadataOnly: boolean
  readonly terms: ReadTerms
  readonly deadline_ms: number
  readonly done: ReadDone
  /** Replicas that said they are too stale for it; undefined: none so far. */
  avoid: Set<Replica> | undefined
  lastRefusal: Refusal | undefined
  settled: boolean
}

type Group = {
  readonly name: string
  readonly terms: Omit<ReadTerms, 'timeout_ms'>
  queue: PendingRead[]
  /** Frames on their way, by replica. */
  readonly lanes: Map<Replica, number>
  /** Replicas that refused lately. */
  readonly paused: Set<Replica>
}

type Frame = {
  readonly id: number
  readonly replica: Replica
  readonly group: Group
  readonly reads: readonly PendingRead[]
}

export type KeyReadsOptions = {
  readonly pool: ReplicaPool
  readonly clock: Clock
  readonly meters: { batch(reads: number): void; retried(reads: number): void }
  readonly defer: (run: () => void) => void
}

export class KeyReads {
  readonly #options: KeyReadsOptions
  readonly #groups = new Map<string, Group>()
  readonly #frames = new Map<number, Frame>()
  readonly #deadlines: Deadlines<PendingRead>
  readonly #timers = new Set<Timer>()
  #pumping = false
  #closed = false

  constructor(options: KeyReadsOptions) {
    this.#options = options
    this.#deadlines = new Deadlines(options.clock, (expired) => this.#expire(expired))
  }

  /** Reads not yet answered. */
  get pending(): number {
    return this.#deadlines.size
  }

  /** Calls `done` once, within the terms' time. */
  submit(key: Uint8Array, metadataOnly: boolean, terms: ReadTerms, done: ReadDone): void {
    if (this.#closed) {
      done(new ClusterError('shutting-down', 'this API server is stopping'), undefined)
      return
    }
    const read: PendingRead = {
      key,
      metadataOnly,
      terms,
      deadline_ms: this.#options.clock.now_ms() + terms.timeout_ms,
      done,
      avoid: undefined,
      lastRefusal: undefined,
      settled: false,
    }
    this.#groupOf(terms).queue.push(read)
    this.#deadlines.add(read)
    this.#schedule()
  }

  onChange(): void {
    this.#schedule()
  }

  /** Its link is gone, or its status is old: its reads go to others. */
  onLost(replica: Replica): void {
    for (const frame of [...this.#frames.values()]) {
      if (frame.replica !== replica) continue
      this.#finish(frame)
      this.#again(frame.group, frame.reads)
    }
    for (const group of this.#groups.values()) {
      group.lanes.delete(replica)
      group.paused.delete(replica)
    }
    this.#schedule()
  }

  /** Throws `malformed-frame` if the reply does not fit what was sent. */
  onReply(replica: Replica, reply: ReadReply): void {
    const { pool } = this.#options
    pool.noteRevision(replica, reply.revision)
    const frame = this.#frames.get(reply.frame)
    if (frame === undefined || frame.replica !== replica) return
    const { records } = reply
    if (!isRefusal(records) && records.length !== frame.reads.length) {
      throw new ClusterError('malformed-frame', 'a reply has the wrong number of records')
    }
    this.#finish(frame)
    if (isRefusal(records)) this.#onRefusal(frame, records)
    else {
      const { age_ms, revision } = reply
      const { history } = replica.status
      const source: AnswerSource = { revision, history, servedBy: replica.servedBy }
      const again: PendingRead[] = []
      for (let index = 0; index < records.length; index++) {
        const read = frame.reads[index] as PendingRead
        const record = records[index]
        if (read.settled) continue
        // Without a history its revisions could not be compared with any.
        if (record === 'omitted' || history === '') again.push(read)
        else this.#settle(read, undefined, { record, age_ms, source })
      }
      this.#again(frame.group, again)
    }
    this.#schedule()
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#timers) timer.cancel()
    for (const read of this.#deadlines.clear()) {
      this.#settle(read, new ClusterError('shutting-down', 'this API server is stopping'))
    }
    this.#groups.clear()
  }

  #groupOf(terms: ReadTerms): Group {
    const { consistency, maxStale_ms, minRevision } = terms
    const name =
      maxStale_ms === 0 && minRevision === 0
        ? consistency
        : `${consistency} ${maxStale_ms} ${minRevision}`
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = {
        name,
        terms: { consistency, maxStale_ms, minRevision },
        queue: [],
        lanes: new Map(),
        paused: new Set(),
      }
      this.#groups.set(name, group)
    }
    return group
  }

  #schedule(): void {
    if (this.#pumping || this.#closed) return
    this.#pumping = true
    this.#options.defer(() => {
      this.#pumping = false
      if (this.#closed) return
      for (const group of this.#groups.values()) {
        this.#pump(group)
        // Groups are made by requests, so those that nobody uses must go.
        if (group.queue.length === 0 && group.lanes.size === 0) this.#groups.delete(group.name)
      }
    })
  }

  /**
   * The leader while it has nothing of ours to read, since it answers without asking another
   * replica; then all in turn, so that a loaded cluster spreads its reads.
   */
  #choose(group: Group, first: PendingRead): Replica | undefined {
    const { pool } = this.#options
    const { consistency } = group.terms
    const leader = consistency === 'linearizable' ? pool.leader() : undefined
    if (leader !== undefined && !group.lanes.has(leader)) {
      if (pool.canRead(leader, consistency) && canTake(group, leader, first)) return leader
    }
    return pool.pick(consistency, (one) => canTake(group, one, first))
  }

  #pump(group: Group): void {
    while (group.queue.length > 0) {
      const first = group.queue[0] as PendingRead
      if (first.settled) {
        group.queue.shift()
        continue
      }
      const replica = this.#choose(group, first)
      if (replica === undefined) return
      if (!this.#send(group, replica)) {
        this.#pause(group, replica)
        return
      }
    }
  }

  #send(group: Group, replica: Replica): boolean {
    const reads = takeReads(group)
    const now_ms = this.#options.clock.now_ms()
    let latest_ms = now_ms
    for (const read of reads) latest_ms = Math.max(latest_ms, read.deadline_ms)
    const id = this.#options.pool.nextFrame()
    const request = {
      frame: id,
      ...group.terms,
      timeout_ms: Math.min(latest_ms - now_ms, READ_ATTEMPT_MS_MAX),
      items: reads,
    }
    if (!replica.link.send(FRAME.read, encodeRead(request))) {
      group.queue = [...reads, ...group.queue]
      return false
    }
    this.#frames.set(id, { id, replica, group, reads })
    group.lanes.set(replica, (group.lanes.get(replica) ?? 0) + 1)
    this.#options.meters.batch(reads.length)
    return true
  }

  #finish(frame: Frame): void {
    this.#frames.delete(frame.id)
    const left = (frame.group.lanes.get(frame.replica) ?? 1) - 1
    if (left > 0) frame.group.lanes.set(frame.replica, left)
    else frame.group.lanes.delete(frame.replica)
  }

  #onRefusal(frame: Frame, refusal: Refusal): void {
    const { group, replica } = frame
    for (const read of frame.reads) {
      read.lastRefusal = refusal
      if (refusal.code !== 'too-stale' || read.settled) continue
      read.avoid ??= new Set()
      read.avoid.add(replica)
      if (!this.#options.pool.replicas.some((one) => this.#mayBeFresher(read, one))) {
        this.#settle(read, new ClusterError('too-stale', refusal.message))
      }
    }
    if (refusal.code !== 'too-stale') this.#pause(group, replica)
    this.#again(group, frame.reads)
  }

  #mayBeFresher(read: PendingRead, replica: Replica): boolean {
    return this.#options.pool.canRead(replica, 'stale') && read.avoid?.has(replica) !== true
  }

  #again(group: Group, reads: readonly PendingRead[]): void {
    const open = reads.filter((read) => !read.settled)
    if (open.length === 0) return
    this.#options.meters.retried(open.length)
    this.#groups.set(group.name, group)
    group.queue = [...open, ...group.queue]
  }

  #pause(group: Group, replica: Replica): void {
    group.paused.add(replica)
    const timer = this.#options.clock.after(REFUSED_PAUSE_MS, () => {
      this.#timers.delete(timer)
      group.paused.delete(replica)
      this.#schedule()
    })
    this.#timers.add(timer)
  }

  #expire(expired: readonly PendingRead[]): void {
    const { pool } = this.#options
    const diagnosis = diagnose(pool)
    for (const read of expired) {
      const last = read.lastRefusal
      const known = last?.code === 'too-stale' || last?.code === 'revision-not-reached'
      const refusal = known
        ? new ClusterError(last.code, last.message)
        : refusalOfRead(diagnosis, read.terms, pool.revision)
      this.#settle(read, refusal)
    }
    for (const group of this.#groups.values()) {
      group.queue = group.queue.filter((read) => !read.settled)
    }
    // A frame whose reads are all settled blocks its lane no longer.
    for (const frame of this.#frames.values()) {
      if (frame.reads.every((read) => read.settled)) this.#finish(frame)
    }
    this.#schedule()
  }

  #settle(read: PendingRead, error: ClusterError | undefined, answer?: Parameters<ReadDone>[1]) {
    read.settled = true
    this.#deadlines.remove(read)
    read.done(error, answer)
  }
}

function canTake(group: Group, replica: Replica, first: PendingRead): boolean {
  if (group.paused.has(replica) || first.avoid?.has(replica) === true) return false
  return (group.lanes.get(replica) ?? 0) < READ_FRAMES_MAX
}

/** The next reads for one frame. Those that avoid some replica go alone. */
function takeReads(group: Group): PendingRead[] {
  const reads: PendingRead[] = []
  let used = 0
  for (const read of group.queue) {
    if (reads.length === READ_ITEMS_MAX) break
    if (reads.length > 0 && (read.avoid !== undefined || reads[0]?.avoid !== undefined)) break
    used++
    if (!read.settled) reads.push(read)
  }
  group.queue.splice(0, used)
  return reads
}
