/**
 * The replica's loop: input → step → persist → send → apply → answer.
 *
 *   frames, messages, ticks ──► Core.step (pure) ──► write ──► DiskWriter ──synced──► Core.step
 *                                    │                                    └─► held messages leave
 *                                    ├──► messages that need no disk leave at once
 *                                    └──► committed entries ──► Applier ──► results, reads
 *
 * It owns the order: nothing that depends on the disk leaves before the disk has it, committed
 * entries are applied in order and at once, and after the first refused write nothing leaves at
 * all. It does no I/O of its own: storage, transport and clock are handed in.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { PIPELINE_COMMANDS_MIN } from '../../shared/limits.ts'
import { Core } from '../consensus/core.ts'
import type { Entry } from '../consensus/entry.ts'
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
import type { KvState } from '../kv/state.ts'
import type { KvMeta } from '../kv/types.ts'
import { Applier } from './applier.ts'
import { DiskWriter, type SyncedBatch } from './disk-writer.ts'
import type { Fingerprint } from './fingerprints.ts'
import { FlushTimer } from './flush-timer.ts'
import { LogMeter } from './log-meter.ts'
import type { IncomingSnapshot, Storage, StoredState, Transport } from './ports.ts'
import type { Batch, Origin } from './proposals.ts'
import { Proposer } from './proposer.ts'
import { SnapshotExchange } from './snapshot-exchange.ts'
import { type ReadTerms, type ReadWaiter, WaitingReads } from './waiting-reads.ts'

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
  /** What people are told to do where the cluster cannot help itself. */
  readonly advice: () => string | undefined
  /** Consensus says something a person or an API server wants to know. */
  readonly onEvent: (event: CoreEvent) => void
  /** The loop has stopped for good; nothing leaves any more. */
  readonly onFatal: (error: unknown) => void
}

export class Loop {
  readonly #options: LoopOptions
  readonly #core: Core
  readonly #applier: Applier
  readonly #proposer: Proposer
  readonly #reads: WaitingReads
  readonly #snapshots: SnapshotExchange
  readonly writer: DiskWriter
  readonly logMeter: LogMeter
  #inputs: Input[] = []
  #stepping = false
  #halted = false
  #diverged = false
  #held: Outgoing[] = []
  #persisted = 0
  #tick: Timer | undefined
  readonly #flush: FlushTimer

