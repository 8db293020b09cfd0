/**
 * The steps of a replica's loop, in their order. One input at a time goes to consensus, and its
 * effects go on to the parts that carry them out:
 *
 *   frames, messages, ticks ──► Core.step (pure) ──► write ──► DiskWriter ──synced──► Core.step
 *                                    │                                    └─► held messages leave
 *                                    ├──► messages that need no disk leave at once
 *                                    └──► committed entries ──► Applier ──► results, reads
 *
 * Nothing that depends on the disk leaves before the disk has it (outbox.ts), committed entries are
 * applied in order and at once, and after the first refused write nothing leaves at all.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import type { Core } from '../consensus/core.ts'
import type { Entry } from '../consensus/entry.ts'
import type { CoreEvent, Effects, Input, Instant, MemberId } from '../consensus/types.ts'
import { encodePayload } from '../kv/codec.ts'
import type { Applier } from './applier.ts'
import type { DiskWriter, SyncedBatch } from './disk-writer.ts'
import type { FlushTimer } from './flush-timer.ts'
import type { LogMeter } from './log-meter.ts'
import { Outbox } from './outbox.ts'
import type { Storage, Transport } from './ports.ts'
import type { Batch } from './proposals.ts'
import type { Proposer } from './proposer.ts'
import type { SnapshotExchange } from './snapshot-exchange.ts'
import type { WaitingReads } from './waiting-reads.ts'

/** Consensus, and the parts that carry its effects out. */
export type StepsOptions = {
  readonly core: Core
  readonly storage: Storage
  readonly transport: Transport
  readonly clock: Clock
  readonly tickEvery_ms: number
  readonly applier: Applier
  readonly writer: DiskWriter
  readonly flush: FlushTimer
  readonly logMeter: LogMeter
  readonly proposer: Proposer
  readonly reads: WaitingReads
  readonly snapshots: SnapshotExchange
  readonly onEvent: (event: CoreEvent) => void
  /** Nothing leaves any more. */
  readonly onFatal: (error: unknown) => void
}

export class Steps {
  readonly #options: StepsOptions
  readonly #core: Core
  readonly #outbox: Outbox
  #inputs: Input[] = []
  #stepping = false
  #halted = false
  #tick: Timer | undefined

  constructor(options: StepsOptions) {
    this.#options = options
    this.#core = options.core
    this.#outbox = new Outbox(options.transport)
  }

  get halted(): boolean {
    return this.#halted
  }

  /** Starts the clock. */
  start(): void {
    const { clock, tickEvery_ms, reads, proposer } = this.#options
    const tick = () => {
      if (this.#halted) return
      this.#tick = clock.after(tickEvery_ms, tick)
      this.step({ type: 'tick' })
      this.orFail(() => reads.tick())
      proposer.schedule()
    }
    tick()
  }

  /** Hands one input to consensus and does what it asks for; what that brings follows at once. */
  step(input: Input): void {
    if (this.#stepping) {
      if (!this.#halted) this.#inputs.push(input)
      return
    }
    this.#exclusively(() => this.#handle(this.#core.step(this.#instant(), input)))
  }

  /** Proposes an entry; calls `proposed` with it before anything else happens to it. */
  propose(batch: Batch, proposed: (entry: Entry | undefined) => void): void {
    const payload = encodePayload(batch.segments)
    this.#exclusively(() => {
      const input: Input = { type: 'propose', count: batch.count, payload }
      const effects = this.#core.step(this.#instant(), input)
      proposed(effects.proposed)
      this.#handle(effects)
    })
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
      this.fail(error)
    } finally {
      this.#stepping = false
    }
  }

  #instant(): Instant {
    const { clock } = this.#options
    return { now_ms: clock.now_ms(), wall_ms: clock.wall_ms() }
  }

  // Effects, in the order that types.ts promises.

  #handle(effects: Effects): void {
    const { applier, writer, logMeter, reads, snapshots } = this.#options
    if (effects.write !== undefined) {
      if (effects.write.install !== undefined) applier.installBegun()
      logMeter.written(effects.write)
      writer.add(effects.write)
    }
    for (const outgoing of effects.messages) this.#outbox.send(outgoing)
    for (const event of effects.events) this.#event(event)
    if (effects.committed.length > 0) this.#commit(effects.committed)
    for (const outcome of effects.reads) {
      if ('refused' in outcome) reads.refused(outcome.id)
      else reads.confirmed(outcome.id, outcome.index)
    }
    for (const { to, from, bytes_max } of effects.load) void this.#load(to, from, bytes_max)
    for (const { to } of effects.snapshots) void snapshots.send(to)
  }

  #event(event: CoreEvent): void {
    if (event.type === 'stepped-down') this.#options.proposer.proposals.refuseAll()
    if (event.type === 'diverged') {
      this.fail(new ClusterError('data-damaged', `log entry ${event.index}: ${event.why}`))
    }
    this.#options.onEvent(event)
  }

  #commit(entries: readonly Entry[]): void {
    const { applier, reads, proposer, flush } = this.#options
    applier.commit(entries)
    reads.advanced()
    proposer.schedule()
    flush.start()
  }

  async #load(to: MemberId, from: number, bytes_max: number): Promise<void> {
    try {
      const entries = await this.#options.storage.readEntries(from, bytes_max)
      this.step({ type: 'loaded', to, from, entries })
    } catch (error) {
      this.fail(error)
    }
  }

  // The disk.

  /** A batch is on the disk. Resolves before the next batch begins. */
  synced(batch: SyncedBatch): Promise<void> | undefined {
    const { applier } = this.#options
    if (batch.changes && !applier.installing) applier.kv.changesPersisted()
    if (batch.installed) return this.#installed(batch.id)
    this.#persistedUpTo(batch.id)
    return undefined
  }

  async #installed(id: number): Promise<void> {
    const { applier, logMeter, reads } = this.#options
    const { consensus } = await applier.installed()
    logMeter.reset(consensus.base.index, consensus.tail)
    this.orFail(() => reads.advanced())
    this.#persistedUpTo(id)
  }

  #persistedUpTo(id: number): void {
    if (this.#halted) return
    if (this.#outbox.persisted(id)) this.step({ type: 'persisted', write: id })
  }

  // The end.

  /** Runs what may find damage: that ends the loop. */
  orFail(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.fail(error)
    }
  }

  /** Nothing may leave after a failure: what waits is not answered, its links just end. */
  fail(error: unknown): void {
    if (this.#halted) return
    this.halt()
    this.#options.onFatal(error)
  }

  /** No step is made any more, and nothing leaves. */
  halt(): void {
    const { writer, flush } = this.#options
    this.#halted = true
    writer.stop()
    this.#tick?.cancel()
    flush.stop()
    this.#outbox.drop()
    this.#inputs = []
  }
}
