/**
 * What lies on a simulated disk for good, as far as consensus depends on it: term and vote, and
 * which entries the log holds. It is read from the batches that were synced, by the simulator's own
 * eyes, so that "sent before it was synced" does not rest on what the product believes.
 */

import {
  BASE_KEY,
  HARD_STATE_KEY,
  indexOfLogKey,
  readU64,
} from '../../src/database/storage/layout.ts'
import { decodeBase, decodeHardState, unseal } from '../../src/database/storage/stored-values.ts'
import type { Operation } from './simulated-disk.ts'

/** An entry as far as it needs to be known: equal chains mean equal logs up to it. */
export type Mark = { readonly term: number; readonly chain: number }

const LOG = 0x6c
const META = 0x6d
const TERM_AT = 16
const CHAIN_AT = 48

export class DiskMirror {
  hardState = { term: 0, vote: '' }
  base = { index: 0, term: 0, chain: 0 }
  readonly entries = new Map<number, Mark>()
  lastIndex = 0

  /** A mirror of a whole disk. */
  static of(contents: ReadonlyMap<string, Buffer>): DiskMirror {
    const mirror = new DiskMirror()
    for (const [text, value] of contents) {
      const key = Buffer.from(text, 'latin1')
      // A damaged value says nothing here; the product must find it.
      if (isReadable(key, value)) mirror.#put(key, value)
    }
    return mirror
  }

  apply(operations: readonly Operation[]): void {
    for (const operation of operations) {
      if (operation.type === 'put') this.#put(operation.key, operation.value)
      else if (operation.key[0] === LOG) this.#delete(indexOfLogKey(operation.key))
    }
  }

  /** The entry at this index; the base counts as one. */
  at(index: number): Mark | undefined {
    return index === this.base.index ? this.base : this.entries.get(index)
  }

  /** Does the disk hold this very entry, or a snapshot that includes it? */
  holds(index: number, chain: number): boolean {
    if (index < this.base.index) return true
    return this.at(index)?.chain === chain
  }

  #put(key: Buffer, value: Buffer): void {
    if (key[0] === LOG) {
      const index = indexOfLogKey(key)
      const mark = { term: readU64(value, TERM_AT), chain: value.readUInt32BE(CHAIN_AT) }
      this.entries.set(index, mark)
      if (index > this.lastIndex) this.lastIndex = index
    } else if (key[0] === META) {
      if (key.equals(HARD_STATE_KEY)) this.hardState = decodeHardState(unseal(key, value))
      else if (key.equals(BASE_KEY)) {
        const { index, term, chain } = decodeBase(unseal(key, value))
        this.base = { index, term, chain }
        if (index > this.lastIndex) this.lastIndex = index
      }
    }
  }

  #delete(index: number): void {
    this.entries.delete(index)
    while (this.lastIndex > this.base.index && !this.entries.has(this.lastIndex)) {
      this.lastIndex -= 1
    }
  }
}

function isReadable(key: Buffer, value: Buffer): boolean {
  if (key[0] === LOG) return value.length >= CHAIN_AT + 4
  if (!key.equals(HARD_STATE_KEY) && !key.equals(BASE_KEY)) return true
  try {
    unseal(key, value)
    return true
  } catch {
    return false
  }
}