  constructor(options: LoopOptions) {
    this.#options = options
    const { storage, clock, stored, transport } = options
    this.#core = new Core(options.core, stored.consensus, this.#instant())
    this.logMeter = new LogMeter(stored.consensus.base.index, stored.consensus.tail)
    this.#applier = new Applier({
      storage,
      stored,
      onApplied: (entry, results) =>
        this.#proposer.proposals.applied(entry.index, entry.term, results),
      onFingerprint: options.onFingerprint,
    })
    this.writer = new DiskWriter(storage, {
      takeChanges: () => {
        if (!this.#flush.isDue(this.#applier.kv.unwritten_bytes)) return undefined
        this.#flush.stop()
        return this.#applier.takeChanges()
      },
      beforeContent: options.beforeContent,
      onSynced: (batch) => this.#synced(batch),
      onFree: () => this.#proposer.schedule(),
      onFailed: (error) => this.#fail(error),
    })
    this.#flush = new FlushTimer(clock, () => this.writer.flush())
    this.#proposer = new Proposer({
      ready: (waiting) =>
        !this.#halted &&
        !this.writer.busy &&
        this.#core.canPropose &&
        (waiting >= PIPELINE_COMMANDS_MIN || this.#core.settled),
      propose: (batch, proposed) => this.#propose(batch, proposed),
    })
    this.#snapshots = new SnapshotExchange({
      storage,
      transport,
      self: options.core.self,
      step: (input) => this.step(input),
      status: () => this.#core.status(),
      onFailed: (error) => this.#fail(error),
    })
    this.#reads = new WaitingReads({
      now_ms: () => clock.now_ms(),
      applied: () => this.applied,
      revision: () => this.revision,
      age_ms: () => this.age_ms(),
      // Only who had caught up became a voter.
      wasWhole: () => this.status().membership?.voters.includes(options.core.self) ?? false,
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
      this.#orFail(() => this.#reads.tick())
      this.#proposer.schedule()
    }
    tick()
  }

  // What others may ask.

  status(): CoreStatus {
    return this.#core.status()
  }

  meta(): KvMeta {
    return this.#applier.kv.meta()
  }

  get kv(): KvState {
    return this.#applier.kv
  }

  get halted(): boolean {
    return this.#halted
  }

  /** Index of the last applied entry; -1 while a snapshot is being switched in. */
  get applied(): number {
    return this.#applier.applied
  }

  /** Highest revision applied here. */
  get revision(): number {
    return this.#applier.kv.revision
  }

  get leads(): boolean {
    return this.#core.leader === this.#options.core.self
  }

  /** Why client writes are refused although this replica leads; undefined: they are not. */
  get refusing(): CoreStatus['refusing'] | 'data-diverged' {
    return this.#diverged ? 'data-diverged' : this.#core.refusing
  }

  /** Figures for metrics. */
  get counters() {
    return {
      ...this.#applier.counters,
      proposals: this.#proposer.proposed,
      waitingWrites: this.#proposer.proposals.waitingCount,
      waitingReads: this.#reads.size,
      snapshots: this.#snapshots.counters,
    }
  }

  /** How old the applied state may be, ms; -1: unknown. */
  age_ms(): number {
    const fresh_ms = this.#core.status().freshAt_ms
    return fresh_ms < 0 ? -1 : Math.max(0, this.#options.clock.now_ms() - fresh_ms)
  }

  /** Why nothing linearizable is possible here now. */
  problem(): { code: 'no-leader' | 'quorum-lost' | 'cluster-forming'; message: string } {
    const { membership, leader } = this.#core.status()
    if (membership === undefined) {
      return { code: 'cluster-forming', message: 'this replica waits for its first data' }
    }
    if (leader === undefined) {
      const advice = this.#options.advice()
      if (advice !== undefined) return { code: 'quorum-lost', message: advice }
      return { code: 'no-leader', message: 'there is no leader that a quorum follows' }
    }
    if (!membership.opened) {
      return { code: 'cluster-forming', message: 'not all replicas have stored the cluster id yet' }
    }
    return { code: 'no-leader', message: 'the leader has not confirmed its lead in time' }
  }

  // Inputs.

  /** Hands one input to consensus and does what it asks for; what that brings follows at once. */
  step(input: Input): void {
    if (this.#stepping) {
      if (!this.#halted) this.#inputs.push(input)
      return
    }
    this.#exclusively(() => this.#handle(this.#core.step(this.#instant(), input)))
  }

  /** Queues a client's segment (checked by the caller) on the leader. Throws `overloaded`. */
  propose(segment: Uint8Array, count: number, origin: Origin): void {
    this.#proposer.add(segment, count, origin)
  }

  /** Runs `waiter` once its terms are met. A damaged record found by it ends the loop. */
  read(terms: ReadTerms, waiter: ReadWaiter): void {
    if (this.#halted) waiter.refuse('shutting-down', 'this replica is stopping')
    else this.#orFail(() => this.#reads.add(terms, waiter))
  }

  async receiveSnapshot(incoming: IncomingSnapshot): Promise<void> {
    // Its generation must not be touched before it is switched in.
    if (this.#applier.installing) {
      throw new ClusterError('overloaded', 'a snapshot is being switched in')
    }
    await this.#snapshots.receive(incoming)
  }

  /** Deletes old log entries in the writer's turn. */
  compact(index: number): void {
    this.writer.between(async () => {
      const reached = await this.#options.storage.compact(index)
      this.logMeter.compacted(reached)
      this.step({ type: 'compacted', index: reached })
    })
  }

  /** The replicas' states differ and no majority knows the right one: no more client writes. */
  stopWrites(): void {
    this.#diverged = true
  }

  /** Stops for good; who waits is told. Resolves when no batch is under way. */
  async stop(): Promise<void> {
    await this.writer.idle()
    this.#halt()
    this.#reads.refuseAll('shutting-down', 'this replica is stopping')
    this.#proposer.proposals.refuseAll()
  }

  #instant(): { now_ms: number; wall_ms: number } {
    const { clock } = this.#options
    return { now_ms: clock.now_ms(), wall_ms: clock.wall_ms() }
  }

  #exclusively(run: () => void): void {
    if (this.#halted) return
    this.#stepping = true
    try {
      run()
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        if (!this.#halted) this.#handle(this.#core.step(this.#instant(), next))
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#stepping = false
    }
  }

  #propose(batch: Batch, proposed: (entry: Entry | undefined) => void): void {
    const payload = encodePayload(batch.segments)
    this.#exclusively(() => {
      const input: Input = { type: 'propose', count: batch.count, payload }
      const effects = this.#core.step(this.#instant(), input)
      proposed(effects.proposed)
      this.#handle(effects)
    })
  }

  // Effects, in the order that types.ts promises.

  #handle(effects: Effects): void {
    if (effects.write !== undefined) {
      if (effects.write.install !== undefined) this.#applier.installBegun()
      this.logMeter.written(effects.write)
      this.writer.add(effects.write)
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
    if (event.type === 'stepped-down') this.#proposer.proposals.refuseAll()
    if (event.type === 'diverged') {
      this.#fail(new ClusterError('data-damaged', `log entry ${event.index}: ${event.why}`))
    }
    this.#options.onEvent(event)
  }

  #commit(entries: readonly Entry[]): void {
    this.#applier.commit(entries)
    this.#reads.advanced()
    this.#proposer.schedule()
    this.#flush.start()
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

  /** Resolves before the next batch begins. */
  #synced(batch: SyncedBatch): Promise<void> | undefined {
    if (batch.changes && !this.#applier.installing) this.#applier.kv.changesPersisted()
    if (batch.installed) return this.#installed(batch.id)
    this.#persistedUpTo(batch.id)
    return undefined
  }

  async #installed(id: number): Promise<void> {
    const { consensus } = await this.#applier.installed()
    this.logMeter.reset(consensus.base.index, consensus.tail)
    this.#orFail(() => this.#reads.advanced())
    this.#persistedUpTo(id)
  }

  #persistedUpTo(id: number): void {
    if (this.#halted) return
    if (id > this.#persisted) {
      this.#persisted = id
      const held = this.#held
      this.#held = []
      for (const outgoing of held) this.#send(outgoing)
      this.step({ type: 'persisted', write: id })
    }
  }

  // The end.

  #orFail(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#fail(error)
    }
  }

  #halt(): void {
    this.#halted = true
    this.writer.stop()
    this.#tick?.cancel()
    this.#flush.stop()
    this.#held = []
    this.#inputs = []
  }

  /** Nothing may leave after a failure: what waits is not answered, its links just end. */
  #fail(error: unknown): void {
    if (this.#halted) return
    this.#halt()
    this.#options.onFatal(error)
  }
}
