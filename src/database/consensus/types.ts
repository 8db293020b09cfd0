/**
 * The words of the consensus core: what goes in (`Input`), what comes out (`Effects`), and the
 * messages between replicas. The core does no I/O, reads no clock and draws no randomness of its
 * own; every call is `core.step({now_ms, wall_ms}, input)` and returns what must happen now.
 *
 * The order of effects is a contract (after etcd's Ready):
 *   1. `write` goes to disk, in the order of write ids, synced. When it is, the caller steps
 *      `{type: 'persisted', write: id}`; several may be reported by the highest id.
 *   2. each message leaves only when the write it names in `after` is on disk (0: at once).
 *   3. `committed` entries are applied in order, at once; they need not wait for the own disk.
 */

import type { Entry } from './entry.ts'

/** `<ordinal>/<incarnation>`: a replica with one disk. With a new disk it is another. */
export type MemberId = string

/** The ordinal in a member's id. */
export function ordinalOf(member: MemberId): number {
  return Number.parseInt(member, 10)
}

/** The id of the replica with this ordinal and incarnation (a UUID without a slash). */
export function memberId(ordinal: number, incarnation: string): MemberId {
  return `${ordinal}/${incarnation}`
}

/** The instant of a step: a monotonic clock for all timing, a wall clock only for log time. */
export type Instant = { readonly now_ms: number; readonly wall_ms: number }

/** Persisted before anything that depends on it leaves. `vote` is '' when none was given. */
export type HardState = { readonly term: number; readonly vote: MemberId }

/**
 * Who counts. It is in force from the moment its entry is in the log, and undone when that entry
 * is truncated (Ongaro 2014 §4.1).
 */
export type Membership = {
  readonly clusterId: string
  /** Made new by each bootstrap, forced bootstrap and restore (DESIGN §7). */
  readonly history: string
  readonly voters: readonly MemberId[]
  readonly learners: readonly MemberId[]
  /** Incarnations that may not come back, oldest first, at most REMOVED_MEMBERS_MAX. */
  readonly removed: readonly MemberId[]
  /** Whether client writes are let in: all first voters have stored the cluster id. */
  readonly opened: boolean
}

/** Why a leader leads; carried by its no-op entry so that the log tells the history of changes. */
export type LeadReason = 'lowest-ordinal' | 'stand-in' | 'hand-back' | 'hand-over'

/** Payload of a `noop` entry. */
export type LeadRecord = { readonly leader: MemberId; readonly reason: LeadReason }

/** State a snapshot carries beside the data (all read from the same LevelDB snapshot). */
export type SnapshotMeta = {
  /** Last entry that the data includes. */
  readonly index: number
  readonly term: number
  readonly chain: number
  readonly time_ms: number
  readonly nextRevision: number
  readonly membership: Membership
}

/** What a replica tells of itself in each answer to its leader. */
export type Health = {
  /** May lead: not draining, disk well. */
  readonly electable: boolean
  readonly draining: boolean
  /** Free space is below the watermark. */
  readonly diskFull: boolean
}

/** Names one round of confirmation: an answer counts only for its own token (etcd #20418). */
export type ReadToken = { readonly term: number; readonly start: string; readonly round: number }

export type MessageBody =
  | { type: 'pre-vote'; lastIndex: number; lastTerm: number; round: number }
  | { type: 'pre-vote-reply'; granted: boolean; leaseRunning: boolean; round: number }
  | { type: 'vote'; lastIndex: number; lastTerm: number; transfer: boolean }
  | { type: 'vote-reply'; granted: boolean }
  | {
      /** Heartbeats are appends without entries. */
      type: 'append'
      previousIndex: number
      previousTerm: number
      /** What the receiver has acknowledged in this term: a disk that holds less went back. */
      acked: number
      entries: readonly Entry[]
      commit: number
      /** Leader's monotonic clock when sent; echoed, so that silence is counted from sending. */
      sent_ms: number
      /** `replied_ms` of the receiver's latest answer (-1: none): how fresh its reads are. */
      echo_ms: number
      /** The `life` of that answer: the clock of another start says nothing (0: none). */
      echoLife: number
      /** Present when the answer also confirms a read round. */
      token: ReadToken | undefined
    }
  | {
      type: 'append-reply'
      /** On success the highest index known equal and synced; on rejection the `previousIndex`. */
      match: number
      rejected: boolean
      /** On rejection: where to try next (fast back-tracking, etcd `findConflictByTerm`). */
      hintIndex: number
      hintTerm: number
      /** Echo of the append's `sent_ms`; -1 where it answers a snapshot. */
      sent_ms: number
      /** The answering replica's own monotonic clock. */
      replied_ms: number
      /** Names this start of the answering process, whose clock `replied_ms` is. */
      life: number
      token: ReadToken | undefined
      health: Health
    }
  | { type: 'read-index'; request: number; start: string }
  | { type: 'read-index-reply'; request: number; start: string; index: number; refused: boolean }
  | { type: 'timeout-now'; reason: 'hand-back' | 'hand-over' }

