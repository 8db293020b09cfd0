/**
 * Where everything lies in the database (DESIGN §6, layout). Integers are big-endian, so that byte
 * order is number order.
 *
 *   m/identity   whose disk this is, and its format        m/hard   term and vote
 *   m/live       number of the live generation             m/base   the entry before the first kept
 *   l/<u64>      log entries, their bytes as they travel
 *   g/<u32>/     one generation of the applied state:
 *      k/<key>            records            t/<u64 expiry><key>   the order in which keys expire
 *      s/<u64 session>    sessions           m                     applied index, sums (KvMeta)
 */

import type { AbstractLevel } from 'abstract-level'
import { FORMAT_NEWEST } from '../../shared/formats.ts'

/** The database under the storage: opened by the caller with buffers for keys and values. */
export type Database = AbstractLevel<string | Buffer | Uint8Array, Buffer, Buffer>

/** A disk of a newer format is refused untouched. */
export const STORAGE_FORMAT = FORMAT_NEWEST

export const IDENTITY_KEY = Buffer.from('m/identity')
export const HARD_STATE_KEY = Buffer.from('m/hard')
export const LIVE_KEY = Buffer.from('m/live')
export const BASE_KEY = Buffer.from('m/base')

const LOG_PREFIX_BYTES = 2
const GENERATION_PREFIX_BYTES = 7
/** Bytes before the key in a record's database key: `g/<u32>/k/`. */
const RECORD_PREFIX_BYTES = GENERATION_PREFIX_BYTES + 2

/** All log keys lie in [LOG_START, LOG_END). */
export const LOG_START = Buffer.from('l/')
export const LOG_END = Buffer.from('l0')
/** All generations lie in [GENERATIONS_START, GENERATIONS_END). */
export const GENERATIONS_START = Buffer.from('g/')
export const GENERATIONS_END = Buffer.from('g0')

export function writeU64(target: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  target.writeUInt32BE(high, at)
  target.writeUInt32BE(value - high * 0x1_0000_0000, at + 4)
}

export function readU64(source: Buffer, at: number): number {
  return source.readUInt32BE(at) * 0x1_0000_0000 + source.readUInt32BE(at + 4)
}

export function logKey(index: number): Buffer {
  const key = Buffer.allocUnsafe(LOG_PREFIX_BYTES + 8)
  key[0] = 0x6c
  key[1] = 0x2f
  writeU64(key, LOG_PREFIX_BYTES, index)
  return key
}

/** The index in a log entry's key. */
export function indexOfLogKey(key: Buffer): number {
  return readU64(key, LOG_PREFIX_BYTES)
}

/** The first key behind all keys that start with `prefix`; undefined: there is none. */
export function keyAfterPrefix(prefix: Uint8Array): Buffer | undefined {
  let end = prefix.length
  while (end > 0 && prefix[end - 1] === 0xff) end -= 1
  if (end === 0) return undefined
  const key = Buffer.from(prefix.subarray(0, end))
  key[end - 1] = (key[end - 1] as number) + 1
  return key
}

/** Number of the generation that a key under `g/` belongs to. */
export function generationOfKey(key: Buffer): number {
  return key.length >= 6 ? key.readUInt32BE(2) : 0
}

/** The kinds of rows a generation holds and a snapshot carries. */
export type RowType = 'record' | 'expiry' | 'session'

export const ROW_MARKS = { record: 0x6b, expiry: 0x74, session: 0x73 } as const satisfies Record<
  RowType,
  number
>

/** The keys of one generation. */
export class GenerationLayout {
  readonly number: number
  /** Every key of the generation lies in [start, end). */
  readonly start: Buffer
  readonly end: Buffer
  readonly metaKey: Buffer
  readonly #recordPrefix: Buffer

  constructor(number: number) {
    const start = Buffer.from('g/\0\0\0\0/')
    start.writeUInt32BE(number, 2)
    this.number = number
    this.start = start
    this.end = keyAfterPrefix(start) as Buffer
    this.metaKey = Buffer.concat([start, Buffer.from('m')])
    this.#recordPrefix = this.prefix('record')
  }

  /** What all keys of rows of this type start with. */
  prefix(type: RowType): Buffer {
    return Buffer.concat([this.start, Buffer.from([ROW_MARKS[type], 0x2f])])
  }

  record(key: Uint8Array): Buffer {
    const full = Buffer.allocUnsafe(RECORD_PREFIX_BYTES + key.length)
    full.set(this.#recordPrefix)
    full.set(key, RECORD_PREFIX_BYTES)
    return full
  }

  /** The same for a key given as latin1 text of its bytes. */
  recordOfText(key: string): Buffer {
    const full = Buffer.allocUnsafe(RECORD_PREFIX_BYTES + key.length)
    full.set(this.#recordPrefix)
    full.write(key, RECORD_PREFIX_BYTES, 'latin1')
    return full
  }

  expiry(time_ms: number, key: Uint8Array): Buffer {
    const full = Buffer.allocUnsafe(RECORD_PREFIX_BYTES + 8 + key.length)
    full.set(this.prefix('expiry'))
    writeU64(full, RECORD_PREFIX_BYTES, time_ms)
    full.set(key, RECORD_PREFIX_BYTES + 8)
    return full
  }

  session(id: number): Buffer {
    const full = Buffer.allocUnsafe(RECORD_PREFIX_BYTES + 8)
    full.set(this.prefix('session'))
    writeU64(full, RECORD_PREFIX_BYTES, id)
    return full
  }

  /** What follows the type in a row's database key: key, expiry and key, or session id. */
  rowKey(full: Buffer): Buffer {
    return full.subarray(RECORD_PREFIX_BYTES)
  }

  /** Type of the row at this database key of the generation; undefined: none known. */
  rowType(full: Buffer): RowType | undefined {
    if (full.length < RECORD_PREFIX_BYTES || full[GENERATION_PREFIX_BYTES + 1] !== 0x2f) {
      return undefined
    }
    switch (full[GENERATION_PREFIX_BYTES]) {
      case ROW_MARKS.record:
        return 'record'
      case ROW_MARKS.expiry:
        return 'expiry'
      case ROW_MARKS.session:
        return 'session'
      default:
        return undefined
    }
  }
}
