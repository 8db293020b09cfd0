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

export type Operation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

type Journaled = { readonly operations: readonly Operation[]; durable: boolean }

/** MemoryLevel's own writing and reading, below the checks of abstract-level. */
type Writer = { _batch(operations: readonly Operation[], options: object): Promise<void> }
const memory = MemoryLevel.prototype as unknown as Writer
type MemoryIterator = { _nextv(size: number, options: object): Promise<[Buffer, Buffer][]> }
const rows = MemoryLevel.prototype as unknown as { _iterator(options: object): MemoryIterator }

/** What a disk that is gone answers. A new one each time: it keeps whoever waits for it. */
const never = () => new Promise<never>(() => undefined)

export type SimulatedDiskOptions = {
  /** From 0 to below 1, as Math.random. */
  readonly random: () => number
  /** Awaited before and after each batch: the disk's slowness, on the simulator's own time. */
  readonly delay?: () => Promise<void>
  /** Awaited before each page of rows that is read. */
  readonly readDelay?: () => Promise<void> | undefined
  /** What is stored from the beginning, all of it for good: keys (latin1) and values. */
  readonly contents?: ReadonlyMap<string, Buffer>
  /** Asked before a batch is begun, written and acknowledged; false: the process is dead. */
  readonly effect?: () => boolean
  /** A batch will survive any crash from now on. */
  readonly onDurable?: (operations: readonly Operation[]) => void
  readonly onClosed?: () => void
}

export class SimulatedDisk extends MemoryLevel<Buffer, Buffer> {
  readonly #options: SimulatedDiskOptions
  /** Keys (latin1) and values of all batches before the journal. */
  #settled = new Map<string, Buffer>()
  #journal: Journaled[] = []
  #gone = false
  #full = false
  #poisoned = false
  /** Batches begun; those of them that were to be synced; those refused; those lost at its end. */
  readonly counters = { batches: 0, synced: 0, refused: 0, vanished: 0 }

  constructor(options: SimulatedDiskOptions) {
    super({ keyEncoding: 'buffer', valueEncoding: 'buffer', storeEncoding: 'buffer' })
    this.#options = options
    if (options.contents !== undefined) {
      this.#settled = new Map(options.contents)
      const operations: Operation[] = []
      for (const [key, value] of options.contents) {
        operations.push({ type: 'put', key: Buffer.from(key, 'latin1'), value })
      }
      void memory._batch.call(this, operations, {})
    }
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
    if (this.#options.effect?.() === false) await never()
    await this.#pass(this.#options.delay)
    if (this.#options.effect?.() === false) await never()
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
    if (this.#options.effect?.() === false) await never()
    if (options.sync === true && !this.#poisoned) journaled.durable = true
    this.#settle()
    if (journaled.durable) this.#options.onDurable?.(operations)
  }

  _iterator(options: object): MemoryIterator {
    const iterator = rows._iterator.call(this, options)
    const delay = this.#options.readDelay
    return delay === undefined ? iterator : slowly(iterator, delay)
  }

  async _close(): Promise<void> {
    this.#options.onClosed?.()
  }

  /** Goes on when the disk lets it; never, once the disk is gone. */
  async #pass(delay: (() => Promise<void>) | undefined): Promise<void> {
    await delay?.()
    if (this.#gone) await never()
  }

  /** Forgets the journal up to the first batch that may still vanish. */
  #settle(): void {
    const first = this.#journal.findIndex((journaled) => !journaled.durable)
    const settled = this.#journal.splice(0, first === -1 ? this.#journal.length : first)
    for (const { operations } of settled) apply(this.#settled, operations)
  }

  /**
   * The process ends now, and with `power` lost the whole machine. This disk never answers again;
   * returned is what is left on it: what was synced, and of the rest all, or what chance leaves.
   */
  end(power: 'lost' | 'kept'): Map<string, Buffer> {
    this.#gone = true
    const contents = new Map(this.#settled)
    for (const { durable, operations } of this.#journal) {
      const stays = durable || (power === 'kept' && !this.#poisoned)
      if (stays || this.#options.random() < 0.5) apply(contents, operations)
      else this.counters.vanished += 1
    }
    return contents
  }

  /** The machine loses power now; the disk returned (open) holds what survived. */
  async crash(): Promise<SimulatedDisk> {
    return this.#successor(this.end('lost'))
  }

  /** The process ends without the machine: nothing that was written vanishes. */
  async restart(): Promise<SimulatedDisk> {
    return this.#successor(this.end('kept'))
  }

  async #successor(contents: ReadonlyMap<string, Buffer>): Promise<SimulatedDisk> {
    const next = new SimulatedDisk({ ...this.#options, contents })
    await next.open()
    return next
  }

  /** A copy of all that is written now. */
  image(): Map<string, Buffer> {
    const contents = new Map(this.#settled)
    for (const { operations } of this.#journal) apply(contents, operations)
    return contents
  }

  /** From now on every write is refused for want of space; or, with false, no longer. */
  fill(full = true): void {
    this.#full = full
  }

  /** Flips one bit in one byte of the value under `key`, or under any; returns the key. */
  flipByte(key?: Buffer): Buffer {
    const chosen = key ?? this.#anyKey()
    const found = this.getSync(chosen)
    if (found === undefined || found.length === 0) throw new Error('there is no byte to flip')
    const value = Buffer.from(found)
    const at = Math.floor(this.#options.random() * value.length)
    const bit = 1 << Math.floor(this.#options.random() * 8)
    value.writeUInt8(value.readUInt8(at) ^ bit, at)
    this.#alter({ type: 'put', key: chosen, value })
    return chosen
  }

  /** The record under this key, or under any, reads as absent from now on; returns the key. */
  hide(key?: Buffer): Buffer {
    const chosen = key ?? this.#anyKey()
    this.#alter({ type: 'del', key: chosen })
    return chosen
  }

  /** All keys that are stored now, in no order. */
  storedKeys(): Buffer[] {
    return [...this.image().keys()].map((key) => Buffer.from(key, 'latin1'))
  }

  #anyKey(): Buffer {
    const keys = this.storedKeys()
    const key = keys[Math.floor(this.#options.random() * keys.length)]
    if (key === undefined) throw new Error('the disk is empty')
    return key
  }

  /** Changes what is stored behind everybody's back, for good. */
  #alter(operation: Operation): void {
    this.#journal.push({ operations: [operation], durable: true })
    void memory._batch.call(this, [operation], {})
    this.#settle()
  }
}

/** The same iterator, where each page takes its time. */
function slowly(iterator: MemoryIterator, delay: () => Promise<void> | undefined): MemoryIterator {
  const nextv = iterator._nextv
  iterator._nextv = async function slow(size, options) {
    await delay()
    return nextv.call(iterator, size, options)
  }
  return iterator
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
