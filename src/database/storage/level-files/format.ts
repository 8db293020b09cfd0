/**
 * Small parts of LevelDB's on-disk formats (1.20: util/coding.cc, util/crc32c.h, table/block.cc),
 * and the finding that ends the check of one file.
 */

import { crc32c } from '@node-rs/crc32'
import { uncompress } from './snappy.ts'

/** What is wrong with which file. */
export type Damage = { readonly file: string; readonly what: string }

/** Thrown where a file is found damaged; check.ts turns it into a {@link Damage}. */
export class DamageFound extends Error {
  override readonly name = 'DamageFound'
}

/** A CRC as LevelDB stores it, so that a CRC over data with CRCs in it stays strong. */
export function maskedCrc(bytes: Buffer): number {
  return mask(crc32c(bytes))
}

export function mask(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** Reads little-endian fields; throws {@link DamageFound} past the end. */
export class LevelReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  get offset(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  raw(size: number): Buffer {
    if (size > this.remaining) throw new DamageFound('a field reaches past its end')
    const at = this.#at
    this.#at += size
    return this.#bytes.subarray(at, at + size)
  }

  u8(): number {
    return this.raw(1)[0] as number
  }

  u32(): number {
    return this.raw(4).readUInt32LE(0)
  }

  /** A 64-bit number; exact up to 2^53, which no sequence or file number reaches. */
  u64(): number {
    const bytes = this.raw(8)
    return bytes.readUInt32LE(4) * 0x1_0000_0000 + bytes.readUInt32LE(0)
  }

  varint(): number {
    let value = 0
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = this.u8()
      value += (byte & 0x7f) * 2 ** shift
      if (byte === 0 && shift > 0) throw new DamageFound('a number is longer than it need be')
      if (byte < 0x80) return value
    }
    throw new DamageFound('a number has too many bytes')
  }

  /** Bytes behind a varint length. */
  bytes(): Buffer {
    return this.raw(this.varint())
  }
}

export type BlockHandle = { readonly offset: number; readonly size: number }

export function readHandle(reader: LevelReader): BlockHandle {
  return { offset: reader.varint(), size: reader.varint() }
}

/** Type byte and CRC behind each block. */
export const BLOCK_TRAILER_BYTES = 5

/** Checks the CRC of a block with its trailer. Throws {@link DamageFound}. */
export function checkBlock(block: Buffer, name: string): void {
  const size = block.length - BLOCK_TRAILER_BYTES
  if (maskedCrc(block.subarray(0, size + 1)) !== block.readUInt32LE(size + 1)) {
    throw new DamageFound(`${name} has a wrong CRC`)
  }
  if ((block[size] as number) > 1) throw new DamageFound(`${name} has an unknown compression`)
}

/** Entries of a checked block, in order. Throws {@link DamageFound} where it cannot be decoded. */
export function* blockEntries(block: Buffer): Generator<{ key: Buffer; value: Buffer }> {
  const size = block.length - BLOCK_TRAILER_BYTES
  const stored = block.subarray(0, size)
  const content = block[size] === 1 ? uncompress(stored) : stored
  if (content.length < 4) throw new DamageFound('a block is too short')
  const restarts = content.readUInt32LE(content.length - 4)
  const end = content.length - 4 - 4 * restarts
  if (end < 0) throw new DamageFound('a block has too many restarts')
  const reader = new LevelReader(content.subarray(0, end))
  let key = Buffer.alloc(0)
  while (reader.remaining > 0) {
    const shared = reader.varint()
    const unshared = reader.varint()
    const valueSize = reader.varint()
    if (shared > key.length) throw new DamageFound('a block shares a longer key than there is')
    key = Buffer.concat([key.subarray(0, shared), reader.raw(unshared)])
    yield { key, value: reader.raw(valueSize) }
  }
}
