/**
 * The chunks of a snapshot, as they travel:
 *
 *   format u8 | CRC32C u32 over what follows | number u32 | rows …
 *   row: mark u8 ('k' record, 't' expiry, 's' session) | key u32+bytes | value u32+bytes
 *   last row: mark 0 | rows u64 | the generation's KvMeta u32+bytes
 *
 * The format is that of the disk it is read from: nothing in it is newer. The number counts chunks
 * from 0, so that one that is missing, repeated or out of order shows.
 */

import { crc32c } from '@node-rs/crc32'
import { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import { FORMAT_NEWEST, FORMAT_OLDEST } from '../../shared/formats.ts'
import type { KvMeta } from '../kv/types.ts'
import { ROW_MARKS, type RowType } from './layout.ts'
import { decodeMeta, encodeMeta } from './stored-values.ts'

const HEADER_BYTES = 5
const END_MARK = 0

export type SnapshotRow = {
  readonly type: RowType
  readonly key: Buffer
  readonly value: Uint8Array
}

export type SnapshotEnd = { readonly rows: number; readonly meta: KvMeta }

/** Gathers rows into one chunk. */
export class ChunkWriter {
  readonly #bytes: ByteWriter

  constructor(number: number, size_bytes: number, format = FORMAT_OLDEST) {
    this.#bytes = new ByteWriter(size_bytes).u8(format).u32(0).u32(number)
  }

  get length(): number {
    return this.#bytes.length
  }

  add(row: SnapshotRow): void {
    this.#bytes.u8(ROW_MARKS[row.type]).bytes(row.key).bytes(row.value)
  }

  end(end: SnapshotEnd): void {
    this.#bytes.u8(END_MARK).u64(end.rows).bytes(encodeMeta(end.meta))
  }

  finish(): Buffer {
    const chunk = this.#bytes.finish()
    chunk.writeUInt32BE(crc32c(chunk.subarray(HEADER_BYTES)), 1)
    return chunk
  }
}

/** Reads and checks one chunk. Throws `malformed-frame`, `format-too-new`. */
export function readChunk(
  source: Uint8Array,
  number: number,
): { format: number; rows: SnapshotRow[]; end: SnapshotEnd | undefined } {
  const chunk = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  const reader = new ByteReader(chunk)
  const format = reader.u8()
  if (format > FORMAT_NEWEST) {
    throw new ClusterError('format-too-new', `snapshot of format ${format}`)
  }
  const crc = reader.u32()
  if (crc !== crc32c(chunk.subarray(HEADER_BYTES)))
    throw malformed(`chunk ${number} has a wrong CRC`)
  if (reader.u32() !== number) throw malformed(`chunk ${number} is missing`)
  const rows: SnapshotRow[] = []
  while (reader.remaining > 0) {
    const mark = reader.u8()
    if (mark === END_MARK) {
      const end = { rows: reader.u64(), meta: decodeMeta(reader.bytes()) }
      reader.end()
      return { format, rows, end }
    }
    rows.push({ type: rowTypeOf(mark), key: reader.bytes(), value: reader.bytes() })
  }
  return { format, rows, end: undefined }
}

function rowTypeOf(mark: number): RowType {
  switch (mark) {
    case ROW_MARKS.record:
      return 'record'
    case ROW_MARKS.expiry:
      return 'expiry'
    case ROW_MARKS.session:
      return 'session'
    default:
      throw malformed(`a row of the unknown kind ${mark}`)
  }
}

function malformed(what: string): ClusterError {
  return new ClusterError('malformed-frame', `snapshot: ${what}`)
}
