/**
 * The whole state of one core, as plain data. The other files are functions over this record,
 * layered so that none imports one above it:
 *
 *   state ← verbs ← replication ← reads, transfer ← roles ← election, following ← core
 *
 * What only a leader has lives in `leading`, which is thrown away as a whole when it steps down: a
 * transfer or a read round cannot survive a step-down by being forgotten (hashicorp/raft #487).
 */

import { crc32c } from '@node-rs/crc32'
import type { Entry } from './entry.ts'
import { Log } from './log.ts'
import type { Progress } from './progress.ts'
import type {
  CoreConfig,
  Effects,
  Health,
  Instant,
  LeadReason,
  MemberId,
  Membership,
  ReadToken,
  Restored,
  RoleName,
  Scale,
  SnapshotMeta,
} from './types.ts'
import { NO_SCALE } from './types.ts'

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

/** What a write that is under way will prove once it is synced (DESIGN §4). */
export type WriteRecord = {
  readonly id: number
  /** The replica's current term when the write was issued. */
  readonly term: number
  readonly lastIndex: number
  readonly lastTerm: number
  readonly issued_ms: number
}

/** The write that the present step gathers. */
export type Draft = {
  hardState: boolean
  truncateFrom: number | undefined
  readonly entries: Entry[]
  install: { readonly meta: SnapshotMeta; readonly keepLog: boolean } | undefined
}

export type Election = {
  /** When the present wait for a leader began. */
  timerStart_ms: number
  /** Length of this wait; -1: not drawn yet (only drawn when T has passed). */
  delay_ms: number
  /** A pre-vote that was refused for a lease is tried again then. */
  retry_ms: number
  /** Campaigns and votes given since a leader was heard: two, and order yields to chance. */
  rounds: number
  preVoteRound: number
  readonly votes: Map<MemberId, boolean>
  /** Set while campaigning because the leader asked for it. */
  asked: 'hand-back' | 'hand-over' | undefined
  /** The leader that was lost: it is left out of the order. */
  lost: MemberId | undefined
}

export type Transfer = {
  readonly to: MemberId
  readonly reason: 'hand-back' | 'hand-over'
  readonly since_ms: number
  /** When TimeoutNow was sent last; -1: the target still lacks entries. */
  sent_ms: number
}

/** A read waiting at the leader: its own, or a follower's request. */
export type ReadWaiter =
  | { readonly id: number }
  | { readonly from: MemberId; readonly request: number; readonly start: string }

export type ReadRound = {
  readonly token: ReadToken
  readonly index: number
  readonly sent_ms: number
  readonly acks: MemberId[]
  readonly waiters: ReadWaiter[]
}

export type Leading = {
  readonly since_ms: number
  readonly reason: LeadReason
  /** The no-op entry of this term: nothing is known committed before it is. */
  readonly firstIndex: number
  readonly progress: Map<MemberId, Progress>
  /** All but itself: voters, learners, and removed members that have not been told yet. */
  peers: Progress[]
  /** The present voters, itself included. */
  voters: Progress[]
  readonly own: Progress
  /** Scratch for the quorum's arithmetic. */
  readonly scratch: number[]
  uncommitted_bytes: number
  /** Log time was this when the monotonic clock was that. */
  readonly anchorTime_ms: number
  readonly anchorNow_ms: number
  /** Commit moved and nothing has told the followers yet. */
  commitNotice: 'none' | 'due' | 'urgent'
  transfer: Transfer | undefined
  /** Transfers that failed in this term. */
  transferFailures: number
  transferAfter_ms: number
  /** The last refusal told per target, so that each is told once. */
  readonly refusals: Map<MemberId, string>
  readonly removing: Set<MemberId>
  round: ReadRound | undefined
  /** Reads that join the next round. */
  nextReads: ReadWaiter[]
}

