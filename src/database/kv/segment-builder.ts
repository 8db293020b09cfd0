/**
 * Encodes commands, as they arrive at an API server, into one segment (segment-format.ts).
 *
 * A put costs one reservation and a few direct writes: session and floor are written last, since
 * they are known when the frame leaves and not when its first command comes.
 */

import { assert, assertNever } from '../../shared/assert.ts'
import { INTEGER_MAX } from '../../shared/bytes.ts'
import {
  CONDITION_REVISIONS_MAX,
  CONTENT_TYPE_BYTES_MAX,
  IDEMPOTENCY_KEY_BYTES_MAX,
  KEY_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
  TTL_MS_MAX,
  VALUE_BYTES_MAX,
} from '../../shared/limits.ts'
import { COMMAND, CONDITION, SEGMENT_HEADER_BYTES, SEGMENT_VERSION } from './segment-format.ts'
import type { Command, Condition, DeleteCommand, PutCommand } from './types.ts'

const EMPTY = new Uint8Array(0)
/** The most that is allocated for a segment before its commands have come. */
const AHEAD_BYTES_MAX = 64 * 1024

/**
 * Gathers commands into one segment; after `finish` it starts the next one.
 *
 * Each segment starts with the room that the last ones needed. A fixed 16 KiB for the 330 bytes of
 * a single put made V8 look through the whole heap of an API server more than once a second, since
 * it counts such memory but frees it late.
 */
export class SegmentBuilder {
  #buffer: Buffer
  #at = SEGMENT_HEADER_BYTES
  #count = 0
  #ahead_bytes: number
  readonly #capacity_bytes: number

  /** @param capacity_bytes the least that is allocated for a segment; it doubles as needed. */
  constructor(capacity_bytes = 512) {
    this.#capacity_bytes = Math.max(capacity_bytes, SEGMENT_HEADER_BYTES)
    this.#ahead_bytes = this.#capacity_bytes
    this.#buffer = Buffer.allocUnsafe(this.#ahead_bytes)
  }

  /** Commands added since the last `finish`. */
  get count(): number {
    return this.#count
  }

  /** Bytes the segment has so far, its header included. */
  get size_bytes(): number {
    return this.#at
  }

  /** Adds a command. Sizes above their limits are programmer errors: the API checks them first. */
  add(sequence: number, command: Command, idempotencyKey: Uint8Array = EMPTY): void {
    assert(
      idempotencyKey.length <= IDEMPOTENCY_KEY_BYTES_MAX,
      'an idempotency key has at most 255 bytes',
    )
    const start = this.#at
    try {
      this.#u64(sequence)
      const typeAt = this.#reserve(2 + idempotencyKey.length)
      this.#buffer[typeAt + 1] = idempotencyKey.length
      this.#buffer.set(idempotencyKey, typeAt + 2)
      const type = this.#fields(command)
      this.#buffer[typeAt] = type
    } catch (error) {
      // A refused command leaves no half of itself behind.
      this.#at = start
      throw error
    }
    this.#count++
  }

  /** The segment with all commands added; the builder is empty again. */
  finish(head: { session: number; floor: number }): Buffer {
    const bytes = this.#buffer.subarray(0, this.#at)
    bytes[0] = SEGMENT_VERSION
    patchSegment(bytes, head)
    bytes.writeUInt32BE(this.#count, 17)
    this.#foresee(this.#at)
    this.#buffer = Buffer.allocUnsafe(this.#ahead_bytes)
    this.#at = SEGMENT_HEADER_BYTES
    this.#count = 0
    return bytes
  }

  /** More room at once after a segment that did not fit, less bit by bit after those that did. */
  #foresee(size_bytes: number): void {
    const fewer_bytes = this.#ahead_bytes - (this.#ahead_bytes >> 3)
    this.#ahead_bytes =
      size_bytes > this.#ahead_bytes
        ? Math.min(2 * size_bytes, AHEAD_BYTES_MAX)
        : Math.max(fewer_bytes, this.#capacity_bytes)
  }

  /** Writes what follows the type; returns the type. */
  #fields(command: Command): number {
    switch (command.type) {
      case 'put':
        this.#put(command)
        return COMMAND.put
      case 'delete':
        this.#key(command.key)
        this.#condition(command.condition)
        return COMMAND.delete
      case 'transaction':
        this.#operations(command.compare.length)
        for (const { key, condition } of command.compare) {
          this.#key(key)
          this.#condition(condition)
        }
        this.#branch(command.success)
        this.#branch(command.failure)
        return COMMAND.transaction
      case 'expire':
        this.#key(command.key)
        this.#u64(command.revision)
        return COMMAND.expire
      case 'open-session':
        return COMMAND.openSession
      case 'close-session':
        this.#u64(command.session)
        return COMMAND.closeSession
      case 'expire-session':
        this.#u64(command.session)
        this.#u64(command.lastUse_ms)
        return COMMAND.expireSession
      default:
        return assertNever(command)
    }
  }

