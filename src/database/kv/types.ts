/**
 * The words of the key-value state machine: commands, their results, and the records they leave.
 *
 * A `Segment` is what one API server sends in one frame: its session, its floor and its commands.
 * A `commands` log entry is a list of segments of all API servers that were waiting. The bytes of a
 * segment go into the entry as they came (DESIGN §12), so both have one format (codec.ts).
 */

/** What a write demands of the key's present state; all given parts must hold (RFC 9110 §13). */
export type Condition = {
  /** If-Match: the key's revision is one of these, or `any`: the key exists. */
  readonly match?: readonly number[] | 'any'
  /** If-None-Match: the key's revision is none of these, or `any`: the key does not exist. */
  readonly noneMatch?: readonly number[] | 'any'
}

export type PutCommand = {
  readonly type: 'put'
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly contentType: string
  /** Time to live in log time, ms; 0: for ever. */
  readonly ttl_ms: number
  readonly condition: Condition | undefined
}

export type DeleteCommand = {
  readonly type: 'delete'
  readonly key: Uint8Array
  readonly condition: Condition | undefined
}

/**
 * All conditions hold → `success` runs, else `failure`; each as one step, at one revision. The
 * commands of a branch carry no conditions of their own (the codec refuses them).
 */
export type TransactionCommand = {
  readonly type: 'transaction'
  readonly compare: readonly { readonly key: Uint8Array; readonly condition: Condition }[]
  readonly success: readonly (PutCommand | DeleteCommand)[]
  readonly failure: readonly (PutCommand | DeleteCommand)[]
}

export type Command =
  | PutCommand
  | DeleteCommand
  | TransactionCommand
  /** Removes a key whose time has passed, unless its revision is another by now. */
  | { readonly type: 'expire'; readonly key: Uint8Array; readonly revision: number }
  /** Its result's revision is the new session's id. */
  | { readonly type: 'open-session' }
  | { readonly type: 'close-session'; readonly session: number }
  /** Ends an idle session, unless it was used again since (log time of last use differs). */
  | { readonly type: 'expire-session'; readonly session: number; readonly lastUse_ms: number }

export type Segment = {
  /** 0: outside any session (session and expiry commands); those have no sequence. */
  readonly session: number
  /** Sequences at or below this are decided at the API server and must never run again. */
  readonly floor: number
  readonly commands: readonly {
    readonly sequence: number
    readonly command: Command
    /** The client's Idempotency-Key: a field of the format from the start, not acted on yet. */
    readonly idempotencyKey?: Uint8Array
  }[]
}

export type ResultStatus =
  | 'created'
  | 'updated'
  | 'deleted'
  /** Delete of a key that is not there; nothing changed. */
  | 'absent'
  /** The condition did not hold; `revision` is the key's present one, 0: no such key. */
  | 'condition-failed'
  /** The session is not known (expired or never opened): not executed. */
  | 'session-unknown'
  /** The sequence is at or below the floor: not executed now (it may have been, long ago). */
  | 'below-floor'
  /** The session holds SESSION_RESULTS_MAX results: not executed. */
  | 'session-full'
  /** Session opened (revision is its id), closed or expired, key expired, transaction done. */
  | 'done'
  /** An expire whose object had changed: nothing done. */
  | 'unchanged'
  /** A transaction whose compare failed: the failure branch ran. */
  | 'done-failure'

export type CommandResult = {
  readonly status: ResultStatus
  /** Revision of the command where it changed something; see `condition-failed`. */
  readonly revision: number
  /** A retry met the stored result of its first execution. */
  readonly repeated: boolean
}

/**
 * What the state machine needs of a committed log entry (consensus/entry.ts has these fields);
 * its payload is handed in beside it: `state.apply(entry, payloadOf(entry))`.
 */
export type AppliedEntry = {
  readonly index: number
  readonly term: number
  /** `commands` carries segments; all others only move index, term and time. */
  readonly type: 'noop' | 'membership' | 'commands'
  readonly time_ms: number
  readonly firstRevision: number
  readonly count: number
}

/** A key's present value. */
export type KeyRecord = {
  readonly createRevision: number
  /** Revision of the last change. */
  readonly revision: number
  /** Changes since creation, from 1. */
  readonly version: number
  /** Log time at which the key expires, ms; 0: never. */
  readonly expires_ms: number
  readonly contentType: string
  readonly value: Uint8Array
}

/** One session's table of results: everything needed to answer a retry without executing it. */
export type SessionState = {
  readonly id: number
  floor: number
  lastUse_ms: number
  readonly results: Map<number, { status: ResultStatus; revision: number }>
}

/** Beside the keys: the state machine's own position and sums. */
export type KvMeta = {
  /** Index of the last applied entry. */
  readonly applied: number
  readonly appliedTerm: number
  /** Highest revision assigned so far. */
  readonly revision: number
  /** Log time of the last applied entry, ms. */
  readonly time_ms: number
  readonly keys: number
  /** Sum over the records (content-hash.ts), 16 hex digits: equal states have equal sums. */
  readonly hash: string
}

/** Reads the records on disk (below the overlay). Synchronous: one LevelDB `getSync`. */
export type RecordReader = {
  /** The stored bytes of a key's record (record.ts), or undefined. Throws `data-damaged`. */
  get(key: Uint8Array): Uint8Array | undefined
}

/** What applying left behind since the last `takeChanges`: to be written with the next batch. */
export type KvChanges = {
  readonly meta: KvMeta
  /** key → encoded record, or undefined: deleted. Keys as latin1 text of their bytes. */
  readonly records: ReadonlyMap<string, Uint8Array | undefined>
  /** Expiry index: keys whose entry at this time is to be put (true) or deleted (false). */
  readonly expiries: readonly {
    readonly time_ms: number
    readonly key: Uint8Array
    readonly put: boolean
  }[]
  /** Session id → encoded session, or undefined: gone. */
  readonly sessions: ReadonlyMap<number, Uint8Array | undefined>
}