/** A message between replicas. `term` is the sender's. */
export type Message = {
  readonly from: MemberId
  readonly to: MemberId
  readonly term: number
} & MessageBody

export type Input =
  /** Time passes; call at least every heartbeat / 4. */
  | { type: 'tick' }
  | { type: 'message'; message: Message }
  /** Leader only, and only while `status().canPropose`. `Effects.proposed` is the entry made. */
  | { type: 'propose'; count: number; payload: Uint8Array }
  /** All writes up to this id are synced. */
  | { type: 'persisted'; write: number }
  /** A linearizable read wants an index; answered in `Effects.reads` under the same id. */
  | { type: 'read'; id: number }
  /** Entries that `Effects.load` asked for, or [] when the log no longer holds them. */
  | { type: 'loaded'; to: MemberId; from: number; entries: readonly Entry[] }
  /** A whole, checked snapshot arrived from this leader in this term (data in a new generation). */
  | { type: 'snapshot-received'; from: MemberId; term: number; meta: SnapshotMeta }
  /** The stream that `Effects.snapshots` asked for ended. */
  | { type: 'snapshot-sent'; to: MemberId; index: number; ok: boolean }
  /** A peer of this cluster said hello with this identity; `format`: the newest one it reads. */
  | { type: 'heard'; member: MemberId; format?: number }
  /** A peer's link broke. */
  | { type: 'unreachable'; to: MemberId }
  /** The log on disk now starts behind this index (whose term and chain the core keeps). */
  | { type: 'compacted'; index: number }
  | { type: 'health'; health: Health }
  /** SIGTERM: lead no more, hand over. `Effects.events` tells `drained` when it may stop. */
  | { type: 'drain' }
  /** This ordinal is to leave for good (scale-down), on the leader. */
  | { type: 'remove'; member: MemberId }
  /** What is known now of who is meant to run; holds until the next one. */
  | { type: 'scale'; scale: Scale }

/** Who is meant to run, as the outside tells it (DESIGN §7, scale-down). */
export type Scale = {
  /** Ordinals from `first` to below `end`; undefined: not known. Nobody outside is let in. */
  readonly range: { readonly first: number; readonly end: number } | undefined
  /** The range was read just now: a silent member outside of it will not come back. */
  readonly confirmed: boolean
  /** Members that say that they leave for good, and may. */
  readonly leaving: readonly MemberId[]
}

/** Nothing is known of it. */
export const NO_SCALE: Scale = { range: undefined, confirmed: false, leaving: [] }

/** Is this member known not to be meant to run? */
export function isOutside({ range }: Scale, member: MemberId): boolean {
  if (range === undefined) return false
  const ordinal = ordinalOf(member)
  return ordinal < range.first || ordinal >= range.end
}

/** One atomic, synced write. Parts apply in this order: snapshot, truncate, append, hard state. */
export type Write = {
  readonly id: number
  readonly hardState: HardState | undefined
  /** Delete entries from this index on before appending. */
  readonly truncateFrom: number | undefined
  readonly entries: readonly Entry[]
  /** Switch in the received generation; `keepLog`: entries above the snapshot stay. */
  readonly install: { readonly meta: SnapshotMeta; readonly keepLog: boolean } | undefined
}

export type Outgoing = { readonly after: number; readonly message: Message }

export type ReadOutcome =
  | { readonly id: number; readonly index: number }
  /** No leader, or leadership changed: ask again. */
  | { readonly id: number; readonly refused: true }

export type RoleName = 'leader' | 'follower' | 'candidate' | 'learner'

