/**
 * The one writer of the replica's disk: gathers what consensus and the state machine want stored,
 * and keeps exactly one synced batch under way (DESIGN §6). While it is, the next one fills: the
 * busier the replica, the larger its batches.
 *
 *   idle ──add/request──► (end of this turn) ──► writing ──synced──► idle, or writing the next
 *                                                  └──refused──► dead: nothing is written again
 *
 * Maintenance (compaction, sweeping) runs in the same turn order, between two batches.
 */

import { assert } from '../../shared/assert.ts'
import type { Write } from '../consensus/types.ts'
import type { KvChanges } from '../kv/types.ts'
import type { Storage } from './ports.ts'

export type SyncedBatch = {
  /** Id of its last write; 0: it held applied changes only. */
  readonly id: number
  /** A snapshot was switched in. */
  readonly installed: boolean
  /** Applied changes were in it. */
  readonly changes: boolean
}

export type DiskWriterHandlers = {
  /** Applied changes to ride along with the next batch, or undefined. */
  takeChanges(): KvChanges | undefined
  /** The cluster id must be on disk before any log content; called once, at the first content. */
  beforeContent(): Promise<void>
  /** A batch is synced. The next one begins after the promise, if there is one. */
  onSynced(batch: SyncedBatch): Promise<void> | undefined
  /** The turn is over: a batch may be begun. */
  onFree(): void
  /** The disk refused a write. Final. */
  onFailed(error: unknown): void
}

export class DiskWriter {
  readonly #storage: Storage
  readonly #handlers: DiskWriterHandlers
  #pending: Write[] = []
  #maintenance: (() => Promise<void>)[] = []
  #flushWanted = false
  #busy = false
  #scheduled = false
  #dead = false
  #idleWaiters: (() => void)[] = []
  /** Batches written, and log entries in them, for metrics. */
  batches = 0

  constructor(storage: Storage, handlers: DiskWriterHandlers) {
    this.#storage = storage
    this.#handlers = handlers
  }

  /** A batch is under way or about to start. */
  get busy(): boolean {
    return this.#busy || this.#pending.length > 0
  }

  add(write: Write): void {
    this.#pending.push(write)
    this.#schedule()
  }

  /** Applied changes should reach the disk soon even if nothing else is written. */
  flush(): void {
    this.#flushWanted = true
    this.#schedule()
  }

  /** Runs `work` between two batches. */
  between(work: () => Promise<void>): void {
    this.#maintenance.push(work)
    this.#schedule()
  }

  /** Resolves when nothing is pending or under way. */
  async idle(): Promise<void> {
    while (!this.#dead && (this.#busy || this.#scheduled || this.#pending.length > 0)) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
    }
  }

  /** Nothing is written any more; a batch under way is the disk's own business. */
  stop(): void {
    this.#dead = true
    this.#wakeIdle()
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy || this.#dead) return
    this.#scheduled = true
    // At the end of this turn: all frames of one socket read share one batch.
    queueMicrotask(() => {
      this.#scheduled = false
      void this.#run()
    })
  }

  async #run(): Promise<void> {
    if (this.#busy || this.#dead) return
    this.#busy = true
    try {
      if (this.#pending.length > 0 || this.#flushWanted) await this.#writeBatch()
      const work = this.#dead ? undefined : this.#maintenance.shift()
      if (work !== undefined) await work()
    } catch (error) {
      this.#dead = true
      this.#handlers.onFailed(error)
    } finally {
      this.#busy = false
    }
    if (!this.#dead) this.#handlers.onFree()
    if (this.#pending.length > 0 || this.#maintenance.length > 0 || this.#flushWanted) {
      this.#schedule()
    } else {
      this.#wakeIdle()
    }
  }

  async #writeBatch(): Promise<void> {
    const writes = this.#pending
    this.#pending = []
    this.#flushWanted = false
    const changes = this.#handlers.takeChanges()
    if (writes.length === 0 && changes === undefined) return
    if (writes.some((write) => write.entries.length > 0 || write.install !== undefined)) {
      await this.#handlers.beforeContent()
    }
    await this.#storage.write({ writes, changes })
    if (this.#dead) return
    this.batches += 1
    const id = writes.at(-1)?.id ?? 0
    assert(writes.length === 0 || id > 0, 'a write has no id')
    const installed = writes.some((write) => write.install !== undefined)
    const after = this.#handlers.onSynced({ id, installed, changes: changes !== undefined })
    if (after !== undefined) await after
  }

  #wakeIdle(): void {
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }
}
