/**
 * A log entry and its one binary form, the same on the wire and on disk: it is encoded once, by the
 * leader that proposes it, and its bytes then travel as they are.
 *
 *   0 format u8 | 1 type u8 | 2 both, inverted | 4 header CRC32C u32 (over bytes 8…52)
 *   8 index u64 | 16 term u64 | 24 time u64 | 32 first revision u64 | 40 count u32
 *   44 payload CRC32C u32 | 48 chain u32 | 52 payload …
 *
 * `chain` is a hash over the chain of the entry before, and this entry's header and payload: two
 * logs with equal chains at an index are equal up to it, and a record that vanished from the middle
 * shows. The first entry follows the chain 0; a snapshot carries the chain of its last entry.
 *
 * No CRC covers format and type, so they stand there twice. Entries of the first days have zeros
 * instead of the second time; they are read as they are.
 */

import { crc32c } from '@node-rs/crc32'
import { ClusterError } from '../../shared/errors.ts'
import { FORMAT_NEWEST, FORMAT_OLDEST } from '../../shared/formats.ts'

/** Bytes before the payload. */
export const ENTRY_HEADER_BYTES = 52

/** `noop` starts a term, `membership` replaces the membership, `commands` is for the kv store. */
export type EntryType = 'noop' | 'membership' | 'commands'

const TYPES: readonly EntryType[] = ['noop', 'membership', 'commands']

export type Entry = {
  readonly index: number
  readonly term: number
  readonly type: EntryType
  /** Log time in ms since the epoch (DESIGN §5): never goes back along the log. */
  readonly time_ms: number
  /** Revision of the first command; the next entry's is this plus `count`. */
  readonly firstRevision: number
  /** Revisions this entry takes: the number of its commands (0 for noop and membership). */
  readonly count: number
  readonly chain: number
  /** The whole encoded entry, header included. */
  readonly bytes: Uint8Array
}

/** What follows the header. */
export function payloadOf(entry: Entry): Buffer {
  const { buffer, byteOffset, byteLength } = entry.bytes
  return Buffer.from(buffer, byteOffset + ENTRY_HEADER_BYTES, byteLength - ENTRY_HEADER_BYTES)
}

/** The format it was written in. */
export function formatOf(entry: Entry): number {
  return entry.bytes[0] as number
}

/** Encodes a new entry behind one whose chain is `previousChain`. */
export function makeEntry(
  head: Omit<Entry, 'bytes' | 'chain'>,
  payload: Uint8Array,
  previousChain: number,
  format = FORMAT_OLDEST,
): Entry {
  const bytes = Buffer.allocUnsafe(ENTRY_HEADER_BYTES + payload.length)
  bytes[0] = format
  bytes[1] = TYPES.indexOf(head.type)
  bytes[2] = ~format
  bytes[3] = ~TYPES.indexOf(head.type)
  writeU64(bytes, 8, head.index)
  writeU64(bytes, 16, head.term)
  writeU64(bytes, 24, head.time_ms)
  writeU64(bytes, 32, head.firstRevision)
  bytes.writeUInt32BE(head.count, 40)
  bytes.writeUInt32BE(crc32c(payload), 44)
  const chain = crc32c(bytes.subarray(8, 48), previousChain)
  bytes.writeUInt32BE(chain, 48)
  bytes.writeUInt32BE(crc32c(bytes.subarray(8, ENTRY_HEADER_BYTES)), 4)
  bytes.set(payload, ENTRY_HEADER_BYTES)
  return { ...head, chain, bytes }
}

/** Decodes and checks all of it. Throws `data-damaged`, or `format-too-new`. */
export function decodeEntry(source: Uint8Array): Entry {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  if (bytes.length < ENTRY_HEADER_BYTES) throw damaged('is shorter than its header')
  const format = bytes[0] as number
  if (format > FORMAT_NEWEST) {
    throw new ClusterError(
      'format-too-new',
      `log entry of format ${format} is from a newer version`,
    )
  }
  const type = TYPES[bytes[1] as number]
  if (format === 0 || type === undefined) throw damaged('has no known type')
  if (bytes.readUInt16BE(2) !== 0 && bytes.readUInt16BE(0) + bytes.readUInt16BE(2) !== 0xffff) {
    throw damaged('has another type than it says')
  }
  if (crc32c(bytes.subarray(8, ENTRY_HEADER_BYTES)) !== bytes.readUInt32BE(4)) {
    throw damaged('has a wrong header CRC')
  }
  if (crc32c(bytes.subarray(ENTRY_HEADER_BYTES)) !== bytes.readUInt32BE(44)) {
    throw damaged('has a wrong payload CRC')
  }
  return {
    index: readU64(bytes, 8),
    term: readU64(bytes, 16),
    type,
    time_ms: readU64(bytes, 24),
    firstRevision: readU64(bytes, 32),
    count: bytes.readUInt32BE(40),
    chain: bytes.readUInt32BE(48),
    bytes,
  }
}

/** Does `entry` follow, in the hash chain, an entry whose chain is `previousChain`? */
export function followsChain(entry: Entry, previousChain: number): boolean {
  const bytes = entry.bytes
  const head = Buffer.from(bytes.buffer, bytes.byteOffset + 8, 40)
  return crc32c(head, previousChain) === entry.chain
}

function damaged(what: string): ClusterError {
  return new ClusterError('data-damaged', `a log entry ${what}`)
}

function writeU64(bytes: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  bytes.writeUInt32BE(high, at)
  bytes.writeUInt32BE(value - high * 0x1_0000_0000, at + 4)
}

function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
}
