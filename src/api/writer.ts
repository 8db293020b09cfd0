/**
 * Writes of all clients, gathered into frames to the leader, each taking effect exactly once
 * (DESIGN §5, §12).
 *
 * Batching is by back-pressure: at most WRITE_FRAMES_MAX frames are on their way to the leader, and
 * what arrives meanwhile goes with the next one. Nothing waits for a timer.
 *
 * Each command has a sequence in this server's session. When a leader is lost its commands go to
 * the next one under the same sequences, perhaps grouped otherwise; the state machine answers a
 * repeated one with its stored result. At its deadline a command that may have taken effect is
 * given up as `unknown` and its sequence is never used again. What a refusal or a result means for
 * a command is said in write-outcome.ts.
 */

import { FRAME, type Refusal, type WriteReply } from '../database/kv/frame-types.ts'
import { encodeWrite } from '../database/kv/frames.ts'
import { SegmentBuilder } from '../database/kv/segment-builder.ts'
import type { CommandResult } from '../database/kv/types.ts'
import type { Clock, Timer } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import { resolveConditions } from '../shared/http/conditions.ts'
import type { AnswerSource } from '../shared/http/reader.ts'
import type { WriteCommand, WriteDone, WriteTaker } from '../shared/http/write-taker.ts'
import { API_REQUESTS_MAX } from '../shared/limits.ts'
import { Deadlines } from './deadlines.ts'
import { diagnose, refusalOf } from './diagnosis.ts'
import { type PendingWrite, sizeOfCommand, type WriteSession } from './pending-write.ts'
import type { Replica, ReplicaPool } from './replica-pool.ts'
import { type WriteFrame, WriteFrames } from './write-frames.ts'
import { verdictOnRefusal, verdictOnResult } from './write-outcome.ts'
import { WriteQueue } from './write-queue.ts'
import { SessionOpener } from './write-session.ts'

/** After a disk was full, puts and deletes travel in frames of their own for this long. */
const SEPARATE_MS = 2000
/** Pause before a leader that refused is asked again, unless someone else leads by then. */
const REFUSED_PAUSE_MS = 20

export type WriterMeters = {
  batch(commands: number): void
  /** Commands sent again. */
  retried(commands: number): void
  /** Retries that met a stored result. */
  repeated(): void
  sessionOpened(): void
}

export type WriterOptions = {
  readonly pool: ReplicaPool
  readonly clock: Clock
  readonly meters: WriterMeters
  /** Runs something once the events at hand have been read: gathers what arrives together. */
  readonly defer: (run: () => void) => void
}

export class Writer implements WriteTaker {
  readonly #options: WriterOptions
  readonly #queue = new WriteQueue()
  readonly #deadlines: Deadlines<PendingWrite>
  readonly #frames = new WriteFrames()
  readonly #builder = new SegmentBuilder()
  readonly #opener: SessionOpener
  #pumping = false
  #refused: { replica: Replica; term: number; timer: Timer } | undefined
  #separate_ms = 0
  #closed = false

  constructor(options: WriterOptions) {
    this.#options = options
    this.#deadlines = new Deadlines(options.clock, (expired) => this.#expire(expired))
    this.#opener = new SessionOpener(options.pool, options.meters)
  }

  /** Writes not yet answered. */
  get pending(): number {
    return this.#deadlines.size
  }

  /** Writes that wait for a frame. */
  get waiting(): number {
    return this.#queue.length
  }

  get session(): WriteSession | undefined {
    return this.#opener.session
  }

