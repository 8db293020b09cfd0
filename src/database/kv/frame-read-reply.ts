/**
 * The answer to a read frame. The replica passes stored records on as they are: small ones are
 * copied side by side into one buffer (cheaper than a part each), large ones are parts of their
 * own. The API server decodes slices of the frame it received.
 *
 *   u32 frame | u64 revision | u64 age ms + 1 | u8 0 | u16 count, items | or u8 1 | refusal
 *   item: u8 absent | u8 omitted | u8 record, u32 size, record (record.ts) |
 *         u8 metadata, u32 value size, u16 size, record up to its value
 */

import { assert } from '../../shared/assert.ts'
import { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import { READ_ITEMS_MAX, READ_REPLY_BYTES_MAX } from '../../shared/limits.ts'
import { isRefusal, readRefusal, writeRefusal } from './frame-refusal.ts'
import type { ReadRecord, ReadReply, ReadReplyParts } from './frame-types.ts'
import { checkShape, recordHeader, recordValueAt } from './record.ts'

const ITEM = { absent: 0, record: 1, metadata: 2, omitted: 3 } as const
/** Records up to this size are copied rather than sent as a part of their own. */
const COPY_BYTES_MAX = 8192
const EMPTY = Buffer.alloc(0)

/** Encodes a reply; what would make it too large is `omitted`, never its first item. */
export function encodeReadReply(reply: ReadReplyParts): Uint8Array[] {
  const { frame, records } = reply
  if (isRefusal(records)) {
    const writer = head(reply, frame, 256)
    writeRefusal(writer.u8(1), records)
    return [writer.finish()]
  }
  assert(records.length <= READ_ITEMS_MAX, 'too many items in one read reply')
  const parts: Uint8Array[] = []
  let writer = head(reply, frame, 24 + copiedBytes(records))
  writer.u8(0).u16(records.length)
  let total = 0
  for (const { record, metadataOnly } of records) {
    if (record === undefined) {
      writer.u8(ITEM.absent)
      continue
    }
    const size = metadataOnly ? recordValueAt(record) : record.length
    if (total > 0 && total + size > READ_REPLY_BYTES_MAX) {
      writer.u8(ITEM.omitted)
      continue
    }
    total += size
    if (metadataOnly) {
      writer.u8(ITEM.metadata).u32(record.length - size)
      writer.u16(size).raw(record.subarray(0, size))
    } else if (size <= COPY_BYTES_MAX) {
      writer.u8(ITEM.record).bytes(record)
    } else {
      parts.push(writer.u8(ITEM.record).u32(size).finish(), record)
      writer = new ByteWriter(256)
    }
  }
  if (writer.length > 0) parts.push(writer.finish())
  return parts
}

function head(reply: ReadReplyParts, frame: number, capacity_bytes: number): ByteWriter {
  const age_ms = Math.max(-1, Math.ceil(reply.age_ms))
  return new ByteWriter(capacity_bytes)
    .u32(frame)
    .u64(reply.revision)
    .u64(age_ms + 1)
}

/** About how many bytes the first buffer will hold: nothing is lost if this is wrong. */
function copiedBytes(records: readonly { readonly record: Uint8Array | undefined }[]): number {
  let bytes = 0
  for (const { record } of records) {
    bytes += 7
    if (record === undefined) continue
    if (record.length > COPY_BYTES_MAX) break
    bytes += record.length
  }
  return Math.min(bytes, READ_REPLY_BYTES_MAX)
}

/** Values are slices of `body`. Throws `malformed-frame`, `format-too-new`. */
export function decodeReadReply(body: Buffer): ReadReply {
  const reader = new ByteReader(body)
  const frame = reader.u32()
  const revision = reader.u64()
  const age_ms = reader.u64() - 1
  const kind = reader.u8()
  if (kind > 1) throw new ClusterError('malformed-frame', `unknown kind ${kind} of a read reply`)
  if (kind === 1) {
    const records = readRefusal(reader)
    reader.end()
    return { frame, records, revision, age_ms }
  }
  const count = reader.u16()
  if (count > READ_ITEMS_MAX) throw new ClusterError('malformed-frame', `${count} items`)
  const records: (ReadRecord | undefined | 'omitted')[] = []
  for (let index = 0; index < count; index++) records.push(readItem(reader))
  reader.end()
  return { frame, records, revision, age_ms }
}

function readItem(reader: ByteReader): ReadRecord | undefined | 'omitted' {
  const item = reader.u8()
  switch (item) {
    case ITEM.absent:
      return undefined
    case ITEM.omitted:
      return 'omitted'
    case ITEM.record: {
      const bytes = reader.bytes()
      checkShape(bytes, 'malformed-frame')
      return { ...recordHeader(bytes), value: bytes.subarray(recordValueAt(bytes)) }
    }
    case ITEM.metadata: {
      const size_bytes = reader.u32()
      const bytes = reader.raw(reader.u16())
      checkShape(bytes, 'malformed-frame')
      return { ...recordHeader(bytes), value: EMPTY, size_bytes }
    }
    default:
      throw new ClusterError('malformed-frame', `unknown item ${item} of a read reply`)
  }
}
