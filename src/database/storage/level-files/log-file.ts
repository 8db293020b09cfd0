/**
 * LevelDB's log format (db/log_format.h, log_writer.cc), which WAL and MANIFEST share: blocks of
 * 32 KiB with records, or fragments of records, behind a CRC each.
 *
 *   CRC u32 | length u16 | type u8 (1 whole, 2 first, 3 middle, 4 last) | content
 *
 * LevelDB's own reader skips what it cannot believe and goes on; this one stops and says so. The
 * writer only ever appends, so that the end of the file is the one place where a record may be
 * incomplete. A record whose *length* rotted looks like that too, and would take all records behind
 * it along: it is known by its CRC, which is right for some shorter length.
 */

import { type FileHandle, open } from 'node:fs/promises'
import { crc32c } from '@node-rs/crc32'
import { DamageFound, mask, maskedCrc } from './format.ts'

const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const READ_BYTES = 32 * BLOCK_BYTES
const WHOLE = 1
const FIRST = 2
const MIDDLE = 3
const LAST = 4

export type LogRecord = {
  readonly offset: number
  readonly content: Buffer
  /** The file ends within this record; `content` is what there is of it. */
  readonly torn: boolean
}

/** The records of a log file; only the last can be torn. Throws {@link DamageFound}. */
export async function* logRecords(path: string): AsyncGenerator<LogRecord> {
  const file = await open(path, 'r')
  try {
    const joiner = new FragmentJoiner()
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    for (let start = 0; ; start += READ_BYTES) {
      const size = await readFully(file, buffer, start)
      for (let at = 0; at < size; at += BLOCK_BYTES) {
        const block = buffer.subarray(at, Math.min(at + BLOCK_BYTES, size))
        yield* joiner.block(block, start + at)
      }
      if (size < READ_BYTES) break
    }
    yield* joiner.end()
  } finally {
    await file.close()
  }
}

/** Fills `buffer` from `position` on; fewer bytes than it holds: the file ends there. */
export async function readFully(
  file: FileHandle,
  buffer: Buffer,
  position: number,
): Promise<number> {
  let size = 0
  while (size < buffer.length) {
    const { bytesRead } = await file.read(buffer, size, buffer.length - size, position + size)
    if (bytesRead === 0) break
    size += bytesRead
  }
  return size
}

class FragmentJoiner {
  #fragments: Buffer[] | undefined
  #offset = 0

  /** What the header says must be possible where it stands. */
  #checkHeader(block: Buffer, header: { at: number; size: number; offset: number }): void {
    const { at, size, offset } = header
    const type = block[at + 6] as number
    if (type < WHOLE || type > LAST) throw new DamageFound(`a record at ${offset} has no type`)
    const room = BLOCK_BYTES - at - HEADER_BYTES
    const fits = type === FIRST || type === MIDDLE ? size === room : size <= room
    if (!fits) throw new DamageFound(`a record at ${offset} has an impossible length`)
    const continues = type === MIDDLE || type === LAST
    if (continues !== (this.#fragments !== undefined)) {
      throw new DamageFound(`a record at ${offset} has lost its ${continues ? 'start' : 'rest'}`)
    }
  }

  #take(block: Buffer, header: { at: number; end: number; offset: number }): LogRecord | undefined {
    const { at, end, offset } = header
    if (maskedCrc(block.subarray(at + 6, end)) !== block.readUInt32LE(at)) {
      throw new DamageFound(`a record at ${offset} has a wrong CRC`)
    }
    const type = block[at + 6] as number
    const content = block.subarray(at + HEADER_BYTES, end)
    if (type === WHOLE) return { offset, content, torn: false }
    if (type === FIRST) {
      this.#offset = offset
      this.#fragments = []
    }
    // Copied: the read buffer is used again for the next blocks.
    this.#fragments?.push(Buffer.from(content))
    if (type !== LAST) return undefined
    return this.#finish(false)
  }

  #torn(block: Buffer, at: number): LogRecord {
    const rest = block.subarray(at)
    if (rest.length >= HEADER_BYTES && holdsWholeRecord(rest)) {
      throw new DamageFound(`the record ${rest.length} bytes before the end has a wrong length`)
    }
    const content = Buffer.from(rest.subarray(Math.min(HEADER_BYTES, rest.length)))
    this.#fragments = [...(this.#fragments ?? []), content]
    return this.#finish(true)
  }

  #finish(torn: boolean): LogRecord {
    const content = Buffer.concat(this.#fragments ?? [])
    this.#fragments = undefined
    return { offset: this.#offset, content, torn }
  }

  /** The records that end in this block. */
  *block(block: Buffer, offset: number): Generator<LogRecord> {
    let at = 0
    while (block.length - at >= HEADER_BYTES) {
      const size = block.readUInt16LE(at + 4)
      const end = at + HEADER_BYTES + size
      this.#checkHeader(block, { at, size, offset: offset + at })
      if (end > block.length) {
        yield this.#torn(block, at)
        return
      }
      const record = this.#take(block, { at, end, offset: offset + at })
      if (record !== undefined) yield record
      at = end
    }
    if (at === block.length) return
    if (block.length < BLOCK_BYTES) {
      yield this.#torn(block, at)
    } else if (block.subarray(at).some((byte) => byte !== 0)) {
      throw new DamageFound(`the end of the block at ${offset} is not empty`)
    }
  }

  /** A record that had begun when the file ended. */
  *end(): Generator<LogRecord> {
    if (this.#fragments !== undefined) yield this.#finish(true)
  }
}

/** Is the CRC at the start of `rest` right for a content that ends anywhere in it? */
function holdsWholeRecord(rest: Buffer): boolean {
  const wanted = rest.readUInt32LE(0)
  let crc = crc32c(rest.subarray(6, HEADER_BYTES))
  for (let end = HEADER_BYTES; end < rest.length; end += 1) {
    if (mask(crc) === wanted) return true
    crc = crc32c(rest.subarray(end, end + 1), crc)
  }
  return mask(crc) === wanted
}
