/**
 * The one validator of a segment's bytes. It walks them without making objects, so that a leader
 * can afford it for each frame before it proposes (a malformed segment must never get into the
 * log), and the decoder runs it first and may then read without looking.
 *
 * The format is described in codec.ts.
 */

import { isUtf8 } from 'node:buffer'
import { INTEGER_MAX } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import {
  CONDITION_REVISIONS_MAX,
  KEY_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
  TTL_MS_MAX,
  VALUE_BYTES_MAX,
} from '../../shared/limits.ts'
import { COMMAND, CONDITION, SEGMENT_HEADER_BYTES, SEGMENT_VERSION } from './segment-format.ts'

/** What a leader wants to know of a segment it is about to propose. */
export type SegmentSummary = {
  readonly session: number
  readonly floor: number
  /** Number of commands: revisions the segment takes in its entry. */
  readonly count: number
  /** Some command stores a value: to be refused while disks are full. */
  readonly puts: boolean
}

/** Checks every byte of a segment. Throws `malformed-frame`, `format-too-new`. */
export function checkSegment(source: Uint8Array): SegmentSummary {
  const bytes = asBuffer(source)
  need(bytes, 0, 1)
  const version = bytes[0] as number
  if (version > SEGMENT_VERSION) {
    throw new ClusterError('format-too-new', `segment of format ${version} is from a newer version`)
  }
  if (version === 0) throw malformed('segment of format 0')
  need(bytes, 0, SEGMENT_HEADER_BYTES)
  const session = integer(bytes, 1)
  const floor = integer(bytes, 9)
  const count = bytes.readUInt32BE(17)
  let at = SEGMENT_HEADER_BYTES
  let puts = false
  for (let index = 0; index < count; index++) {
    need(bytes, at, 10)
    integer(bytes, at)
    const type = bytes[at + 8] as number
    at = skip(bytes, at + 10, bytes[at + 9] as number)
    switch (type) {
      case COMMAND.put:
        puts = true
        at = checkPut(bytes, at)
        break
      case COMMAND.delete:
        at = checkCondition(bytes, checkKey(bytes, at))
        break
      case COMMAND.transaction: {
        const start = at
        at = checkTransaction(bytes, at)
        puts ||= transactionPuts(bytes, start)
        break
      }
      default:
        if (session !== 0) throw malformed(`command type ${type} inside a session`)
        at = checkSystemCommand(bytes, at, type)
    }
  }
  if (at !== bytes.length) throw malformed(`segment has ${bytes.length - at} bytes too many`)
  return { session, floor, count, puts }
}

function checkSystemCommand(bytes: Buffer, at: number, type: number): number {
  switch (type) {
    case COMMAND.expire: {
      const next = checkKey(bytes, at)
      integer(bytes, next)
      return next + 8
    }
    case COMMAND.openSession:
      return at
    case COMMAND.closeSession:
      integer(bytes, at)
      return at + 8
    case COMMAND.expireSession:
      integer(bytes, at)
      integer(bytes, at + 8)
      return at + 16
    default:
      throw malformed(`unknown command type ${type}`)
  }
}

function checkPut(bytes: Buffer, start: number): number {
  let at = checkKey(bytes, start)
  need(bytes, at, 1)
  at = skip(bytes, at + 1, bytes[at] as number)
  if (integer(bytes, at) > TTL_MS_MAX) throw malformed('time to live above its limit')
  at += 8
  need(bytes, at, 4)
  const size = bytes.readUInt32BE(at)
  if (size > VALUE_BYTES_MAX) throw malformed(`value of ${size} bytes`)
  return checkCondition(bytes, skip(bytes, at + 4, size))
}

function checkKey(bytes: Buffer, at: number): number {
  need(bytes, at, 2)
  const size = bytes.readUInt16BE(at)
  if (size === 0 || size > KEY_BYTES_MAX) throw malformed(`key of ${size} bytes`)
  const start = at + 2
  const end = skip(bytes, start, size)
  // Nearly all keys are ASCII, which needs no call out of the engine to be seen as UTF-8.
  let index = start
  while (index < end && (bytes[index] as number) < 0x80) index++
  if (index < end && !isUtf8(bytes.subarray(index, end))) throw malformed('key is not UTF-8')
  return end
}

