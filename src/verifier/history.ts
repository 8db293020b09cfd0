/**
 * A history: what concurrent clients asked of a key-value store, and what they were told.
 *
 * It is all the checkers look at (check-history.ts), whoever recorded it: `ordinal verify` over
 * HTTP, the simulator, or a saved file (history-format.ts, docs/verify.md).
 *
 *   - Times are microseconds on one monotonic clock, with fractions if need be. An operation is
 *     before another one only if it returned strictly earlier than the other was called, so that
 *     equal times mean "concurrent". A recorder whose clock stands still within a step adds a
 *     fraction that grows with each event.
 *   - Values are names: the text that a write stored. No two puts of a history may store the same
 *     one; the checkers know by it which write a read has seen.
 *   - Keys hold nothing when the history begins.
 *   - An outcome is one of three (DESIGN §11): an observation (ok), `fail` (the write never takes
 *     effect) or `unknown` (it may have, or may yet, until the end of time). A 404, a 412 and a 304
 *     are observations. Reads that failed or are unknown say nothing, and no check looks at them.
 */

/** What must hold for a write to take effect. */
export type Condition =
  /** If-Match: the key is at this revision. */
  | { readonly type: 'revision'; readonly revision: number }
  /** If-None-Match: *: there is no such key. */
  | { readonly type: 'absent' }

export type Action =
  | { readonly type: 'put'; readonly value: string; readonly condition?: Condition }
  | { readonly type: 'delete'; readonly condition?: Condition }
  /** A linearizable read; `unless`: If-None-Match with this revision. */
  | { readonly type: 'read'; readonly unless?: number }
  /** A stale read with its bounds, where the client gave any. */
  | { readonly type: 'stale-read'; readonly maxStale_ms?: number; readonly minRevision?: number }

/** What is known of an operation; all but `fail` and `unknown` are observations. */
export type Outcome =
  /** A put took effect at `revision`; `created`: the key did not exist (undefined: not told). */
  | { readonly type: 'written'; readonly revision: number; readonly created?: boolean }
  /** A delete took effect at `revision`. */
  | { readonly type: 'deleted'; readonly revision: number }
  /** A read found the key; `revision` is that of its last change. */
  | {
      readonly type: 'found'
      readonly value: string
      readonly revision: number
      /** Writes of the key since it was created (Ordinal-Version). */
      readonly version?: number
      /** The revision of the state that answered (Ordinal-Revision). */
      readonly seen?: number
      /** Stale reads: how old that state said it may be (Ordinal-Age-Ms). */
      readonly age_ms?: number
    }
  /** A read, or a delete without effect, found no such key. */
  | { readonly type: 'absent'; readonly seen?: number; readonly age_ms?: number }
  /** 304: the key is at the revision that the read named. */
  | { readonly type: 'not-modified'; readonly seen?: number; readonly age_ms?: number }
  /** 412: the condition was false; the key's revision, 0 for no such key, undefined: not told. */
  | { readonly type: 'condition-failed'; readonly revision?: number }
  /** A write that never takes effect, or a read that failed. `code` is for people. */
  | { readonly type: 'fail'; readonly code?: string }
  /** Nobody knows. `code` is for people. */
  | { readonly type: 'unknown'; readonly code?: string }

export type Operation = {
  /** Unique in the history. */
  readonly id: number
  /** Who asked; a process has one operation under way at a time. */
  readonly process: number
  readonly key: string
  readonly call_us: number
  /** Undefined: no answer ever came (the outcome is `unknown`). */
  readonly return_us: number | undefined
  readonly action: Action
  readonly outcome: Outcome
}

/** The three classes of DESIGN §11. */
export function classOf(outcome: Outcome): 'ok' | 'fail' | 'unknown' {
  return outcome.type === 'fail' || outcome.type === 'unknown' ? outcome.type : 'ok'
}

export function isWrite(operation: Operation): boolean {
  return operation.action.type === 'put' || operation.action.type === 'delete'
}

/** A write that was acknowledged as done; its revision. Undefined: anything else. */
export function acknowledgedRevision(operation: Operation): number | undefined {
  const { outcome } = operation
  return outcome.type === 'written' || outcome.type === 'deleted' ? outcome.revision : undefined
}

/** The first operation was over before the second was called; one of unknown outcome never is. */
export function isBefore(first: Operation, second: Operation): boolean {
  if (first.return_us === undefined || first.outcome.type === 'unknown') return false
  return first.return_us < second.call_us
}
