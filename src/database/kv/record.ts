/**
 * A key's record as it is stored, sent to API servers, and summed up (content-hash.ts).
 *
 *   0 version u8 | 1 CRC32C u32 | 5 create revision u64 | 13 revision u64 | 21 version u64 |
 *   29 expires ms u64 | 37 u8 size, content type (latin1) | value …
 *
 * The CRC covers the key and then everything behind it, so that a record found under another key
 * shows as damaged too: LevelDB does not look at its own checksums when it reads (DESIGN §6).
 * A value has no length: the record ends where its storage says, and the CRC finds a cut one.
 */

import { crc32c } from '@node-rs/crc32'
import { ClusterError } from '../../shared/errors.ts'
import type { KeyRecord } from './types.ts'

export const RECORD_VERSION = 1
const CRC_FROM = 5
const CONTENT_TYPE_AT = 37
/** Bytes before content type and value. */
export const RECORD_HEADER_BYTES = 38

/** A record without its value. */
export type RecordHeader = Omit<KeyRecord, 'value'> & { readonly size_bytes: number }

/** Encodes a record for this key. */
export function encodeRecord(key: Uint8Array, record: KeyRecord): Buffer {
  const { contentType, value } = record
  const valueAt = RECORD_HEADER_BYTES + contentType.length
  const bytes = Buffer.allocUnsafe(valueAt + value.length)
  bytes[0] = RECORD_VERSION
  writeU64(bytes, 5, record.createRevision)
  writeU64(bytes, 13, record.revision)
  writeU64(bytes, 21, record.version)
  writeU64(bytes, 29, record.expires_ms)
  bytes[CONTENT_TYPE_AT] = contentType.length
  bytes.write(contentType, RECORD_HEADER_BYTES, 'latin1')
  bytes.set(value, valueAt)
  writeU32(bytes, 1, recordSum(key, bytes))
  return bytes
}

/** Checks version, length and CRC. Throws `data-damaged`, `format-too-new`. */
export function checkRecord(key: Uint8Array, source: Uint8Array): void {
  const bytes = asBuffer(source)
  checkShape(bytes, 'data-damaged')
  if (recordSum(key, bytes) !== recordCrc(bytes)) {
    throw new ClusterError('data-damaged', `the record of ${describeKey(key)} has a wrong CRC`)
  }
}

/** Checks and decodes a record; `value` is a slice. Throws `data-damaged`, `format-too-new`. */
export function decodeRecord(key: Uint8Array, source: Uint8Array): KeyRecord {
  checkRecord(key, source)
  const { size_bytes: _, ...header } = recordHeader(source)
  return { ...header, value: recordValue(source) }
}

// The functions below read single fields of a record that was checked, or made here.

/** All but the value. */
export function recordHeader(source: Uint8Array): RecordHeader {
  const bytes = asBuffer(source)
  const contentTypeSize = bytes[CONTENT_TYPE_AT] as number
  const valueAt = RECORD_HEADER_BYTES + contentTypeSize
  return {
    createRevision: readU64(bytes, 5),
    revision: readU64(bytes, 13),
    version: readU64(bytes, 21),
    expires_ms: readU64(bytes, 29),
    contentType: bytes.toString('latin1', RECORD_HEADER_BYTES, valueAt),
    size_bytes: bytes.length - valueAt,
  }
}

/** The value, as a slice. */
export function recordValue(source: Uint8Array): Buffer {
  return asBuffer(source).subarray(recordValueAt(source))
}

/** Offset of the value: what stands before it is the record's header. */
export function recordValueAt(source: Uint8Array): number {
  return RECORD_HEADER_BYTES + (source[CONTENT_TYPE_AT] as number)
}

/** Revision of the last change. */
export function recordRevision(source: Uint8Array): number {
  return readU64(source, 13)
}

/** Revision at which the key was created. */
export function recordCreateRevision(source: Uint8Array): number {
  return readU64(source, 5)
}

/** Changes since creation, from 1. */
export function recordVersion(source: Uint8Array): number {
  return readU64(source, 21)
}

/** Log time at which the key expires, ms; 0: never. */
export function recordExpires_ms(source: Uint8Array): number {
  return readU64(source, 29)
}

/** The stored CRC32C over key and record. */
export function recordCrc(source: Uint8Array): number {
  return readU32(source, 1)
}

/**
 * Throws `code`, or `format-too-new`, unless these bytes (or the header of a record without its
 * value) may be read by the functions above.
 */
export function checkShape(source: Uint8Array, code: 'data-damaged' | 'malformed-frame'): void {
  const version = source[0] ?? 0
  if (version > RECORD_VERSION) {
    throw new ClusterError('format-too-new', `record of format ${version} is from a newer version`)
  }
  const tooShort = source.length < RECORD_HEADER_BYTES || source.length < recordValueAt(source)
  if (version === 0 || tooShort) throw new ClusterError(code, 'a record is cut short')
  for (let at = 5; at < CONTENT_TYPE_AT; at += 8) {
    if (readU32(source, at) > 0x1f_ffff) {
      throw new ClusterError(code, 'a record holds an integer above 2^53 - 1')
    }
  }
}

function recordSum(key: Uint8Array, bytes: Buffer): number {
  return crc32c(bytes.subarray(CRC_FROM), crc32cOfKey(key))
}

/** CRC32C, reflected polynomial (RFC 3720 appendix B.4). */
const CRC_TABLE = new Uint32Array(256).map((_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1
  return crc
})

/** The same sum as the library's, without leaving the engine: for a short key that costs more. */
function crc32cOfKey(key: Uint8Array): number {
  if (key.length > 64) return crc32c(key as Buffer)
  let crc = 0xffff_ffff
  for (let at = 0; at < key.length; at++) {
    crc = (CRC_TABLE[(crc ^ (key[at] as number)) & 0xff] as number) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

function describeKey(key: Uint8Array): string {
  return JSON.stringify(asBuffer(key).toString('utf8', 0, 64))
}

// Plain arithmetic on bytes: it serves any Uint8Array, and costs a third of Buffer's methods.

function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / 0x1_0000_0000))
  writeU32(bytes, at + 4, value >>> 0)
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 4)
}

function readU32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  const low = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
  return ((high << 16) | low) >>> 0
}

function asBuffer(source: Uint8Array): Buffer {
  if (Buffer.isBuffer(source)) return source
  return Buffer.from(source.buffer, source.byteOffset, source.byteLength)
}
