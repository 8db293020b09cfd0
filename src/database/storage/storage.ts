/**
 * The replica's disk: the `Storage` port on an opened database (DESIGN §6).
 *
 * All that consensus and the state machine want kept goes into one synced batch at a time
 * (commit-gate.ts). What is kept in memory is only what the next batch needs to know of the disk
 * (disk-state.ts); it moves when a batch is synced, never before.
 *
 *   openStorage ──► load ──► write, write, … (between them: compact, sweep, scrub, snapshots)
 */

import { assert } from '../../shared/assert.ts'
import { ClusterError } from '../../shared/errors.ts'
import { type Entry, formatOf } from '../consensus/entry.ts'
import type { HardState, Membership, SnapshotMeta, Write } from '../consensus/types.ts'
import type { KvChanges, RecordReader } from '../kv/types.ts'
import type {
  DiskSpace,
  Identity,
  ListOptions,
  SnapshotSource,
  Storage,
  StoredState,
} from '../replica/ports.ts'
import { CommitGate } from './commit-gate.ts'
import { compactLog } from './compaction.ts'
import { type DiskState, demandSealed, putChanges, putWrite, readPosition } from './disk-state.ts'
import { putForcedBootstrap } from './forced-bootstrap.ts'
import { type Database, HARD_STATE_KEY, IDENTITY_KEY } from './layout.ts'
import { readEntries, readLog } from './log-reader.ts'
import { expiringKeys, listRecords, readRecord, readSessions } from './record-reader.ts'
import { Scrubber } from './scrub.ts'
import { SnapshotReceiver } from './snapshot-receiver.ts'
import { SnapshotSender } from './snapshot-sender.ts'
import { decodeHardState, encodeHardState, encodeIdentity, seal } from './stored-values.ts'
import { Sweeper } from './sweep.ts'

/** What surrounds the database: the folder's plain files, or a test's stand-in for them. */
export interface Surroundings {
  space(): Promise<DiskSpace>
  /** Notes, synced, that this data must be set aside at the next start. */
  condemn(reason: string): Promise<void>
  /** Keeps the cluster's id outside the database, for the case that this data is set aside. */
  rememberCluster(identity: Identity): Promise<void>
  /** The newest format of anything that the database may hold. */
  readonly format: number
  /** Announces, synced, that it takes what has this format. */
  raiseFormat(format: number): Promise<void>
  close(): Promise<void>
}

export class LevelStorage implements Storage {
  readonly #db: Database
  readonly #surroundings: Surroundings
  readonly #gate: CommitGate
  readonly #receiver: SnapshotReceiver
  readonly #sender: SnapshotSender
  readonly #sweeper: Sweeper
  readonly #scrubber: Scrubber
  #identity: Identity
  #state: DiskState | undefined
  #writing = false
  /** What the surroundings know of the format. */
  #format: number
  /** The last announcement; one after another, since each replaces the same file. */
  #announced = Promise.resolve()
  readonly records: RecordReader

  constructor(db: Database, options: { identity: Identity; surroundings: Surroundings }) {
    this.#db = db
    this.#identity = options.identity
    this.#surroundings = options.surroundings
    this.#format = options.surroundings.format
    this.#gate = new CommitGate(db)
    this.#receiver = new SnapshotReceiver(db, this.#gate, (format) => this.#announce(format))
    this.#sender = new SnapshotSender(db)
    this.#sweeper = new Sweeper(db, this.#gate)
    this.#scrubber = new Scrubber(db, this.#gate)
    this.records = { get: (key) => readRecord(db, this.#loaded().live, key) }
  }

  get identity(): Identity {
    return this.#identity
  }

  #loaded(): DiskState {
    assert(this.#state !== undefined, 'the storage is not loaded yet')
    return this.#state
  }

  async adopt(clusterId: string): Promise<void> {
    assert(clusterId !== '', 'a cluster id is not empty')
    if (this.#identity.clusterId !== '') {
      // A base is never above the last index.
      const { lastIndex } = this.#loaded()
      assert(lastIndex === 0, 'this disk holds data of a cluster already')
    }
    const identity = { ...this.#identity, clusterId }
    // Outside first: a disk that is damaged right after must not pass for an empty one.
    await this.#surroundings.rememberCluster(identity)
    await this.#gate.commit((batch) => {
      batch.put(IDENTITY_KEY, seal(IDENTITY_KEY, encodeIdentity(identity)))
      return () => {
        this.#identity = identity
      }
    })
  }

  async load(): Promise<StoredState> {
    const db = this.#db
    const hardState = decodeHardState(demandSealed(db, HARD_STATE_KEY))
    const { base, live, meta } = readPosition(db)
    const log = await readLog(db, base, meta.applied)
    if (meta.applied < base.index || meta.applied > log.lastIndex) {
      const held = `${base.index} to ${log.lastIndex}`
      throw damaged(`the applied index ${meta.applied} is not within the log, ${held}`)
    }
    if (log.appliedTerm !== meta.appliedTerm) {
      throw damaged(`the entry at ${meta.applied} has not the applied term ${meta.appliedTerm}`)
    }
    const lastTerm = log.lastEntry?.term ?? base.term
    if (hardState.term < lastTerm) throw damaged(`term ${hardState.term} is behind the log's`)
    const sessions = await readSessions(db, live)
    const { lastIndex, memberships, termRuns, tail } = log
    this.#state = { base, lastIndex, memberships, live, meta }
    const consensus = { hardState, base, lastIndex, termRuns, memberships, tail }
    return { consensus: { ...consensus, applied: meta.applied }, meta, sessions }
  }

  async write(options: {
    writes: readonly Write[]
    changes: KvChanges | undefined
  }): Promise<void> {
    assert(!this.#writing, 'a write was begun before the last was synced')
    this.#writing = true
    try {
      const announced = this.#announce(newestFormat(options.writes))
      if (announced !== undefined) await announced
      await this.#gate.commit((batch) => {
        let state = this.#loaded()
        let hardState: HardState | undefined
        let bytes = 0
        for (const write of options.writes) {
          state = putWrite(batch, state, { write, received: this.#receiver.received })
          hardState = write.hardState ?? hardState
          for (const entry of write.entries) bytes += entry.bytes.length
        }
        if (options.changes !== undefined) state = putChanges(batch, state, options.changes)
        if (hardState !== undefined) {
          batch.put(HARD_STATE_KEY, seal(HARD_STATE_KEY, encodeHardState(hardState)))
        }
        return () => this.#written(state, bytes)
      })
    } finally {
      this.#writing = false
    }
  }

  /** Before the first bytes of a newer format: a version that cannot read them must not open it. */
  #announce(format: number): Promise<void> | undefined {
    if (format <= this.#format) return undefined
    this.#announced = this.#announced.then(async () => {
      await this.#surroundings.raiseFormat(format)
      this.#format = Math.max(format, this.#format)
    })
    return this.#announced
  }

