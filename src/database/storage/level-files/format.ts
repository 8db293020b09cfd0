/**
 * Small parts of LevelDB's on-disk formats (1.20: util/coding.cc, util/crc32c.h),
 * and the finding that ends the check of one file.
 */

import { crc32c } from '@node-rs/crc32'

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
