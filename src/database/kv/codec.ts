/**
 * Segments and the payloads of `commands` entries, as bytes.
 *
 * A segment (segment-format.ts) goes from the API server through the log to every disk as the very
 * bytes it came as (DESIGN §12): the leader only checks it and puts it behind a length.
 *
 *   payload: u8 version | u16 segment count | (u32 size, segment)…
 */

import { assert } from '../../shared/assert.ts'
import { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import { patchSegment, SegmentBuilder } from './segment-builder.ts'
import { checkSegment } from './segment-check.ts'
import { COMMAND, CONDITION, SEGMENT_HEADER_BYTES } from './segment-format.ts'
import type { Command, Condition, DeleteCommand, PutCommand, Segment } from './types.ts'

// Other rooms come in through this file alone; the three parts of the codec lie behind it.
export { checkSegment, patchSegment, SegmentBuilder }

export const PAYLOAD_VERSION = 1
const PAYLOAD_HEADER_BYTES = 3
/** Most segments of one payload. */
export const SEGMENTS_MAX = 0xffff

/** Encodes a segment. Sizes above their limits are programmer errors. */
export function encodeSegment(segment: Segment): Buffer {
  const builder = new SegmentBuilder(1024)
  for (const { sequence, command, idempotencyKey } of segment.commands) {
    builder.add(sequence, command, idempotencyKey)
  }
  return builder.finish(segment)
}

/**
 * Decodes a segment, checking all of it first. Keys and values are slices of `bytes`.
 * Throws `malformed-frame`, `format-too-new`.
 */
export function decodeSegment(bytes: Uint8Array): Segment {
  const { session, floor, count } = checkSegment(bytes)
  const reader = new ByteReader(bytes)
  reader.raw(SEGMENT_HEADER_BYTES)
  const commands: Segment['commands'][number][] = []
  for (let index = 0; index < count; index++) {
    const sequence = reader.u64()
    const type = reader.u8()
    const keySize = reader.u8()
    if (keySize === 0) commands.push({ sequence, command: readCommand(reader, type) })
    else {
      const idempotencyKey = reader.raw(keySize)
      commands.push({ sequence, command: readCommand(reader, type), idempotencyKey })
    }
  }
  return { session, floor, commands }
}

/** Bytes of a payload made of these segments. */
export function payloadSize(segments: readonly Uint8Array[]): number {
  let size = PAYLOAD_HEADER_BYTES
  for (const segment of segments) size += 4 + segment.length
  return size
}

/** The payload of a `commands` entry from checked segments, in this order. */
export function encodePayload(segments: readonly Uint8Array[]): Buffer {
  assert(segments.length <= SEGMENTS_MAX, 'too many segments for one entry')
  const writer = new ByteWriter(payloadSize(segments))
  writer.u8(PAYLOAD_VERSION).u16(segments.length)
  for (const segment of segments) writer.bytes(segment)
  return writer.finish()
}

/** The segments of a payload. Throws `malformed-frame`, `format-too-new`. */
export function decodePayload(payload: Uint8Array): Segment[] {
  const reader = new ByteReader(payload)
  const version = reader.u8()
  if (version > PAYLOAD_VERSION) {
    throw new ClusterError('format-too-new', `payload of format ${version} is from a newer version`)
  }
  if (version === 0) throw new ClusterError('malformed-frame', 'payload of format 0')
  const segments: Segment[] = []
  for (let left = reader.u16(); left > 0; left--) segments.push(decodeSegment(reader.bytes()))
  reader.end()
  return segments
}

function readCommand(reader: ByteReader, type: number): Command {
  switch (type) {
    case COMMAND.put:
      return readPut(reader)
    case COMMAND.delete:
      return readDelete(reader)
    case COMMAND.transaction:
      return readTransaction(reader)
    case COMMAND.expire:
      return { type: 'expire', key: readKey(reader), revision: reader.u64() }
    case COMMAND.openSession:
      return { type: 'open-session' }
    case COMMAND.closeSession:
      return { type: 'close-session', session: reader.u64() }
    case COMMAND.expireSession:
      return { type: 'expire-session', session: reader.u64(), lastUse_ms: reader.u64() }
    default:
      throw new ClusterError('malformed-frame', `unknown command type ${type}`)
  }
}

function readPut(reader: ByteReader): PutCommand {
  const key = readKey(reader)
  const contentType = reader.latin1(reader.u8())
  const ttl_ms = reader.u64()
  const value = reader.bytes()
  return { type: 'put', key, value, contentType, ttl_ms, condition: readCondition(reader) }
}

function readDelete(reader: ByteReader): DeleteCommand {
  return { type: 'delete', key: readKey(reader), condition: readCondition(reader) }
}

function readTransaction(reader: ByteReader): Command {
  const compare: { key: Uint8Array; condition: Condition }[] = []
  for (let left = reader.u16(); left > 0; left--) {
    compare.push({ key: readKey(reader), condition: readCondition(reader) ?? {} })
  }
  return { type: 'transaction', compare, success: readBranch(reader), failure: readBranch(reader) }
}

function readBranch(reader: ByteReader): (PutCommand | DeleteCommand)[] {
  const commands: (PutCommand | DeleteCommand)[] = []
  for (let left = reader.u16(); left > 0; left--) {
    commands.push(reader.u8() === COMMAND.put ? readPut(reader) : readDelete(reader))
  }
  return commands
}

function readKey(reader: ByteReader): Buffer {
  return reader.raw(reader.u16())
}

function readCondition(reader: ByteReader): Condition | undefined {
  const flags = reader.u8()
  if (flags === 0) return undefined
  const condition: { match?: number[] | 'any'; noneMatch?: number[] | 'any' } = {}
  if ((flags & CONDITION.matchAny) !== 0) condition.match = 'any'
  if ((flags & CONDITION.matchList) !== 0) condition.match = readRevisions(reader)
  if ((flags & CONDITION.noneMatchAny) !== 0) condition.noneMatch = 'any'
  if ((flags & CONDITION.noneMatchList) !== 0) condition.noneMatch = readRevisions(reader)
  return condition
}

function readRevisions(reader: ByteReader): number[] {
  const revisions: number[] = []
  for (let left = reader.u16(); left > 0; left--) revisions.push(reader.u64())
  return revisions
}
