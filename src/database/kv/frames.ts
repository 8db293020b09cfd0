/**
 * Frames between API servers and replicas as bytes (frame-types.ts says what they mean).
 *
 * Writes and reads are compact binary: nothing here costs per request what can cost per batch
 * (DESIGN §12). `encode…` returns the parts of a frame's body for `Link.send`, so that a segment
 * and a large value are sent from where they are. Read replies are in frame-read-reply.ts, the
 * rare frames, which are JSON, in frame-json.ts.
 *
 *   write        u32 frame | segment (codec.ts)
 *   write reply  u32 frame | u64 revision | u8 0 | u32 count, results | or u8 1 | refusal
 *                result: u8 status + 128 if repeated | u64 revision
 *   read         u32 frame | u8 consistency | u64 max stale ms | u64 min revision |
 *                u32 timeout ms | u16 count, items
 *                item: u8 metadata only | u16 size, key
 */

import { assert } from '../../shared/assert.ts'
import { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import { KEY_BYTES_MAX, READ_ITEMS_MAX } from '../../shared/limits.ts'
import {
  decodeQuery,
  decodeQueryReply,
  decodeStatus,
  encodeQuery,
  encodeQueryReply,
  encodeStatus,
} from './frame-json.ts'
import { decodeReadReply, encodeReadReply } from './frame-read-reply.ts'
import { isRefusal, readRefusal, writeRefusal } from './frame-refusal.ts'
import type { ReadItem, ReadRequest, WriteReply } from './frame-types.ts'
import { codeOfStatus, statusOfCode } from './result-codes.ts'
import type { CommandResult } from './types.ts'

// Other rooms come in through this file alone; the parts lie behind it.
export {
  decodeQuery,
  decodeQueryReply,
  decodeReadReply,
  decodeStatus,
  encodeQuery,
  encodeQueryReply,
  encodeReadReply,
  encodeStatus,
  isRefusal,
}

const REPEATED = 0x80
const RESULT_BYTES = 9

/** The parts of a write frame's body; `frame` is a u32. */
export function encodeWrite(frame: number, segment: Uint8Array): Uint8Array[] {
  const id = Buffer.allocUnsafe(4)
  id.writeUInt32BE(frame, 0)
  return [id, segment]
}

/** The segment is a slice, not checked yet (`checkSegment`). Throws `malformed-frame`. */
export function decodeWrite(body: Buffer): { frame: number; segment: Buffer } {
  const reader = new ByteReader(body)
  return { frame: reader.u32(), segment: body.subarray(4) }
}

/** The parts of a write reply's body. */
export function encodeWriteReply(reply: WriteReply): Uint8Array[] {
  const { frame, results, revision } = reply
  const size = isRefusal(results) ? 256 : results.length * RESULT_BYTES
  const writer = new ByteWriter(17 + size).u32(frame).u64(revision)
  if (isRefusal(results)) {
    writeRefusal(writer.u8(1), results)
    return [writer.finish()]
  }
  writer.u8(0).u32(results.length)
  for (const { status, revision: changed, repeated } of results) {
    writer.u8(repeated ? codeOfStatus(status) | REPEATED : codeOfStatus(status)).u64(changed)
  }
  return [writer.finish()]
}

/** Throws `malformed-frame`. */
export function decodeWriteReply(body: Buffer): WriteReply {
  const reader = new ByteReader(body)
  const frame = reader.u32()
  const revision = reader.u64()
  const results = readKind(reader) === 1 ? readRefusal(reader) : readResults(reader)
  reader.end()
  return { frame, results, revision }
}

function readResults(reader: ByteReader): CommandResult[] {
  const count = reader.u32()
  if (count * RESULT_BYTES !== reader.remaining) {
    throw new ClusterError('malformed-frame', `${count} results in ${reader.remaining} bytes`)
  }
  const results: CommandResult[] = []
  for (let index = 0; index < count; index++) {
    const code = reader.u8()
    const status = statusOfCode(code & ~REPEATED)
    if (status === undefined) throw new ClusterError('malformed-frame', `unknown status ${code}`)
    results.push({ status, revision: reader.u64(), repeated: (code & REPEATED) !== 0 })
  }
  return results
}

function readKind(reader: ByteReader): number {
  const kind = reader.u8()
  if (kind > 1) throw new ClusterError('malformed-frame', `unknown kind ${kind} of a reply`)
  return kind
}

/** The parts of a read frame's body: 1 to READ_ITEMS_MAX items. */
export function encodeRead(request: ReadRequest): Uint8Array[] {
  const { items } = request
  assert(items.length <= READ_ITEMS_MAX, 'too many items in one read frame')
  let size = 27
  for (const item of items) size += 3 + item.key.length
  const writer = new ByteWriter(size)
    .u32(request.frame)
    .u8(request.consistency === 'stale' ? 1 : 0)
    .u64(Math.ceil(request.maxStale_ms))
    .u64(request.minRevision)
    .u32(Math.min(Math.max(0, Math.ceil(request.timeout_ms)), 0xffff_ffff))
    .u16(items.length)
  for (const { key, metadataOnly } of items) {
    writer
      .u8(metadataOnly ? 1 : 0)
      .u16(key.length)
      .raw(key)
  }
  return [writer.finish()]
}

/** Keys are slices of `body`. Throws `malformed-frame`. */
export function decodeRead(body: Buffer): ReadRequest {
  const reader = new ByteReader(body)
  const frame = reader.u32()
  const consistency = reader.u8()
  const maxStale_ms = reader.u64()
  const minRevision = reader.u64()
  const timeout_ms = reader.u32()
  const count = reader.u16()
  if (consistency > 1 || count > READ_ITEMS_MAX) {
    throw new ClusterError('malformed-frame', 'malformed read frame')
  }
  const items: ReadItem[] = []
  for (let index = 0; index < count; index++) items.push(readReadItem(reader))
  reader.end()
  return {
    frame,
    consistency: consistency === 1 ? 'stale' : 'linearizable',
    maxStale_ms,
    minRevision,
    timeout_ms,
    items,
  }
}

function readReadItem(reader: ByteReader): ReadItem {
  const flag = reader.u8()
  const size = reader.u16()
  if (flag > 1 || size === 0 || size > KEY_BYTES_MAX) {
    throw new ClusterError('malformed-frame', 'malformed item of a read frame')
  }
  return { key: reader.raw(size), metadataOnly: flag === 1 }
}
