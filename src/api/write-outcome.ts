/** What a replica's word means for one write: answer it, refuse it, or send it again. */

import type { Refusal } from '../database/kv/frame-types.ts'
import type { CommandResult } from '../database/kv/types.ts'
import { assertNever } from '../shared/assert.ts'
import { ClusterError, type ErrorCode } from '../shared/errors.ts'
import type { PendingWrite } from './pending-write.ts'

export type Verdict =
  | { readonly type: 'answer' }
  | { readonly type: 'refuse'; readonly error: ClusterError }
  /** `newSession`: its session is gone and it was never executed in it. */
  | { readonly type: 'again'; readonly newSession: boolean }

const ANSWER: Verdict = { type: 'answer' }
const AGAIN: Verdict = { type: 'again', newSession: false }
const AGAIN_IN_NEW_SESSION: Verdict = { type: 'again', newSession: true }

/** Refusals that another leader, or the same one a moment later, may not give. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'not-leader',
  'no-leader',
  'quorum-lost',
  'shutting-down',
  'deadline-exceeded',
  'session-expired',
  'no-replica',
])

/** What a result means for its command. */
export function verdictOnResult(result: CommandResult, write: PendingWrite): Verdict {
  switch (result.status) {
    case 'created':
    case 'updated':
    case 'deleted':
    case 'absent':
    case 'condition-failed':
    case 'done':
    case 'done-failure':
    case 'unchanged':
      return ANSWER
    case 'session-unknown':
      // Not executed this time. If an earlier copy may have been, nobody will ever know.
      return write.doubts > 0 ? unknown('the session ended') : AGAIN_IN_NEW_SESSION
    case 'below-floor':
      return unknown('its sequence had been given up')
    case 'session-full':
      if (write.doubts > 0) return AGAIN
      return {
        type: 'refuse',
        error: new ClusterError('overloaded', 'the session holds too many open results', {
          outcome: 'not-applied',
        }),
      }
    default:
      return assertNever(result.status)
  }
}

/**
 * What the refusal of a whole frame means for one of its commands.
 * @param mixed the frame held puts: only those are refused for a full disk, deletes go again.
 */
export function verdictOnRefusal(refusal: Refusal, write: PendingWrite, mixed: boolean): Verdict {
  if (write.doubts > 0 || PASSING.has(refusal.code)) return AGAIN
  if (refusal.code === 'disk-full' && mixed && write.command.type === 'delete') return AGAIN
  return {
    type: 'refuse',
    error: new ClusterError(refusal.code, refusal.message, { outcome: 'not-applied' }),
  }
}

function unknown(why: string): Verdict {
  const error = new ClusterError('outcome-unknown', `${why}; it may have taken effect`, {
    outcome: 'unknown',
  })
  return { type: 'refuse', error }
}