/** The follower's side of reads: one request to the leader at a time. */
export type ReadRequests = {
  counter: number
  /** Ids that the present request answers; [] when none is under way. */
  asked: number[]
  first: number
  last: number
  sent_ms: number
  next: number[]
  /** Answered, and waiting until the own log is known equal to the leader's up to the index. */
  held: { readonly index: number; readonly ids: readonly number[] }[]
}

export type Drain = {
  readonly since_ms: number
  readonly tried: Set<MemberId>
  /** It led when, or after, it was told to drain. */
  led: boolean
  done: boolean
}

export type CoreState = {
  readonly config: CoreConfig
  readonly self: MemberId
  /** A number for `config.start`, beside the times that go around (see `echoLife`). */
  readonly life: number
  readonly log: Log
  now_ms: number
  wall_ms: number
  /** When the last tick was, and whether it came late. */
  ticked_ms: number
  tickLate: boolean
  term: number
  vote: MemberId
  role: Role
  leader: MemberId | undefined
  /** When the leader was heard last: the lease. */
  heard_ms: number
  /** Highest index known equal to the present leader's log. */
  matched: number
  freshAt_ms: number
  commit: number
  health: Health
  /** The data is not to be trusted any more; nothing is answered. */
  halted: boolean
  draft: Draft | undefined
  /** Id of the last write issued, the one being gathered included. */
  lastWrite: number
  /** Id of the last write with a hard state. */
  hardWrite: number
  readonly issued: WriteRecord[]
  /** Last index that a write of the current term has proved synced. */
  attested: number
  readonly election: Election
  leading: Leading | undefined
  /** Counter of read rounds; never reset, so that no token of this start comes twice. */
  readRound: number
  readonly requests: ReadRequests
  drain: Drain | undefined
  scale: Scale
  /** Members of the cluster that said hello and are not in the membership, oldest first. */
  readonly heard: MemberId[]
  /** The newest format that each of those reads who said hello and are still linked. */
  readonly formats: Map<MemberId, number>
  /** Members that a disk read or a snapshot stream is under way for. */
  readonly loading: Set<MemberId>
  readonly streaming: Set<MemberId>
  effects: Effects
  told: {
    role: Role | undefined
    roleName: RoleName
    leader: MemberId | undefined
    term: number
    membership: Membership | undefined
  }
}

export function newEffects(): Effects {
  return {
    write: undefined,
    messages: [],
    committed: [],
    proposed: undefined,
    reads: [],
    load: [],
    snapshots: [],
    events: [],
  }
}

export function newState(config: CoreConfig, restored: Restored, instant: Instant): CoreState {
  const log = new Log(restored)
  const { term, vote } = restored.hardState
  return {
    config,
    self: config.self,
    life: crc32c(config.start),
    log,
    now_ms: instant.now_ms,
    wall_ms: instant.wall_ms,
    ticked_ms: instant.now_ms,
    tickLate: false,
    term,
    vote,
    role: 'follower',
    leader: undefined,
    heard_ms: Number.NEGATIVE_INFINITY,
    matched: 0,
    freshAt_ms: -1,
    commit: restored.applied,
    health: { electable: true, draining: false, diskFull: false },
    halted: false,
    draft: undefined,
    lastWrite: 0,
    hardWrite: 0,
    issued: [],
    attested: 0,
    election: {
      timerStart_ms: instant.now_ms,
      delay_ms: -1,
      retry_ms: Number.POSITIVE_INFINITY,
      rounds: 0,
      preVoteRound: 0,
      votes: new Map(),
      asked: undefined,
      lost: undefined,
    },
    leading: undefined,
    readRound: 0,
    requests: { counter: 0, asked: [], first: 0, last: 0, sent_ms: 0, next: [], held: [] },
    drain: undefined,
    scale: NO_SCALE,
    heard: [],
    formats: new Map(),
    loading: new Set(),
    streaming: new Set(),
    effects: newEffects(),
    told: {
      role: undefined,
      roleName: 'follower',
      leader: undefined,
      term: 0,
      membership: log.membership,
    },
  }
}
