/** A refused frame as bytes: text code | text message | u8 outcome | u32 leader + 1. */

import type { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError, ERROR_TABLE, type ErrorCode } from '../../shared/errors.ts'
import type { Refusal } from './frame-types.ts'

/** Longest message that is sent on, in characters: it is for people. */
const MESSAGE_CHARACTERS_MAX = 1024

/** Appends a refusal. */
export function writeRefusal(writer: ByteWriter, refusal: Refusal): void {
  writer.text(refusal.code).text(refusal.message.slice(0, MESSAGE_CHARACTERS_MAX))
  writer.u8(refusal.outcome === 'unknown' ? 1 : 0).u32(refusal.leader + 1)
}

/** Reads a refusal. A code of a newer version is `internal`. Throws `malformed-frame`. */
export function readRefusal(reader: ByteReader): Refusal {
  const code = reader.text()
  const message = reader.text()
  const outcome = reader.u8()
  if (outcome > 1) throw new ClusterError('malformed-frame', `unknown outcome ${outcome}`)
  const leader = reader.u32() - 1
  return {
    code: Object.hasOwn(ERROR_TABLE, code) ? (code as ErrorCode) : 'internal',
    message,
    outcome: outcome === 1 ? 'unknown' : 'not-applied',
    leader,
  }
}

/** Tells a refused frame's refusal from the answer it would have had. */
export function isRefusal<Item>(answer: readonly Item[] | Refusal): answer is Refusal {
  return !Array.isArray(answer)
}
