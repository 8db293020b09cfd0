/**
 * The replica's loop: input → step → persist → send → apply → answer.
 *
 *   frames, messages, ticks ──► Core.step (pure) ──► write ──► DiskWriter ──synced──► Core.step
 *                                    │                                    └─► held messages leave
 *                                    ├──► messages that need no disk leave at once
 *                                    └──► committed entries ──► KvState.apply ──► results, reads
 *
 * It owns the order: nothing that depends on the disk leaves before the disk has it, committed
 * entries are applied in order and at once, and after the first refused write nothing leaves at
 * all. It does no I/O of its own: storage, transport and clock are handed in.
 */

import { assert } from '../../shared/assert.ts'
import type { Clock, Timer } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { Core } from '../consensus/core.ts'
import { type Entry, payloadOf } from '../consensus/entry.ts'
import type {
  CoreConfig,
  CoreEvent,
  CoreStatus,
  Effects,
  Input,
  MemberId,
  Outgoing,
} from '../consensus/types.ts'
import { encodePayload } from '../kv/codec.ts'
import { KvState } from '../kv/state.ts'
import type { CommandResult, KvMeta } from '../kv/types.ts'
import { DiskWriter } from './disk-writer.ts'
import { FINGERPRINT_EVERY_ENTRIES, type Fingerprint } from './fingerprints.ts'
import { LogMeter } from './log-meter.ts'
import type { IncomingSnapshot, Storage, StoredState, Transport } from './ports.ts'
import { type Origin, Proposals } from './proposals.ts'
import { SnapshotExchange } from './snapshot-exchange.ts'
import { type ReadTerms, type ReadWaiter, WaitingReads } from './waiting-reads.ts'

/** Applied changes reach the disk after this long without another batch to ride on. */
const FLUSH_AFTER_MS = 50

export type LoopOptions = {
  readonly storage: Storage
  readonly transport: Transport
  readonly clock: Clock
  readonly core: CoreConfig
  readonly stored: StoredState
  /** Persists the cluster id before the first log content. */
  readonly beforeContent: () => Promise<void>
  /** This replica's content hash at an index where all replicas note theirs. */
  readonly onFingerprint: (fingerprint: Fingerprint) => void
  /** Consensus says something a person or an API server wants to know. */
  readonly onEvent: (event: CoreEvent) => void
  /** The loop has stopped for good; nothing leaves any more. */
  readonly onFatal: (error: unknown) => void
}

export class Loop {
  readonly #options: LoopOptions
  readonly #core: Core
  readonly #writer: DiskWriter
  readonly #proposals = new Proposals()
  readonly #reads: WaitingReads
  readonly #snapshots: SnapshotExchange
  readonly logMeter: LogMeter
  #kv: KvState
  #inputs: Input[] = []
  #stepping = false
  #halted = false
  #diverged = false
  #held: Outgoing[] = []
  #persisted = 0
  /** A snapshot is being switched in: the state machine is reloaded from it. */
  #installing = false
  #deferred: Entry[] = []
  #pumpScheduled = false
  #tick: Timer | undefined
  #flush: Timer | undefined
  /** Figures for metrics. */
  readonly counters = { entries: 0, commands: 0, repeated: 0, proposals: 0 }

