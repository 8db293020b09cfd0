/**
 * One write from the moment it is admitted until it is answered, and what is known of its fate.
 *
 *   waiting ──frame leaves──► in flight ──result──────────────────────────► settled
 *      ▲                         │ refused, not applied → waiting, as before
 *      │                         │ link lost, leader changed, refused with unknown outcome
 *      └──── same sequence ──────┴─► waiting, in doubt ──deadline──► settled as `outcome-unknown`
 *
 * A write is in doubt while any frame that carried it may yet be executed and was not answered
 * with results. Only a write that is not in doubt may be refused as `not-applied`, or move into
 * another session.
 */

import type { WriteCommand, WriteDone } from '../shared/http/write-taker.ts'
import type { SequenceFloor } from './floor.ts'

/** An open session. Sequences mean something only within it. */
export type WriteSession = {
  readonly id: number
  /** A session of another history is another session, whatever its number (DESIGN §7). */
  readonly history: string
  readonly sequences: SequenceFloor
}

export type PendingWrite = {
  readonly command: WriteCommand
  readonly size_bytes: number
  readonly deadline_ms: number
  readonly done: WriteDone
  /** The session that its sequence belongs to; undefined: it never left. */
  session: WriteSession | undefined
  sequence: number
  inFlight: boolean
  /** Frames that carried it and may yet take effect without an answer. */
  doubts: number
  settled: boolean
}

/** Bytes a command takes in a segment, a little more than less. */
const COMMAND_OVERHEAD_BYTES = 64
const REVISION_BYTES = 8

export function sizeOfCommand(command: WriteCommand): number {
  let size = COMMAND_OVERHEAD_BYTES + command.key.length
  if (command.type === 'put') size += command.value.length + command.contentType.length
  const { condition } = command
  if (condition !== undefined) {
    const { match, noneMatch } = condition
    if (typeof match === 'object') size += match.length * REVISION_BYTES
    if (typeof noneMatch === 'object') size += noneMatch.length * REVISION_BYTES
  }
  return size
}
