/**
 * A cursor for writing and one for reading binary frames, big-endian throughout.
 *
 * The reader never trusts a length: each read past the end throws `malformed-frame`, so that a
 * damaged or hostile frame costs one error and nothing else. Byte fields are returned as slices of
 * the received buffer, never copied (the hot path hands them to the disk as they are).
 */

import { ClusterError } from './errors.ts'

/** Largest integer a u64 field may carry here: 2^53 - 1, so that a number holds it exactly. */
export const INTEGER_MAX = Number.MAX_SAFE_INTEGER

/** Appends fields to one growing buffer. */
export class ByteWriter {
  #buffer: Buffer
  #length = 0

  /** @param capacity_bytes first allocation; it doubles as needed. */
  constructor(capacity_bytes = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity_bytes)
  }

  get length(): number {
    return this.#length
  }

  #reserve(bytes: number): number {
    const start = this.#length
    const end = start + bytes
    if (end > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.#buffer.length * 2))
      this.#buffer.copy(grown, 0, 0, start)
      this.#buffer = grown
    }
    this.#length = end
    return start
  }

  u8(value: number): this {
    const at = this.#reserve(1)
    this.#buffer[at] = value
    return this
  }

  u16(value: number): this {
    const at = this.#reserve(2)
    this.#buffer.writeUInt16BE(value, at)
    return this
  }

  u32(value: number): this {
    const at = this.#reserve(4)
    this.#buffer.writeUInt32BE(value, at)
    return this
  }

  /** Writes a whole number from 0 to {@link INTEGER_MAX} as eight bytes. */
  u64(value: number): this {
    const at = this.#reserve(8)
    const high = Math.floor(value / 0x1_0000_0000)
    this.#buffer.writeUInt32BE(high, at)
    this.#buffer.writeUInt32BE(value - high * 0x1_0000_0000, at + 4)
    return this
  }

  /** Writes a double: clock readings with fractions. */
  f64(value: number): this {
    const at = this.#reserve(8)
    this.#buffer.writeDoubleBE(value, at)
    return this
  }

  /** Writes bytes without a length. */
  raw(value: Uint8Array): this {
    const at = this.#reserve(value.length)
    this.#buffer.set(value, at)
    return this
  }

  /** Writes bytes behind a u32 length. */
  bytes(value: Uint8Array): this {
    return this.u32(value.length).raw(value)
  }

  /** Writes UTF-8 text behind a u16 length in bytes. */
  text(value: string): this {
    const size = Buffer.byteLength(value)
    this.u16(size)
    const at = this.#reserve(size)
    this.#buffer.write(value, at, 'utf8')
    return this
  }

  /** Overwrites a u32 written earlier, for counts known only at the end. */
  patchU32(at: number, value: number): this {
    this.#buffer.writeUInt32BE(value, at)
    return this
  }

  /** The bytes written so far; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }
}

/** Reads fields from one buffer. Throws `malformed-frame` past its end. */
export class ByteReader {
  readonly #buffer: Buffer
  #at: number
  readonly #end: number

  constructor(source: Uint8Array) {
    this.#buffer = Buffer.isBuffer(source)
      ? source
      : Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    this.#at = 0
    this.#end = this.#buffer.length
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  get offset(): number {
    return this.#at
  }

  #take(bytes: number): number {
    const at = this.#at
    if (bytes > this.#end - at) {
      throw new ClusterError(
        'malformed-frame',
        `frame ends ${bytes - (this.#end - at)} bytes early`,
      )
    }
    this.#at = at + bytes
    return at
  }

  u8(): number {
    return this.#buffer[this.#take(1)] as number
  }

  u16(): number {
    return this.#buffer.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#take(4))
  }

  u64(): number {
    const at = this.#take(8)
    const value = this.#buffer.readUInt32BE(at) * 0x1_0000_0000 + this.#buffer.readUInt32BE(at + 4)
    if (value > INTEGER_MAX) throw new ClusterError('malformed-frame', 'integer above 2^53 - 1')
    return value
  }

  /** A finite double. */
  f64(): number {
    const value = this.#buffer.readDoubleBE(this.#take(8))
    if (!Number.isFinite(value)) throw new ClusterError('malformed-frame', 'not a finite number')
    return value
  }

  /** The next `size_bytes` bytes as a slice. */
  raw(size_bytes: number): Buffer {
    const at = this.#take(size_bytes)
    return this.#buffer.subarray(at, at + size_bytes)
  }

  /** Bytes behind a u32 length, as a slice. */
  bytes(): Buffer {
    return this.raw(this.u32())
  }

  /** The next `size_bytes` bytes as text of one byte a character. */
  latin1(size_bytes: number): string {
    const at = this.#take(size_bytes)
    return this.#buffer.toString('latin1', at, at + size_bytes)
  }

  /** UTF-8 text behind a u16 length in bytes. */
  text(): string {
    const size = this.u16()
    const at = this.#take(size)
    return this.#buffer.toString('utf8', at, at + size)
  }

  /** Throws `malformed-frame` unless all bytes were read. */
  end(): void {
    if (this.remaining !== 0) {
      throw new ClusterError('malformed-frame', `${this.remaining} bytes too many`)
    }
  }
}