  /** Calls `done` once: with a result, or with an error that says what is known of the outcome. */
  submit(command: WriteCommand, timeout_ms: number, done: WriteDone): void {
    if (this.#closed) {
      const error = new ClusterError('shutting-down', 'this API server is stopping', {
        outcome: 'not-applied',
      })
      done(error, undefined, undefined)
      return
    }
    const write: PendingWrite = {
      command,
      size_bytes: sizeOfCommand(command),
      deadline_ms: this.#options.clock.now_ms() + timeout_ms,
      done,
      session: undefined,
      sequence: 0,
      inFlight: false,
      doubts: 0,
      settled: false,
    }
    this.#queue.push(write)
    this.#deadlines.add(write)
    if (this.#frames.hasLane) this.#schedule()
  }

  /** Something changed among the replicas. */
  onChange(): void {
    const leader = this.#options.pool.leader()
    if (leader !== undefined) this.#again(this.#frames.abandonOthers(leader))
    this.#schedule()
  }

  onLost(replica: Replica): void {
    this.#opener.onLost(replica)
    this.#again(this.#frames.lose(replica))
  }

  /** Throws `malformed-frame` if the reply does not fit what was sent. */
  onReply(replica: Replica, reply: WriteReply): void {
    this.#options.pool.noteRevision(replica, reply.revision)
    const opened = this.#opener.onReply(reply)
    if (opened !== 'not-mine') {
      if (opened === 'refused') this.#pauseFor(replica)
      this.#schedule()
      return
    }
    const frame = this.#frames.find(reply.frame, replica)
    if (frame === undefined) return
    const { results } = reply
    if (!isResults(results)) this.#onRefusal(frame, results)
    else if (results.length === frame.writes.length) this.#onResults(frame, results, reply.revision)
    else throw new ClusterError('malformed-frame', 'a reply has the wrong number of results')
    this.#schedule()
  }

  /** Refuses everything that waits, and all that comes after. */
  close(): void {
    this.#closed = true
    this.#refused?.timer.cancel()
    const error = (outcome: 'not-applied' | 'unknown') =>
      new ClusterError(
        outcome === 'unknown' ? 'outcome-unknown' : 'shutting-down',
        'this API server is stopping',
        { outcome },
      )
    for (const write of this.#deadlines.clear()) {
      this.#settle(write, error(isInDoubt(write) ? 'unknown' : 'not-applied'))
    }
    this.#queue.clear()
    this.#opener.close()
  }

  #schedule(): void {
    if (this.#pumping || this.#closed) return
    this.#pumping = true
    this.#options.defer(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#closed) return
    const leader = this.#options.pool.leader()
    if (leader === undefined || this.#isPaused(leader)) return
    const session = this.#opener.sessionWith(leader)
    if (session === undefined) return
    while (this.#frames.hasLane && this.#queue.length > 0) {
      if (!this.#send(leader, session)) break
    }
  }

  /** Sends one frame; false: nothing could be sent now. */
  #send(leader: Replica, session: WriteSession): boolean {
    const writes = this.#queue.take({
      accept: (write) => this.#enlist(write, session),
      count_max: API_REQUESTS_MAX,
      // A full disk refuses frames with puts; deletes must not share their fate.
      separate: this.#options.clock.now_ms() < this.#separate_ms,
    })
    if (writes.length === 0) return false
    const { history } = session
    for (const write of writes) {
      const { command } = write
      const condition = resolveConditions(command.condition, history)
      this.#builder.add(
        write.sequence,
        condition === undefined && command.condition === undefined
          ? (command as Parameters<SegmentBuilder['add']>[1])
          : { ...command, condition },
      )
      write.inFlight = true
    }
    const segment = this.#builder.finish({ session: session.id, floor: session.sequences.floor })
    const id = this.#options.pool.nextFrame()
    if (!leader.link.send(FRAME.write, encodeWrite(id, segment))) {
      for (const write of writes) write.inFlight = false
      this.#queue.retry(writes)
      this.#pauseFor(leader)
      return false
    }
    const { term } = leader.status
    this.#frames.add({ id, replica: leader, term, writes, abandoned: false })
    this.#options.meters.batch(writes.length)
    return true
  }

  /** Gives a write its sequence in this session; false: it was settled instead. */
  #enlist(write: PendingWrite, session: WriteSession): boolean {
    if (write.session === session) return true
    if (write.session !== undefined) {
      // Its session is gone: what was sent in it may have taken effect or not, for good.
      if (write.doubts > 0) {
        this.#settle(write, unknownOutcome('the session that it was sent in has ended', []))
        return false
      }
      this.#release(write)
    }
    if (!session.sequences.hasRoom) {
      const error = new ClusterError('overloaded', 'the session holds too many open results', {
        outcome: 'not-applied',
      })
      this.#settle(write, error)
      return false
    }
    write.session = session
    write.sequence = session.sequences.issue()
    return true
  }

  #onResults(frame: WriteFrame, results: readonly CommandResult[], revision: number): void {
    this.#frames.finish(frame)
    const { replica } = frame
    const source: AnswerSource = {
      revision,
      history: replica.status.history,
      servedBy: replica.servedBy,
    }
    const again: PendingWrite[] = []
    for (let index = 0; index < results.length; index++) {
      const write = frame.writes[index] as PendingWrite
      const result = results[index] as CommandResult
      if (write.settled) continue
      if (!frame.abandoned) write.inFlight = false
      if (result.repeated) this.#options.meters.repeated()
      const verdict = verdictOnResult(result, write)
      if (verdict.type === 'answer') this.#settle(write, undefined, result, source)
      else if (verdict.type === 'refuse') this.#settle(write, verdict.error)
      else if (!frame.abandoned) {
        if (verdict.newSession) {
          this.#opener.forget(write.session)
          this.#release(write)
        }
        again.push(write)
      }
    }
    this.#again(again)
  }

  #onRefusal(frame: WriteFrame, refusal: Refusal): void {
    this.#frames.finish(frame)
    const again: PendingWrite[] = []
    if (refusal.code === 'disk-full') {
      this.#separate_ms = this.#options.clock.now_ms() + SEPARATE_MS
    }
    const mixed = frame.writes.some((write) => write.command.type === 'put')
    for (const write of frame.writes) {
      if (write.settled) continue
      if (frame.abandoned) {
        // It had been counted as in doubt; that frame surely does nothing any more.
        if (refusal.outcome === 'not-applied') write.doubts--
        continue
      }
      write.inFlight = false
      if (refusal.outcome === 'unknown') write.doubts++
      const verdict = verdictOnRefusal(refusal, write, mixed)
      if (verdict.type === 'refuse') this.#settle(write, verdict.error)
      else again.push(write)
    }
    if (frame.abandoned) return
    if (again.length > 0) this.#pauseFor(frame.replica)
    this.#again(again)
  }

  #again(writes: readonly PendingWrite[]): void {
    if (writes.length === 0) return
    this.#options.meters.retried(writes.length)
    this.#queue.retry(writes)
  }

  #isPaused(leader: Replica): boolean {
    const refused = this.#refused
    return refused?.replica === leader && refused.term === leader.status.term
  }

  #pauseFor(replica: Replica): void {
    this.#refused?.timer.cancel()
    const timer = this.#options.clock.after(REFUSED_PAUSE_MS, () => {
      this.#refused = undefined
      this.#schedule()
    })
    this.#refused = { replica, term: replica.status.term, timer }
  }

  #expire(expired: readonly PendingWrite[]): void {
    const diagnosis = diagnose(this.#options.pool)
    for (const write of expired) {
      const error = isInDoubt(write)
        ? unknownOutcome(`no answer came in time: ${diagnosis.message}`, diagnosis.missing)
        : refusalOf(diagnosis, 'not-applied')
      this.#settle(write, error)
    }
    this.#queue.sweep()
  }

  #settle(
    write: PendingWrite,
    error: ClusterError | undefined,
    result?: CommandResult,
    source?: AnswerSource,
  ): void {
    write.settled = true
    this.#deadlines.remove(write)
    this.#release(write)
    write.done(error, result, source)
  }

  /** Its sequence is decided, and will not be used again. */
  #release(write: PendingWrite): void {
    const { session, sequence } = write
    write.session = undefined
    write.sequence = 0
    if (session !== undefined) session.sequences.decide(sequence)
  }
}

function isInDoubt(write: PendingWrite): boolean {
  return write.inFlight || write.doubts > 0
}

function unknownOutcome(message: string, missing: readonly string[]): ClusterError {
  return new ClusterError('outcome-unknown', message, {
    outcome: 'unknown',
    details: { missing },
  })
}

function isResults(results: WriteReply['results']): results is readonly CommandResult[] {
  return Array.isArray(results)
}
