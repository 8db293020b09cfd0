/**
 * A disk in memory to stand under the real storage code: an `abstract-level` database that can
 * lose what was not synced, run full, be slow, and rot.
 *
 *   alive ──crash()──► gone: whatever was under way never answers; a new disk holds what survived
 *
 * The crash model is LevelDB's as measured (DESIGN §6): a batch survives whole or not at all; what
 * was acknowledged with `sync: true` survives; what was not synced, or not acknowledged yet, may
 * survive or vanish, each batch by itself, so that a later one may be there without an earlier one.
 * After a refused write (no space) later synced writes are *acknowledged and not kept*: code that
 * goes on writing after the first error loses data here as it does there.
 *
 * All chances come from the `random` handed in; nothing here reads a clock.
 */

import { MemoryLevel } from 'memory-level'

type Operation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

type Journaled = { readonly operations: readonly Operation[]; durable: boolean }

/** MemoryLevel's own writing, below the checks of abstract-level. */
type Writer = { _batch(operations: readonly Operation[], options: object): Promise<void> }
const memory = MemoryLevel.prototype as unknown as Writer

export type SimulatedDiskOptions = {
  /** From 0 to below 1, as Math.random. */
  readonly random: () => number
  /** Awaited before and after each batch: the disk's slowness, on the simulator's own time. */
  readonly delay?: () => Promise<void>
}

export class SimulatedDisk extends MemoryLevel<Buffer, Buffer> {
  readonly #options: SimulatedDiskOptions
  /** Keys (latin1) and values of all batches before the journal. */
  readonly #settled = new Map<string, Buffer>()
  #journal: Journaled[] = []
  #gone = false
  #full = false
  #poisoned = false
  /** Batches begun; those of them that were to be synced; and those refused. */
  readonly counters = { batches: 0, synced: 0, refused: 0 }

  constructor(options: SimulatedDiskOptions) {
    super({ keyEncoding: 'buffer', valueEncoding: 'buffer', storeEncoding: 'buffer' })
    this.#options = options
  }

  // abstract-level's private API: what put, del, batch and the chained batch end in.

  async _put(key: Buffer, value: Buffer, options: { sync?: boolean }): Promise<void> {
    await this._batch([{ type: 'put', key, value }], options)
  }

  async _del(key: Buffer, options: { sync?: boolean }): Promise<void> {
    await this._batch([{ type: 'del', key }], options)
  }

  async _batch(given: readonly Operation[], options: { sync?: boolean }): Promise<void> {
    const operations = given.map(copyOf)
    this.counters.batches += 1
    if (options.sync === true) this.counters.synced += 1
    await this.#pass(this.#options.delay)
    if (this.#full) {
      this.counters.refused += 1
      this.#poisoned = true
      throw Object.assign(new Error('IO error: no space left on device'), {
        code: 'LEVEL_IO_ERROR',
      })
    }
    const journaled: Journaled = { operations, durable: false }
    this.#journal.push(journaled)
    await memory._batch.call(this, operations, {})
    await this.#pass(this.#options.delay)
    if (options.sync === true && !this.#poisoned) journaled.durable = true
    this.#settle()
  }

  /** Goes on when the disk lets it; never, once the disk is gone. */
  async #pass(delay: (() => Promise<void>) | undefined): Promise<void> {
    await delay?.()
    if (this.#gone) await new Promise<never>(() => undefined)
  }

  /** Forgets the journal up to the first batch that may still vanish. */
  #settle(): void {
    const first = this.#journal.findIndex((journaled) => !journaled.durable)
    const settled = this.#journal.splice(0, first === -1 ? this.#journal.length : first)
    for (const { operations } of settled) apply(this.#settled, operations)
  }

  /**
   * The machine loses power now. This disk never answers again; the one returned (to be opened)
   * holds what was synced, and of the rest what chance left.
   */
  async crash(): Promise<SimulatedDisk> {
    this.#gone = true
    const contents = new Map(this.#settled)
    for (const { durable, operations } of this.#journal) {
      if (durable || this.#options.random() < 0.5) apply(contents, operations)
    }
    const next = new SimulatedDisk(this.#options)
    await next.open()
    for (const [key, value] of contents) {
      await next.#alter({ type: 'put', key: Buffer.from(key, 'latin1'), value })
    }
    return next
  }

  /** The process ends without the machine: nothing that was written vanishes. */
  async restart(): Promise<SimulatedDisk> {
    for (const journaled of this.#journal) journaled.durable = !this.#poisoned
    return this.crash()
  }

  /** From now on every write is refused for want of space; or, with false, no longer. */
  fill(full = true): void {
    this.#full = full
  }

  /** Flips one bit in one byte of the value under `key`, or under any; returns the key. */
  async flipByte(key?: Buffer): Promise<Buffer> {
    const chosen = key ?? (await this.#anyKey())
    const found = this.getSync(chosen)
    if (found === undefined || found.length === 0) throw new Error('there is no byte to flip')
    const value = Buffer.from(found)
    const at = Math.floor(this.#options.random() * value.length)
    const bit = 1 << Math.floor(this.#options.random() * 8)
    value.writeUInt8(value.readUInt8(at) ^ bit, at)
    await this.#alter({ type: 'put', key: chosen, value })
    return chosen
  }

  /** The record under this key, or under any, reads as absent from now on; returns the key. */
  async hide(key?: Buffer): Promise<Buffer> {
    const chosen = key ?? (await this.#anyKey())
    await this.#alter({ type: 'del', key: chosen })
    return chosen
  }

  async #anyKey(): Promise<Buffer> {
    const keys = await this.keys().all()
    const key = keys[Math.floor(this.#options.random() * keys.length)]
    if (key === undefined) throw new Error('the disk is empty')
    return key
  }

  /** Changes what is stored behind everybody's back, for good. */
  async #alter(operation: Operation): Promise<void> {
    this.#journal.push({ operations: [operation], durable: true })
    await memory._batch.call(this, [operation], {})
    this.#settle()
  }
}

function copyOf(operation: Operation): Operation {
  const key = Buffer.from(operation.key)
  if (operation.type === 'del') return { type: 'del', key }
  return { type: 'put', key, value: Buffer.from(operation.value) }
}

function apply(contents: Map<string, Buffer>, operations: readonly Operation[]): void {
  for (const operation of operations) {
    const key = operation.key.toString('latin1')
    if (operation.type === 'put') contents.set(key, operation.value)
    else contents.delete(key)
  }
}
