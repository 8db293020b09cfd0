/**
 * Writes as a port, so that the API tier (in a session, retried) and the leading replica (once)
 * serve the same `/v1` routes. The types are structural twins of the database's, which shared code
 * may not import.
 */

import type { ClusterError } from '../errors.ts'
import type { TagCondition } from './conditions.ts'
import type { AnswerSource } from './reader.ts'

/** A command whose tags are compared once the leader's history is known. */
export type WriteCommand =
  | {
      readonly type: 'put'
      readonly key: Uint8Array
      readonly value: Uint8Array
      readonly contentType: string
      /** Time to live in log time, ms; 0: for ever. */
      readonly ttl_ms: number
      readonly condition: TagCondition | undefined
    }
  | {
      readonly type: 'delete'
      readonly key: Uint8Array
      readonly condition: TagCondition | undefined
    }

/** What became of a command; a put or a delete is answered with one of the first five. */
export type WriteResult = {
  readonly status:
    | 'created'
    | 'updated'
    | 'deleted'
    | 'absent'
    | 'condition-failed'
    | 'session-unknown'
    | 'below-floor'
    | 'session-full'
    | 'done'
    | 'unchanged'
    | 'done-failure'
  /** Of the change; for `condition-failed` the key's present one, 0: no such key. */
  readonly revision: number
}

/** Called exactly once: an error, which always has an outcome, or a result and its source. */
export type WriteDone = (
  error: ClusterError | undefined,
  result: WriteResult | undefined,
  source: AnswerSource | undefined,
) => void

export interface WriteTaker {
  /** Calls `done` within `timeout_ms`. */
  submit(command: WriteCommand, timeout_ms: number, done: WriteDone): void
}

/** Who lets a write in before its body is read. */
export interface WriteGate {
  /** Lets a request with so many bytes in, or says why not. One that is in must `leave` once. */
  enter(bytes: number): ClusterError | undefined
  leave(bytes: number): void
}
