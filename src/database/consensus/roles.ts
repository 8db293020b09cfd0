/**
 * The changes of role. `learner` is not a role here: a replica that is no voter is a follower that
 * never campaigns.
 *
 *               wait is over            quorum would grant       quorum granted
 *   follower ───────────────▶ pre-candidate ───────────▶ candidate ───────────▶ leader
 *      ▲                            │                        ▲                     │
 *      └── higher term, or a leader of this term ────────────┼── no quorum answers ┘
 *      └──────────────────── TimeoutNow ─────────────────────┘
 *
 * Each change of term is written to disk before anything that depends on it leaves. Raft §5.2,
 * pre-vote: Ongaro 2014 §9.6.
 */

import { LOG_TIME_STEP_MS_MAX, UNCOMMITTED_BYTES_MAX } from '../../shared/limits.ts'
import { encodeLeadRecord } from './membership.ts'
import { Progress } from './progress.ts'
import { refuseRequests, refuseRounds } from './reads.ts'
import { propose, quorumAnswered_ms, syncProgress } from './replication.ts'
import type { CoreState, Leading } from './state.ts'
import type { LeadReason, MemberId, Membership } from './types.ts'
import { ordinalOf } from './types.ts'
import { committedInTerm, emit, send, touchHardState } from './verbs.ts'

/** Starts the wait for a leader anew. */
export function restartTimer(state: CoreState): void {
  const { election } = state
  election.timerStart_ms = state.now_ms
  election.delay_ms = -1
  election.retry_ms = Number.POSITIVE_INFINITY
}

function setTerm(state: CoreState, term: number): void {
  state.term = term
  state.vote = ''
  state.attested = 0
  state.matched = 0
  touchHardState(state)
}

function setLeader(state: CoreState, leader: MemberId | undefined): void {
  if (state.leader === leader) return
  if (state.leader !== undefined) state.election.lost = state.leader
  state.leader = leader
  state.heard_ms = state.now_ms
  state.election.delay_ms = -1
  refuseRequests(state)
}

/** Follows `leader` (or nobody yet) in `term`; `why` tells a leader what made it step down. */
export function becomeFollower(
  state: CoreState,
  { term, leader, why }: { term: number; leader: MemberId | undefined; why: string },
): void {
  const { leading } = state
  const led = state.term
  if (leading !== undefined && committedInTerm(state)) {
    // Its stale reads go on, and are as fresh as they were while it led.
    state.freshAt_ms = Math.max(state.freshAt_ms, quorumAnswered_ms(state, leading))
  }
  if (term > state.term) setTerm(state, term)
  if (leading !== undefined) {
    refuseRounds(state, leading)
    state.leading = undefined
    restartTimer(state)
    emit(state, { type: 'stepped-down', term: led, why })
  }
  state.role = 'follower'
  state.election.asked = undefined
  state.election.votes.clear()
  setLeader(state, leader)
}

/** Asks whether a quorum would grant a vote, without touching the term. */
export function becomePreCandidate(state: CoreState): void {
  const { election, log, self } = state
  state.role = 'pre-candidate'
  setLeader(state, undefined)
  restartTimer(state)
  election.preVoteRound += 1
  election.votes.clear()
  election.votes.set(self, true)
  const { lastIndex, lastTerm } = log
  const round = election.preVoteRound
  for (const voter of (log.membership as Membership).voters) {
    if (voter !== self) send(state, voter, { type: 'pre-vote', lastIndex, lastTerm, round }, 0)
  }
}

/** Asks for votes in a new term; the own one counts when it is synced. */
export function becomeCandidate(state: CoreState): void {
  const { election, log, self } = state
  state.role = 'candidate'
  setLeader(state, undefined)
  restartTimer(state)
  setTerm(state, state.term + 1)
  state.vote = self
  election.votes.clear()
  const { lastIndex, lastTerm } = log
  const transfer = election.asked !== undefined
  for (const voter of (log.membership as Membership).voters) {
    if (voter === self) continue
    send(state, voter, { type: 'vote', lastIndex, lastTerm, transfer }, state.lastWrite)
  }
}

/** A quorum granted its votes: lead, and begin the term with an entry that tells why. */
export function becomeLeader(state: CoreState): void {
  const { election, log, self, now_ms, wall_ms } = state
  const reason = leadReason(state)
  const own = new Progress(self, log.lastIndex + 1)
  own.match = state.attested
  own.state = 'replicate'
  const last_ms = log.lastTime_ms
  const leading: Leading = {
    since_ms: now_ms,
    reason,
    firstIndex: log.lastIndex + 1,
    progress: new Map([[self, own]]),
    peers: [],
    voters: [],
    own,
    scratch: [],
    uncommitted_bytes: uncommittedBytes(state),
    // Towards the wall clock by a bounded step, never back (DESIGN §5).
    anchorTime_ms: Math.max(last_ms, Math.min(Math.floor(wall_ms), last_ms + LOG_TIME_STEP_MS_MAX)),
    anchorNow_ms: now_ms,
    commitNotice: 'none',
    transfer: undefined,
    transferFailures: 0,
    transferAfter_ms: Number.NEGATIVE_INFINITY,
    refusals: new Map(),
    removing: new Set(),
    round: undefined,
    nextReads: [],
  }
  state.role = 'leader'
  state.leading = leading
  setLeader(state, self)
  election.rounds = 0
  election.asked = undefined
  election.votes.clear()
  syncProgress(state, leading)
  emit(state, { type: 'elected', term: state.term, reason })
  propose(state, 'noop', { count: 0, payload: encodeLeadRecord({ leader: self, reason }) })
}

function leadReason(state: CoreState): LeadReason {
  const { asked } = state.election
  if (asked !== undefined) return asked
  const own = ordinalOf(state.self)
  const { voters } = state.log.membership as Membership
  return voters.some((voter) => ordinalOf(voter) < own) ? 'stand-in' : 'lowest-ordinal'
}

function uncommittedBytes(state: CoreState): number {
  let bytes = 0
  for (let index = state.commit + 1; index <= state.log.lastIndex; index += 1) {
    bytes += state.log.entryAt(index)?.bytes.length ?? 0
  }
  return bytes
}

/** May client commands be proposed now? */
export function canPropose(state: CoreState): boolean {
  const { leading, log } = state
  return (
    leading !== undefined &&
    leading.transfer === undefined &&
    !state.halted &&
    leading.uncommitted_bytes <= UNCOMMITTED_BYTES_MAX &&
    committedInTerm(state) &&
    (log.membership?.opened ?? false)
  )
}
