/**
 * A session's table as bytes, for the disk and for snapshots. The same table has the same bytes
 * anywhere. It is written again with each batch that changed it, so it is kept small: results in
 * sequence order, each as differences to the one before, mostly four bytes.
 *
 *   u8 version | u32 CRC32C of what follows | u64 id | u64 floor | u64 last use ms | u32 count |
 *   results: varint sequence step | u8 status | u8 1: the revision goes down | varint its step
 */

import { crc32c } from '@node-rs/crc32'
import { ByteReader, ByteWriter, INTEGER_MAX } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import { SESSION_RESULTS_MAX } from '../../shared/limits.ts'
import { codeOfStatus, statusOfCode } from './result-codes.ts'
import type { SessionState } from './types.ts'

export const SESSION_VERSION = 1

/** Encodes a session. */
export function encodeSession(session: SessionState): Buffer {
  const { results } = session
  const writer = new ByteWriter(33 + results.size * 8)
  writer.u8(SESSION_VERSION).u32(0)
  writer.u64(session.id).u64(session.floor).u64(session.lastUse_ms).u32(results.size)
  let sequence = session.floor
  let revision = session.id
  for (const [next, result] of inSequence(results)) {
    writeVarint(writer, next - sequence)
    writer.u8(codeOfStatus(result.status))
    const change = result.revision - revision
    // Down: a failed condition names the key's revision, which is older.
    writer.u8(change < 0 ? 1 : 0)
    writeVarint(writer, Math.abs(change))
    sequence = next
    revision = result.revision
  }
  const bytes = writer.finish()
  bytes.writeUInt32BE(crc32c(bytes.subarray(5)), 1)
  return bytes
}

/** Sequences come nearly in order, and often quite. */
function inSequence<Result>(results: ReadonlyMap<number, Result>): Iterable<[number, Result]> {
  let last = -1
  for (const sequence of results.keys()) {
    if (sequence < last) return [...results].sort(([a], [b]) => a - b)
    last = sequence
  }
  return results
}

/** Decodes a session. Throws `data-damaged`, `format-too-new`. */
export function decodeSession(bytes: Uint8Array): SessionState {
  try {
    return readSession(bytes)
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'malformed-frame') throw error
    throw new ClusterError('data-damaged', 'a stored session is malformed', { cause: error })
  }
}

function readSession(bytes: Uint8Array): SessionState {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  if (version > SESSION_VERSION) {
    throw new ClusterError('format-too-new', `session of format ${version} is from a newer version`)
  }
  const crc = reader.u32()
  if (version === 0 || crc32c(bytes.subarray(5)) !== crc) throw damaged('has a wrong CRC')
  const id = reader.u64()
  const floor = reader.u64()
  const lastUse_ms = reader.u64()
  const count = reader.u32()
  if (count > SESSION_RESULTS_MAX) throw damaged(`holds ${count} results`)
  const results: SessionState['results'] = new Map()
  let sequence = floor
  let revision = id
  for (let index = 0; index < count; index++) {
    sequence += readVarint(reader)
    const status = statusOfCode(reader.u8())
    if (status === undefined) throw damaged('holds a result of an unknown kind')
    const down = reader.u8() === 1
    const change = readVarint(reader)
    revision = down ? revision - change : revision + change
    if (revision < 0 || revision > INTEGER_MAX || sequence > INTEGER_MAX) {
      throw damaged('holds a number out of its range')
    }
    results.set(sequence, { status, revision })
  }
  reader.end()
  return { id, floor, lastUse_ms, results }
}

/** Seven bits a byte, lowest first. Divisions, since numbers go beyond 32 bits. */
function writeVarint(writer: ByteWriter, value: number): void {
  let rest = value
  while (rest >= 0x80) {
    writer.u8((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  writer.u8(rest)
}

function readVarint(reader: ByteReader): number {
  let value = 0
  for (let factor = 1; factor <= INTEGER_MAX; factor *= 0x80) {
    const byte = reader.u8()
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value
  }
  throw damaged('holds a number out of its range')
}

function damaged(what: string): ClusterError {
  return new ClusterError('data-damaged', `a stored session ${what}`)
}
