/**
 * Frames between an API server and a replica (the "lanes"), over one link each way. `frames.ts`
 * encodes and decodes them. Every request carries a frame id chosen by the API server, unique on
 * its link, and is answered by exactly one reply with that id, in any order.
 */

import type { ErrorCode, Outcome } from '../../shared/errors.ts'
import type { CommandResult, KeyRecord } from './types.ts'

/** Frame types on a link between an API server and a replica. */
export const FRAME = {
  /** api → replica: u32 frame id, then a segment (codec.ts) as it will stand in the log entry. */
  write: 1,
  writeReply: 2,
  /** api → replica: key reads. */
  read: 3,
  readReply: 4,
  /** replica → api: its role and position; on connecting, on each change, and every 250 ms. */
  status: 5,
  /** Rare requests and their answers, as JSON. */
  query: 6,
  queryReply: 7,
} as const

/** The whole frame was refused. For a write: `outcome` tells whether it may yet take effect. */
export type Refusal = {
  readonly code: ErrorCode
  readonly message: string
  readonly outcome: Outcome
  /** Ordinal of the leader, as far as this replica knows; -1: unknown. */
  readonly leader: number
}

export type WriteReply = {
  readonly frame: number
  /** Results in the order of the segment's commands, or why there are none. */
  readonly results: readonly CommandResult[] | Refusal
  /** Highest revision applied at the replica when it answered. */
  readonly revision: number
}

export type ReadItem = {
  readonly key: Uint8Array
  /** HEAD: leave the value out. */
  readonly metadataOnly: boolean
}

/** Reads of one frame share their terms, and one read index. */
export type ReadRequest = {
  readonly frame: number
  readonly consistency: 'linearizable' | 'stale'
  /** Stale only: refuse (`too-stale`) if older; 0: any age. */
  readonly maxStale_ms: number
  /** Wait until this revision is applied; 0: do not wait. */
  readonly minRevision: number
  /** The replica gives up after this long (`deadline-exceeded`, or what it knows better). */
  readonly timeout_ms: number
  readonly items: readonly ReadItem[]
}

/** A key's record, and how large its value is also where that was left out. */
export type ReadRecord = KeyRecord & { readonly size_bytes: number }

export type ReadReply = {
  readonly frame: number
  /**
   * A record or undefined (absent) for each item; `value` is empty for `metadataOnly`. `omitted`:
   * the reply would have been too large (READ_REPLY_BYTES_MAX); ask for this item again. The first
   * item is never omitted.
   */
  readonly records: readonly (ReadRecord | undefined | 'omitted')[] | Refusal
  readonly revision: number
  /** Age of the state that answered, ms; 0 for linearizable. */
  readonly age_ms: number
}

/** What a replica answers with: stored record bytes (record.ts), passed on without decoding. */
export type ReadReplyParts = Omit<ReadReply, 'records'> & {
  readonly records:
    | readonly { readonly record: Uint8Array | undefined; readonly metadataOnly: boolean }[]
    | Refusal
}

/** Where a replica's peer port is reached. */
export type ReplicaAddress = {
  readonly ordinal: number
  readonly host: string
  readonly port: number
}

/** JSON body of a `status` frame. */
export type StatusFrame = {
  readonly ordinal: number
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner'
  readonly term: number
  /** Ordinal of the known leader; -1: unknown. */
  readonly leader: number
  /** Takes client writes right now (leader only). */
  readonly writable: boolean
  readonly revision: number
  readonly history: string
  /** Without a history: the cluster it follows, or else the former one that its disk remembers. */
  readonly clusterId: string
  /** Age of this replica's state, ms; -1: unknown. */
  readonly age_ms: number
  /** Names of voters this replica does not hear; a majority missing means quorum lost. */
  readonly missing: readonly string[]
  /** Why no writes are possible, as far as this replica can tell. */
  readonly problem: ErrorCode | undefined
  /** What a person had better know or do meanwhile. */
  readonly advice?: string | undefined
  /**
   * Where the replicas are reached that this one has links with. A new Pod's peers know its address
   * from itself, while a DNS that caches denials goes on denying it for half a minute.
   */
  readonly peers?: readonly ReplicaAddress[] | undefined
}

/** JSON bodies of `query` frames. Keys are text: they are UTF-8 by rule. */
export type Query =
  | {
      readonly type: 'list'
      readonly prefix: string
      readonly after: string | undefined
      readonly limit: number
      readonly consistency: 'linearizable' | 'stale'
      readonly maxStale_ms: number
      readonly minRevision: number
      readonly timeout_ms: number
    }
  /** The cluster as this replica sees it (`GET /v1/cluster`). */
  | { readonly type: 'cluster' }

export type ListedKey = {
  readonly key: string
  readonly revision: number
  readonly createRevision: number
  readonly version: number
  readonly size_bytes: number
  readonly contentType: string
}

export type ListAnswer = {
  readonly keys: readonly ListedKey[]
  /** More keys follow the last one listed. */
  readonly more: boolean
  readonly revision: number
  readonly age_ms: number
}

/** One replica in `GET /v1/cluster`. Unknown figures are undefined. */
export type ReplicaView = {
  readonly name: string
  readonly ordinal: number
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner' | 'unreachable'
  readonly incarnation: string | undefined
  readonly term: number | undefined
  readonly lastIndex: number | undefined
  readonly commitIndex: number | undefined
  readonly appliedIndex: number | undefined
  /** Entries behind the leader's last index. */
  readonly lag: number | undefined
  readonly revision: number | undefined
  readonly diskUsedBytes: number | undefined
  readonly diskFreeBytes: number | undefined
  /** Content hash of the applied state, and the index it stands at. */
  readonly hash: { readonly index: number; readonly value: string } | undefined
  readonly electable: boolean | undefined
  /** Anything a person should know, e.g. data set aside and why. */
  readonly notes: readonly string[]
}

/** `GET /v1/cluster` as one replica sees it. */
export type ClusterView = {
  readonly clusterId: string
  readonly name: string
  readonly history: string
  readonly revision: number
  readonly term: number
  readonly leader:
    | {
        readonly name: string
        readonly ordinal: number
        readonly why: 'lowest ordinal' | 'stand-in'
      }
    | undefined
  readonly replicas: readonly ReplicaView[]
}

/** JSON body of a `queryReply` frame, behind its u32 frame id. */
export type QueryReply =
  | { readonly type: 'list'; readonly answer: ListAnswer }
  | { readonly type: 'cluster'; readonly answer: ClusterView }
  | { readonly type: 'refused'; readonly refusal: Refusal }

/*
 * frames.ts exports, for each of the above:
 *   encodeWrite(frame: number, segment: Uint8Array): Uint8Array[]      (parts for Link.send)
 *   decodeWrite(body: Buffer): { frame: number; segment: Buffer }
 *   encodeWriteReply(reply: WriteReply): Uint8Array[]    decodeWriteReply(body: Buffer): WriteReply
 *   encodeRead(request: ReadRequest): Uint8Array[]       decodeRead(body: Buffer): ReadRequest
 *   encodeReadReply(reply: ReadReplyParts): Uint8Array[] decodeReadReply(body: Buffer): ReadReply
 *     where the replica passes stored record bytes (record.ts) through without decoding them
 *   encodeStatus / decodeStatus, encodeQuery(frame, query) / decodeQuery,
 *   encodeQueryReply(frame, reply) / decodeQueryReply
 */
