/**
 * Snappy's block format, reading only (google/snappy format_description.txt). We write tables
 * without compression; a disk written with it must be readable all the same.
 */

import { DamageFound, LevelReader } from './format.ts'

/** No block is larger: the largest holds one entry of a batch. */
const UNCOMPRESSED_BYTES_MAX = 64 * 1024 * 1024

export function uncompress(stored: Buffer): Buffer {
  const reader = new LevelReader(stored)
  const size = reader.varint()
  if (size > UNCOMPRESSED_BYTES_MAX) throw new DamageFound('a compressed block is too large')
  const target = Buffer.alloc(size)
  let at = 0
  while (reader.remaining > 0) {
    const tag = reader.u8()
    if ((tag & 3) === 0) {
      const literal = reader.raw(literalSize(tag, reader))
      if (literal.length > size - at) throw new DamageFound('a compressed block is malformed')
      target.set(literal, at)
      at += literal.length
    } else {
      at = copy(target, at, readCopy(tag, reader))
    }
  }
  if (at !== size) throw new DamageFound('a compressed block ends early')
  return target
}

function literalSize(tag: number, reader: LevelReader): number {
  const size = tag >> 2
  if (size < 60) return size + 1
  return reader.raw(size - 59).readUIntLE(0, size - 59) + 1
}

type Copy = { readonly offset: number; readonly size: number }

function readCopy(tag: number, reader: LevelReader): Copy {
  if ((tag & 3) === 1)
    return { size: ((tag >> 2) & 7) + 4, offset: ((tag >> 5) << 8) | reader.u8() }
  const bytes = (tag & 3) === 2 ? 2 : 4
  return { size: (tag >> 2) + 1, offset: reader.raw(bytes).readUIntLE(0, bytes) }
}

/** A copy may overlap what it writes: byte by byte, as the format says. */
function copy(target: Buffer, at: number, { offset, size }: Copy): number {
  if (offset === 0 || offset > at || at + size > target.length) {
    throw new DamageFound('a compressed block is malformed')
  }
  for (let i = 0; i < size; i += 1) target[at + i] = target[at + i - offset] as number
  return at + size
}
