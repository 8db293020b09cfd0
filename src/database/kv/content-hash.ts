/**
 * The content hash: a sum over the records themselves, so that replicas can compare what they hold
 * at one index (DESIGN §5). It does not depend on the order of the records, hence it is kept up to
 * date by subtracting what a command replaces and adding what it stores.
 *
 * Two 32-bit lanes rather than one BigInt: a command costs four multiplications. What a record
 * adds comes from its CRC, which covers key, value and all its numbers, and from its revision, so
 * that two records with equal CRCs do not look alike. It finds accidents, not adversaries.
 */

import { checkRecord, recordCrc, recordRevision } from './record.ts'

/** The hash of no records. */
export const EMPTY_CONTENT_HASH = '0000000000000000'

/** A running content hash. */
export class ContentHash {
  #high = 0
  #low = 0

  /** @param value where to go on from, 16 hex digits. */
  constructor(value: string = EMPTY_CONTENT_HASH) {
    this.#high = Number.parseInt(value.slice(0, 8), 16) >>> 0
    this.#low = Number.parseInt(value.slice(8), 16) >>> 0
  }

  /** The hash, 16 hex digits. */
  get value(): string {
    return hex(this.#high) + hex(this.#low)
  }

  /** Adds a record that was read from somewhere: its CRC is checked. Throws `data-damaged`. */
  add(key: Uint8Array, record: Uint8Array): void {
    checkRecord(key, record)
    this.plus(record)
  }

  /** Adds a record that is known to be sound. */
  plus(record: Uint8Array): void {
    const crc = recordCrc(record)
    this.#high = (this.#high + highLane(crc, recordRevision(record))) >>> 0
    this.#low = (this.#low + mix(crc)) >>> 0
  }

  /** Takes a record away that was added before. */
  minus(record: Uint8Array): void {
    const crc = recordCrc(record)
    this.#high = (this.#high - highLane(crc, recordRevision(record))) >>> 0
    this.#low = (this.#low - mix(crc)) >>> 0
  }
}

/** From scratch: hash and number of these records, each checked. Throws `data-damaged`. */
export function contentHashOf(
  rows: Iterable<{ readonly key: Uint8Array; readonly record: Uint8Array }>,
): { hash: string; keys: number } {
  const hash = new ContentHash()
  let keys = 0
  for (const { key, record } of rows) {
    hash.add(key, record)
    keys++
  }
  return { hash: hash.value, keys }
}

function highLane(crc: number, revision: number): number {
  const folded = revision ^ Math.floor(revision / 0x1_0000_0000)
  return mix(crc ^ Math.imul(folded, 0x9e37_79b1) ^ 0x5bd1_e995)
}

/** The finalizer of MurmurHash3 (Appleby): each bit in changes half of the bits out. */
function mix(value: number): number {
  let bits = value
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

function hex(lane: number): string {
  return lane.toString(16).padStart(8, '0')
}