  #written(state: DiskState, bytes: number): void {
    if (state.live.number !== this.#state?.live.number) {
      this.#receiver.installed()
      this.#sweeper.wake()
    }
    this.#state = state
    this.#sender.appended(bytes)
  }

  async readEntries(from: number, bytes_max: number): Promise<Entry[]> {
    const { base, lastIndex } = this.#loaded()
    if (from <= base.index || from > lastIndex) return []
    try {
      return await readEntries(this.#db, { from, last: lastIndex, bytes_max })
    } catch (error) {
      // A compaction under way may have taken the first of them just before they were read.
      const after = await this.#gate.between(() => this.#loaded().base)
      if (from <= after.index) return []
      throw error
    }
  }

  list(options: ListOptions): ReturnType<Storage['list']> {
    return listRecords(this.#db, this.#loaded().live, options)
  }

  expiring(time_ms: number, limit: number): Promise<{ key: Uint8Array; time_ms: number }[]> {
    return expiringKeys(this.#db, this.#loaded().live, { time_ms, limit })
  }

  openSnapshot(): Promise<SnapshotSource> {
    return this.#gate.between(() => this.#sender.open(this.#loaded(), this.#format))
  }

  async receiveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const generation = this.#loaded().live.number + 1
    try {
      await this.#receiver.receive(generation, { meta, chunks })
    } finally {
      this.#sweeper.wake()
    }
  }

  async compact(index: number): Promise<number> {
    assert(!this.#writing, 'compaction runs in the turn of the writer')
    const state = this.#loaded()
    const until = Math.min(index, state.meta.applied, this.#sender.lowestNeeded)
    await compactLog(this.#db, this.#gate, {
      until,
      state: () => this.#loaded(),
      moved: (next) => {
        this.#state = next
      },
    })
    return this.#loaded().base.index
  }

  sweep(): Promise<boolean> {
    return this.#sweeper.sweep(() => {
      const { base, live } = this.#loaded()
      return { base, live, receiving: this.#receiver.generation }
    })
  }

  scrub(): Promise<void> {
    return this.#scrubber.scrub(() => this.#loaded())
  }

  space(): Promise<DiskSpace> {
    return this.#surroundings.space()
  }

  condemn(reason: string): Promise<void> {
    return this.#surroundings.condemn(reason)
  }

  async forceBootstrap(membership: Membership, incarnation: string): Promise<void> {
    // What a stopped loop left under way is part of what is kept.
    await this.#gate.between(() => undefined)
    const { consensus } = await this.load()
    const identity = { ...this.#identity, incarnation, clusterId: membership.clusterId }
    await this.#gate.commit((batch) => {
      const state = this.#loaded()
      const next = putForcedBootstrap(batch, state, { consensus, identity, membership })
      return () => {
        this.#state = next
        this.#identity = identity
      }
    })
    await this.#surroundings.rememberCluster(identity)
  }

  async close(): Promise<void> {
    await this.#gate.between(() => undefined)
    await this.#surroundings.close()
    await this.#db.close()
  }
}

function newestFormat(writes: readonly Write[]): number {
  let newest = 0
  for (const { entries } of writes) {
    for (const entry of entries) newest = Math.max(newest, formatOf(entry))
  }
  return newest
}

function damaged(what: string): ClusterError {
  return new ClusterError('data-damaged', what)
}
