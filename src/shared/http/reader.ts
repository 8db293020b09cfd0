/**
 * Reads as a port, so that the API tier (over the replicas) and a replica (from its own disk) serve
 * the same `/v1` routes. The types are structural twins of the database's, which shared code may
 * not import.
 */

import type { ClusterError } from '../errors.ts'
import type { ClusterDocument, ListedKeyDocument } from './schemas.ts'

export type ReadTerms = {
  readonly consistency: 'linearizable' | 'stale'
  /** Stale only: refuse (`too-stale`) if older, ms; 0: any age. */
  readonly maxStale_ms: number
  /** Wait until this revision is applied; 0: do not wait. */
  readonly minRevision: number
  readonly timeout_ms: number
}

export type StoredValue = {
  readonly createRevision: number
  readonly revision: number
  readonly version: number
  /** Log time of expiry, ms since the epoch; 0: never. */
  readonly expires_ms: number
  readonly contentType: string
  readonly value: Uint8Array
  /** Size of the value, also where that was left out, if it is known. */
  readonly size_bytes?: number
}

/** Which state answered. */
export type AnswerSource = {
  readonly revision: number
  readonly history: string
  /** `api-0, db-1`, or `db-1`. */
  readonly servedBy: string
}

export type ReadAnswer = {
  /** Undefined: there is no such key. */
  readonly record: StoredValue | undefined
  /** Age of the state, ms; 0 for linearizable. */
  readonly age_ms: number
  readonly source: AnswerSource
}

export type ReadDone = (error: ClusterError | undefined, answer: ReadAnswer | undefined) => void

export type ListRequest = {
  readonly prefix: string
  readonly after: string | undefined
  readonly limit: number
  readonly terms: ReadTerms
}

export type ListOutcome = {
  readonly keys: readonly ListedKeyDocument[]
  readonly more: boolean
  readonly age_ms: number
  readonly source: AnswerSource
}

export interface Reader {
  /** Calls `done` exactly once, within `terms.timeout_ms`; never before it returns by throwing. */
  read(key: Uint8Array, metadataOnly: boolean, terms: ReadTerms, done: ReadDone): void
  /** Rejects with a `ClusterError`. */
  list(request: ListRequest): Promise<ListOutcome>
  cluster(): Promise<{ readonly document: ClusterDocument; readonly source: AnswerSource }>
  /** Answered from memory: who this server is. */
  whoami(): Readonly<Record<string, unknown>>
}