  constructor(options: LoopOptions) {
    this.#options = options
    const { storage, clock, stored } = options
    this.#kv = new KvState(storage.records, { meta: stored.meta, sessions: stored.sessions })
    this.#core = new Core(options.core, stored.consensus, this.#instant())
    this.logMeter = new LogMeter(stored.consensus.base.index, stored.consensus.tail)
    this.#writer = new DiskWriter(storage, {
      takeChanges: () => (this.#installing ? undefined : this.#kv.takeChanges()),
      beforeContent: options.beforeContent,
      onSynced: (batch) => void this.#synced(batch),
      onFailed: (error) => this.#fail(error),
    })
    this.#snapshots = new SnapshotExchange({
      storage,
      transport: options.transport,
      self: options.core.self,
      step: (input) => this.step(input),
      status: () => this.#core.status(),
    })
    this.#reads = new WaitingReads({
      now_ms: () => clock.now_ms(),
      applied: () => this.applied,
      revision: () => this.#kv.revision,
      age_ms: () => this.age_ms(),
      problem: () => this.problem(),
      ask: (id) => this.step({ type: 'read', id }),
    })
  }

  /** Starts the clock. */
  start(): void {
    const interval_ms = this.#options.core.heartbeat_ms / 4
    const tick = () => {
      if (this.#halted) return
      this.#tick = this.#options.clock.after(interval_ms, tick)
      this.step({ type: 'tick' })
      this.#tickReads()
      this.#schedulePump()
    }
    tick()
  }

  #tickReads(): void {
    try {
      this.#reads.tick()
    } catch (error) {
      this.#fail(error)
    }
  }

  // What others may ask.

  status(): CoreStatus {
    return this.#core.status()
  }

  meta(): KvMeta {
    return this.#kv.meta()
  }

  get kv(): KvState {
    return this.#kv
  }

  get writer(): DiskWriter {
    return this.#writer
  }

  get halted(): boolean {
    return this.#halted
  }

  get applied(): number {
    return this.#installing ? -1 : this.#kv.applied
  }

  get leads(): boolean {
    return this.#core.leader === this.#options.core.self
  }

  /** Why client writes are refused although this replica leads; undefined: they are not. */
  get refusing(): CoreStatus['refusing'] | 'data-diverged' {
    return this.#diverged ? 'data-diverged' : this.#core.refusing
  }

  /** The replicas' states differ and no majority knows the right one: no more client writes. */
  stopWrites(): void {
    this.#diverged = true
  }

  /** Highest revision applied here. */
  get revision(): number {
    return this.#kv.revision
  }

  get waitingWrites(): number {
    return this.#proposals.waitingCount
  }

  get waitingReads(): number {
    return this.#reads.size
  }

  /** How old the applied state may be, ms; -1: unknown. */
  age_ms(): number {
    const fresh_ms = this.#core.status().freshAt_ms
    return fresh_ms < 0 ? -1 : Math.max(0, this.#options.clock.now_ms() - fresh_ms)
  }

  /** Why nothing linearizable is possible here now. */
  problem(): { code: 'no-leader' | 'quorum-lost' | 'cluster-forming'; message: string } {
    const status = this.#core.status()
    if (status.membership === undefined) {
      return { code: 'cluster-forming', message: 'this replica waits for its first data' }
    }
    if (status.leader === undefined) {
      return { code: 'no-leader', message: 'there is no leader that a quorum follows' }
    }
    if (!status.membership.opened) {
      return { code: 'cluster-forming', message: 'not all replicas have stored the cluster id yet' }
    }
    return { code: 'no-leader', message: 'the leader has not confirmed its lead in time' }
  }

  // Inputs.

  /** Hands one input to consensus and does what it asks for. */
  step(input: Input): void {
    if (this.#halted) return
    if (this.#stepping) {
      this.#inputs.push(input)
      return
    }
    this.#stepping = true
    try {
      let next: Input | undefined = input
      while (next !== undefined && !this.#halted) {
        this.#handle(this.#core.step(this.#instant(), next))
        next = this.#inputs.shift()
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#stepping = false
    }
  }

  /** Queues a client's segment (checked by the caller) on the leader. Throws why not. */
  propose(segment: Uint8Array, count: number, origin: Origin): void {
    this.#proposals.add(segment, count, origin)
    this.#schedulePump()
  }

  /** Runs `waiter` once its terms are met. A damaged record found by it ends the loop. */
  read(terms: ReadTerms, waiter: ReadWaiter): void {
    if (this.#halted) {
      waiter.refuse('shutting-down', 'this replica is stopping')
      return
    }
    try {
      this.#reads.add(terms, waiter)
    } catch (error) {
      this.#fail(error)
    }
  }

  async receiveSnapshot(incoming: IncomingSnapshot): Promise<void> {
    // Its generation must not be touched before it is switched in.
    if (this.#installing) throw new ClusterError('overloaded', 'a snapshot is being switched in')
    await this.#snapshots.receive(incoming)
  }

  /** Deletes old log entries in the writer's turn. */
  compact(index: number): void {
    this.#writer.between(async () => {
      const reached = await this.#options.storage.compact(index)
      this.logMeter.compacted(reached)
      this.step({ type: 'compacted', index: reached })
    })
  }

  /** Stops for good, without another word. Resolves when no batch is under way. */
  async stop(): Promise<void> {
    await this.#writer.idle()
    this.#halt()
  }

  #instant(): { now_ms: number; wall_ms: number } {
    const { clock } = this.#options
    return { now_ms: clock.now_ms(), wall_ms: clock.wall_ms() }
  }

  // Effects, in the order that types.ts promises.

  #handle(effects: Effects): void {
    if (effects.write !== undefined) {
      if (effects.write.install !== undefined) this.#installing = true
      this.logMeter.written(effects.write)
      this.#writer.add(effects.write)
    }
    for (const outgoing of effects.messages) this.#send(outgoing)
    for (const event of effects.events) this.#event(event)
    if (effects.committed.length > 0) this.#commit(effects.committed)
    for (const outcome of effects.reads) {
      if ('refused' in outcome) this.#reads.refused(outcome.id)
      else this.#reads.confirmed(outcome.id, outcome.index)
    }
    for (const { to, from, bytes_max } of effects.load) void this.#load(to, from, bytes_max)
    for (const { to } of effects.snapshots) void this.#snapshots.send(to)
  }

  #send(outgoing: Outgoing): void {
    if (outgoing.after <= this.#persisted) this.#options.transport.send(outgoing.message)
    else this.#held.push(outgoing)
  }

  #event(event: CoreEvent): void {
    if (event.type === 'stepped-down') this.#proposals.refuseAll()
    if (event.type === 'diverged') {
      this.#fail(new ClusterError('data-damaged', `log entry ${event.index}: ${event.why}`))
    }
    this.#options.onEvent(event)
  }

  #commit(entries: readonly Entry[]): void {
    if (this.#installing) {
      for (const entry of entries) this.#deferred.push(entry)
      return
    }
    for (const entry of entries) this.#apply(entry)
    this.#reads.advanced()
    this.#schedulePump()
    this.#flush ??= this.#options.clock.after(FLUSH_AFTER_MS, () => {
      this.#flush = undefined
      this.#writer.flush()
    })
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#kv.applied + 1, `entry ${entry.index} applied out of order`)
    const results = this.#kv.apply(entry, payloadOf(entry))
    this.counters.entries += 1
    this.counters.commands += entry.count
    this.#countRepeated(results)
    if (entry.index % FINGERPRINT_EVERY_ENTRIES === 0) {
      this.#options.onFingerprint({ index: entry.index, hash: this.#kv.meta().hash })
    }
    this.#proposals.applied(entry.index, entry.term, results)
  }

  #countRepeated(results: readonly (readonly CommandResult[])[]): void {
    for (const segment of results) {
      for (const result of segment) if (result.repeated) this.counters.repeated += 1
    }
  }

  async #load(to: MemberId, from: number, bytes_max: number): Promise<void> {
    try {
      const entries = await this.#options.storage.readEntries(from, bytes_max)
      this.step({ type: 'loaded', to, from, entries })
    } catch (error) {
      this.#fail(error)
    }
  }

  // The disk.

  async #synced(batch: { id: number; installed: boolean; changes: boolean }): Promise<void> {
    if (this.#halted) return
    if (batch.changes) this.#kv.changesPersisted()
    if (batch.installed) await this.#reload()
    if (this.#halted) return
    if (batch.id > this.#persisted) {
      this.#persisted = batch.id
      this.#release()
      this.step({ type: 'persisted', write: batch.id })
    }
    this.#schedulePump()
  }

  #release(): void {
    if (this.#held.length === 0) return
    const held = this.#held
    this.#held = []
    for (const outgoing of held) this.#send(outgoing)
  }

  /** The state machine starts again from the snapshot that was just switched in. */
  async #reload(): Promise<void> {
    try {
      const stored = await this.#options.storage.load()
      this.#kv = new KvState(this.#options.storage.records, {
        meta: stored.meta,
        sessions: stored.sessions,
      })
      this.logMeter.reset(stored.consensus.base.index, stored.consensus.tail)
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#installing = false
    const deferred = this.#deferred
    this.#deferred = []
    const applied = this.#kv.applied
    this.#commit(deferred.filter((entry) => entry.index > applied))
  }

  // Proposals.

  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    queueMicrotask(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  /** Merges what waits into the next entry, as soon as the own disk is free (back-pressure). */
  #pump(): void {
    while (!this.#halted && !this.#writer.busy && this.#proposals.waitingCount > 0) {
      if (!this.#core.canPropose) return
      const batch = this.#proposals.next()
      if (batch === undefined) return
      const payload = encodePayload(batch.segments)
      const effects = this.#core.step(this.#instant(), {
        type: 'propose',
        count: batch.count,
        payload,
      })
      const entry = effects.proposed
      if (entry === undefined) {
        for (const origin of batch.origins) origin.refuse(false)
      } else {
        this.counters.proposals += 1
        this.#proposals.proposed(batch, entry.index, entry.term)
      }
      this.#stepping = true
      try {
        this.#handle(effects)
      } catch (error) {
        this.#fail(error)
      } finally {
        this.#stepping = false
      }
      const queued = this.#inputs.shift()
      if (queued !== undefined) this.step(queued)
    }
  }

  /** Refuses what waits for a leader that takes no proposals (any more). */
  refuseWaiting(): void {
    this.#proposals.refuseWaiting()
  }

  #halt(): void {
    this.#halted = true
    this.#writer.stop()
    this.#tick?.cancel()
    this.#flush?.cancel()
    this.#held = []
    this.#reads.refuseAll('shutting-down', 'this replica is stopping')
    this.#proposals.refuseAll()
  }

  #fail(error: unknown): void {
    if (this.#halted) return
    // Nothing may leave after a failure: what waits is not answered, its links just end.
    this.#halted = true
    this.#writer.stop()
    this.#tick?.cancel()
    this.#flush?.cancel()
    this.#held = []
    this.#options.onFatal(error)
  }
}