export type CoreEvent =
  | { type: 'role'; role: RoleName; term: number }
  | { type: 'leader'; leader: MemberId | undefined; term: number }
  | { type: 'elected'; term: number; reason: LeadReason }
  | { type: 'stepped-down'; term: number; why: string }
  | { type: 'membership'; index: number; membership: Membership }
  | { type: 'transfer-started'; to: MemberId; reason: 'hand-back' | 'hand-over' }
  | { type: 'transfer-failed'; to: MemberId; why: string }
  | { type: 'hand-back-refused'; to: MemberId; why: string }
  /** An acknowledged prefix differs, or a chain is broken: the replica must set its data aside. */
  | { type: 'diverged'; index: number; why: string }
  /** The process may stop; `why` tells what became of the lead. */
  | { type: 'drained'; why: string }

export type Effects = {
  write: Write | undefined
  messages: Outgoing[]
  committed: Entry[]
  proposed: Entry | undefined
  reads: ReadOutcome[]
  /** Entries wanted from disk for a follower: from `from` on, about `bytes_max` bytes. */
  load: { to: MemberId; from: number; bytes_max: number }[]
  /** Followers that need a snapshot streamed; end with `snapshot-sent`. */
  snapshots: { to: MemberId }[]
  events: CoreEvent[]
}

/** Terms of the log as runs: entries from `index` on have `term`, until the next run. */
export type TermRun = { readonly index: number; readonly term: number }

/** What a replica finds on its disk at start. */
export type Restored = {
  readonly hardState: HardState
  /** The entry before the first one kept (0 for a log from its beginning): term and chain known. */
  readonly base: {
    readonly index: number
    readonly term: number
    readonly chain: number
    readonly time_ms: number
    readonly nextRevision: number
    readonly membership: Membership | undefined
  }
  readonly lastIndex: number
  readonly termRuns: readonly TermRun[]
  /** Memberships in the log above the base, in order. */
  readonly memberships: readonly { readonly index: number; readonly membership: Membership }[]
  /** The entries above the applied index, and as many before as the cache may hold; contiguous. */
  readonly tail: readonly Entry[]
  /** Applied index on disk: known committed. */
  readonly applied: number
}

export type CoreConfig = {
  readonly self: MemberId
  /** Unique to this start of the process: tokens and request ids of an earlier one never match. */
  readonly start: string
  readonly electionTimeout_ms: number
  readonly heartbeat_ms: number
  /** Δ of DESIGN §3.3: the stagger between ranks. */
  readonly stagger_ms: number
  /** S of DESIGN §3.4: how long a lower ordinal answers without a gap before it gets the lead. */
  readonly handBackAfter_ms: number
  readonly random: () => number
  /** Newest format to write, once each member reads it; FORMAT_ENABLED unless said otherwise. */
  readonly formatEnabled?: number
}

export type ReplicaProgress = {
  readonly member: MemberId
  readonly match: number
  readonly next: number
  readonly state: 'probe' | 'replicate' | 'snapshot'
  /** When this member last answered, by the leader's clock at sending; -1: never in this term. */
  readonly answered_ms: number
  readonly health: Health
}

/** A readable picture of the core, for status pages and for the loop's decisions. */
export type CoreStatus = {
  readonly self: MemberId
  readonly role: RoleName
  readonly term: number
  readonly vote: MemberId
  readonly leader: MemberId | undefined
  readonly leadReason: LeadReason | undefined
  readonly commit: number
  readonly lastIndex: number
  readonly firstIndex: number
  /** Leader, opened, committed in its own term, no transfer under way, room for more. */
  readonly canPropose: boolean
  /** Leader only: a reason why client writes are refused although it leads. */
  readonly refusing: 'cluster-forming' | 'disk-full' | undefined
  readonly transferring: MemberId | undefined
  readonly membership: Membership | undefined
  /** Index of the membership entry in force; it is final when committed. */
  readonly membershipIndex: number
  readonly progress: readonly ReplicaProgress[]
  /** By the own monotonic clock: state is at least as new as the cluster was then; -1: unknown. */
  readonly freshAt_ms: number
  /** Term of the last committed entry equals the current term. */
  readonly committedInTerm: boolean
  /** The own log time now: for the entry's `time_ms` of the next proposal. Leader only. */
  readonly logTime_ms: number
}