function checkCondition(bytes: Buffer, start: number): number {
  need(bytes, start, 1)
  const flags = bytes[start] as number
  const both = CONDITION.matchList | CONDITION.matchAny
  const noneBoth = CONDITION.noneMatchList | CONDITION.noneMatchAny
  if ((flags & ~(both | noneBoth)) !== 0 || (flags & both) === both) {
    throw malformed('condition with unknown flags')
  }
  if ((flags & noneBoth) === noneBoth) throw malformed('condition with unknown flags')
  let at = start + 1
  if ((flags & CONDITION.matchList) !== 0) at = checkRevisions(bytes, at)
  if ((flags & CONDITION.noneMatchList) !== 0) at = checkRevisions(bytes, at)
  return at
}

function checkRevisions(bytes: Buffer, at: number): number {
  need(bytes, at, 2)
  const count = bytes.readUInt16BE(at)
  if (count > CONDITION_REVISIONS_MAX) throw malformed(`condition lists ${count} revisions`)
  const end = skip(bytes, at + 2, count * 8)
  for (let next = at + 2; next < end; next += 8) integer(bytes, next)
  return end
}

function checkTransaction(bytes: Buffer, start: number): number {
  const compares = operations(bytes, start)
  let at = start + 2
  for (let index = 0; index < compares; index++) at = checkCondition(bytes, checkKey(bytes, at))
  return checkBranch(bytes, checkBranch(bytes, at))
}

function checkBranch(bytes: Buffer, start: number): number {
  const count = operations(bytes, start)
  let at = start + 2
  for (let index = 0; index < count; index++) {
    need(bytes, at, 1)
    const type = bytes[at] as number
    if (type === COMMAND.put) at = checkPut(bytes, at + 1)
    else if (type === COMMAND.delete) at = checkCondition(bytes, checkKey(bytes, at + 1))
    else throw malformed(`command type ${type} inside a transaction`)
    // A branch runs as a whole or not at all: what must hold stands in `compare` (types.ts).
    if (bytes[at - 1] !== 0) throw malformed('condition inside a transaction')
  }
  return at
}

function operations(bytes: Buffer, at: number): number {
  need(bytes, at, 2)
  const count = bytes.readUInt16BE(at)
  if (count > TRANSACTION_OPERATIONS_MAX) throw malformed(`transaction of ${count} operations`)
  return count
}

/** Does a transaction that was checked hold a put? */
function transactionPuts(bytes: Buffer, start: number): boolean {
  let at = start + 2
  for (let left = bytes.readUInt16BE(start); left > 0; left--) {
    at = checkCondition(bytes, checkKey(bytes, at))
  }
  for (let branch = 0; branch < 2; branch++) {
    const count = bytes.readUInt16BE(at)
    at += 2
    for (let left = count; left > 0; left--) {
      if (bytes[at] === COMMAND.put) return true
      at = checkCondition(bytes, checkKey(bytes, at + 1))
    }
  }
  return false
}

/** Asserts that `size` bytes are there at `at`, and returns the offset behind them. */
function skip(bytes: Buffer, at: number, size: number): number {
  need(bytes, at, size)
  return at + size
}

function need(bytes: Buffer, at: number, size: number): void {
  if (at + size > bytes.length) {
    throw malformed(`segment ends ${at + size - bytes.length} bytes early`)
  }
}

function integer(bytes: Buffer, at: number): number {
  need(bytes, at, 8)
  const value = bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
  if (value > INTEGER_MAX) throw malformed('integer above 2^53 - 1')
  return value
}

function malformed(message: string): ClusterError {
  return new ClusterError('malformed-frame', message)
}

function asBuffer(source: Uint8Array): Buffer {
  if (Buffer.isBuffer(source)) return source
  return Buffer.from(source.buffer, source.byteOffset, source.byteLength)
}
