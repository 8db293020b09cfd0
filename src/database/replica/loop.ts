/**
 * The replica's loop: input → step → persist → send → apply → answer. It makes its parts, joins
 * them, and is what the rest of the replica asks and tells; the order of the steps is steps.ts's.
 * It does no I/O of its own: storage, transport and clock are handed in.
 *
 *   writes ─────► Proposer ─────────┐          ┌──► DiskWriter ──synced──► Steps
 *   reads ──────► WaitingReads ─────┼──► Steps ┼──► Outbox ──► peers
 *   snapshots ──► SnapshotExchange ─┘          └──► Applier ──► Proposer and WaitingReads answer
 */

import type { Clock } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { PIPELINE_COMMANDS_MIN } from '../../shared/limits.ts'
import { Core } from '../consensus/core.ts'
import type { CoreConfig, CoreEvent, CoreStatus, Input } from '../consensus/types.ts'
import type { KvState } from '../kv/state.ts'
import type { KvMeta } from '../kv/types.ts'
import { Applier } from './applier.ts'
import { DiskWriter } from './disk-writer.ts'
import type { Fingerprint } from './fingerprints.ts'
import { FlushTimer } from './flush-timer.ts'
import { LogMeter } from './log-meter.ts'
import type { IncomingSnapshot, Storage, StoredState, Transport } from './ports.ts'
import type { Origin } from './proposals.ts'
import { Proposer } from './proposer.ts'
import { SnapshotExchange } from './snapshot-exchange.ts'
import { Steps } from './steps.ts'
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
  readonly #steps: Steps
  #diverged = false

  constructor(options: LoopOptions) {
    this.#options = options
    const { storage, transport, clock, stored, onEvent, onFatal } = options
    const instant = { now_ms: clock.now_ms(), wall_ms: clock.wall_ms() }
    this.#core = new Core(options.core, stored.consensus, instant)
    this.logMeter = new LogMeter(stored.consensus.base.index, stored.consensus.tail)
    this.#applier = new Applier({
      storage,
      stored,
      onApplied: (entry, results) =>
        this.#proposer.proposals.applied(entry.index, entry.term, results),
      onFingerprint: options.onFingerprint,
    })
    const flush = new FlushTimer(clock, () => this.writer.flush())
    this.writer = this.#makeWriter(flush)
    this.#proposer = this.#makeProposer()
    this.#snapshots = new SnapshotExchange({
      storage,
      transport,
      self: options.core.self,
      step: (input) => this.step(input),
      status: () => this.#core.status(),
      onFailed: (error) => this.#steps.fail(error),
    })
    this.#reads = this.#makeReads()
    this.#steps = new Steps({
      core: this.#core,
      storage,
      transport,
      clock,
      tickEvery_ms: options.core.heartbeat_ms / 4,
      applier: this.#applier,
      writer: this.writer,
      flush,
      logMeter: this.logMeter,
      proposer: this.#proposer,
      reads: this.#reads,
      snapshots: this.#snapshots,
      onEvent,
      onFatal,
    })
  }

  #makeWriter(flush: FlushTimer): DiskWriter {
    const { storage, beforeContent } = this.#options
    return new DiskWriter(storage, {
      takeChanges: () => {
        if (!flush.isDue(this.#applier.kv.unwritten_bytes)) return undefined
        flush.stop()
        return this.#applier.takeChanges()
      },
      beforeContent,
      onSynced: (batch) => this.#steps.synced(batch),
      onFree: () => this.#proposer.schedule(),
      onFailed: (error) => this.#steps.fail(error),
    })
  }

  #makeProposer(): Proposer {
    return new Proposer({
      ready: (waiting) =>
        !this.halted &&
        !this.writer.busy &&
        this.#core.canPropose &&
        (waiting >= PIPELINE_COMMANDS_MIN || this.#core.settled),
      propose: (batch, proposed) => this.#steps.propose(batch, proposed),
    })
  }

  #makeReads(): WaitingReads {
    const { clock, core } = this.#options
    return new WaitingReads({
      now_ms: () => clock.now_ms(),
      applied: () => this.applied,
      revision: () => this.revision,
      age_ms: () => this.age_ms(),
      // Only who had caught up became a voter.
      wasWhole: () => this.status().membership?.voters.includes(core.self) ?? false,
      problem: () => this.problem(),
      ask: (id) => this.step({ type: 'read', id }),
    })
  }

  /** Starts the clock. */
  start(): void {
    this.#steps.start()
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
    return this.#steps.halted
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
    this.#steps.step(input)
  }

  /** Queues a client's segment (checked by the caller) on the leader. Throws `overloaded`. */
  propose(segment: Uint8Array, count: number, origin: Origin): void {
    this.#proposer.add(segment, count, origin)
  }

  /** Runs `waiter` once its terms are met. A damaged record found by it ends the loop. */
  read(terms: ReadTerms, waiter: ReadWaiter): void {
    if (this.halted) waiter.refuse('shutting-down', 'this replica is stopping')
    else this.#steps.orFail(() => this.#reads.add(terms, waiter))
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
    this.#steps.halt()
    this.#reads.refuseAll('shutting-down', 'this replica is stopping')
    this.#proposer.proposals.refuseAll()
  }
}