  #put(command: PutCommand): void {
    const { key, value, contentType, ttl_ms } = command
    assert(value.length <= VALUE_BYTES_MAX, 'the value is too large')
    assert(contentType.length <= CONTENT_TYPE_BYTES_MAX, 'the content type is too long')
    assert(ttl_ms <= TTL_MS_MAX, 'the time to live is too long')
    this.#key(key)
    let at = this.#reserve(1 + contentType.length + 12 + value.length)
    const buffer = this.#buffer
    buffer[at++] = contentType.length
    // Media types are ASCII by RFC 9110, header fields latin1: one byte a character.
    at += buffer.write(contentType, at, 'latin1')
    writeU64(buffer, at, ttl_ms)
    buffer.writeUInt32BE(value.length, at + 8)
    buffer.set(value, at + 12)
    this.#condition(command.condition)
  }

  #branch(commands: readonly (PutCommand | DeleteCommand)[]): void {
    this.#operations(commands.length)
    for (const command of commands) {
      assert(command.condition === undefined, 'conditions of a transaction stand in `compare`')
      const at = this.#reserve(1)
      this.#buffer[at] = command.type === 'put' ? COMMAND.put : COMMAND.delete
      this.#fields(command)
    }
  }

  #operations(count: number): void {
    assert(count <= TRANSACTION_OPERATIONS_MAX, 'the transaction has too many operations')
    this.#u16(count)
  }

  #key(key: Uint8Array): void {
    assert(key.length > 0 && key.length <= KEY_BYTES_MAX, 'the key is not 1 to 1024 bytes')
    const at = this.#reserve(2 + key.length)
    this.#buffer.writeUInt16BE(key.length, at)
    this.#buffer.set(key, at + 2)
  }

  #condition(condition: Condition | undefined): void {
    const flagsAt = this.#reserve(1)
    if (condition === undefined) {
      this.#buffer[flagsAt] = 0
      return
    }
    const { match, noneMatch } = condition
    let flags = 0
    if (match === 'any') flags |= CONDITION.matchAny
    else if (match !== undefined) {
      flags |= CONDITION.matchList
      this.#revisions(match)
    }
    if (noneMatch === 'any') flags |= CONDITION.noneMatchAny
    else if (noneMatch !== undefined) {
      flags |= CONDITION.noneMatchList
      this.#revisions(noneMatch)
    }
    this.#buffer[flagsAt] = flags
  }

  #revisions(revisions: readonly number[]): void {
    assert(revisions.length <= CONDITION_REVISIONS_MAX, 'the condition lists too many revisions')
    this.#u16(revisions.length)
    for (const revision of revisions) this.#u64(revision)
  }

  #u16(value: number): void {
    const at = this.#reserve(2)
    this.#buffer.writeUInt16BE(value, at)
  }

  #u64(value: number): void {
    const at = this.#reserve(8)
    writeU64(this.#buffer, at, value)
  }

  /** Room for `size` bytes. It may replace `#buffer`: read that field only afterwards. */
  #reserve(size: number): number {
    const at = this.#at
    const end = at + size
    if (end > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.#buffer.length * 2))
      this.#buffer.copy(grown, 0, 0, at)
      this.#buffer = grown
    }
    this.#at = end
    return at
  }
}

/** Gives an encoded segment another session or floor in place: for sending it again. */
export function patchSegment(
  segment: Buffer,
  head: { readonly session: number; readonly floor: number },
): void {
  writeU64(segment, 1, head.session)
  writeU64(segment, 9, head.floor)
}

function writeU64(buffer: Buffer, at: number, value: number): void {
  assert(value >= 0 && value <= INTEGER_MAX && Number.isInteger(value), 'not a u64 below 2^53')
  const high = Math.floor(value / 0x1_0000_0000)
  buffer.writeUInt32BE(high, at)
  buffer.writeUInt32BE(value - high * 0x1_0000_0000, at + 4)
}
