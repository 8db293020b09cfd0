/**
 * Who tries when, and who gets a vote (DESIGN §3).
 *
 * Priority decides who tries first, the quorum decides who wins: the wait before a campaign grows
 * with the rank of the ordinal, but a vote is granted by Raft's rule (§5.4.1) and nothing else. A
 * priority that vetoes can leave a cluster without a leader for ever (NuRaft #30, #270).
 *
 *   wait = T + rank·Δ + random(<Δ)        rank: position among the voters, the lost leader left out
 *        + 2T if not electable            it may yet hold the only full log, so it may still try
 *   after two rounds without a leader: random [T, 2T)
 */

import { tally } from './quorum.ts'
import {
  becomeCandidate,
  becomeFollower,
  becomeLeader,
  becomePreCandidate,
  restartTimer,
} from './roles.ts'
import type { CoreState } from './state.ts'
import type { Membership, Message } from './types.ts'
import { ordinalOf } from './types.ts'
import { isVoter, mayCampaign, send, touchHardState } from './verbs.ts'

const ROUNDS_IN_ORDER = 2

/** A leader was heard within T: a vote now would only disturb it (Ongaro 2014 §4.2.3). */
export function leaseRunning(state: CoreState): boolean {
  if (state.leading !== undefined) return true
  return (
    state.leader !== undefined && state.now_ms - state.heard_ms < state.config.electionTimeout_ms
  )
}

/** Time passes for a replica that does not lead. */
export function tickElection(state: CoreState): void {
  const { election, now_ms, config, log } = state
  if (!mayCampaign(state)) return
  if (isVoter(state) && (log.membership as Membership).voters.length === 1) {
    // Nobody else to ask or to wait for.
    if (state.role !== 'candidate') becomeCandidate(state)
    return
  }
  if (now_ms >= election.retry_ms) {
    becomePreCandidate(state)
    return
  }
  const waited_ms = now_ms - election.timerStart_ms
  if (waited_ms < config.electionTimeout_ms) return
  if (election.delay_ms < 0) election.delay_ms = campaignDelay_ms(state)
  if (waited_ms < election.delay_ms) return
  election.rounds += 1
  election.asked = undefined
  becomePreCandidate(state)
}

/** How long to wait for a leader before trying, from when the last one was heard. */
export function campaignDelay_ms(state: CoreState): number {
  const { config, election, log, self, health } = state
  const timeout_ms = config.electionTimeout_ms
  if (election.rounds >= ROUNDS_IN_ORDER) return timeout_ms + config.random() * timeout_ms
  const { voters } = log.membership as Membership
  const own = ordinalOf(self)
  const lost = state.leader ?? election.lost
  let rank = 0
  for (const voter of voters) {
    if (voter !== lost && voter !== self && ordinalOf(voter) < own) rank += 1
  }
  if (lost === self) rank = voters.length - 1
  const reluctance_ms = health.electable ? 0 : 2 * timeout_ms
  return timeout_ms + (rank + config.random()) * config.stagger_ms + reluctance_ms
}

/** Would this replica vote for that candidate? Changes nothing but, perhaps, the asker's mind. */
export function handlePreVote(state: CoreState, message: Message & { type: 'pre-vote' }): void {
  const { from, term, lastIndex, lastTerm, round } = message
  const lease = leaseRunning(state)
  const granted = !lease && term >= state.term && state.log.isUpToDate(lastIndex, lastTerm)
  // A term told here must be on disk: the asker may act upon it.
  send(
    state,
    from,
    { type: 'pre-vote-reply', granted, leaseRunning: lease, round },
    granted ? 0 : state.hardWrite,
  )
}

export function handlePreVoteReply(
  state: CoreState,
  reply: Message & { type: 'pre-vote-reply' },
): void {
  const { election, now_ms, config, log } = state
  if (state.role !== 'pre-candidate' || reply.round !== election.preVoteRound) return
  election.votes.set(reply.from, reply.granted)
  const { voters } = log.membership as Membership
  const result = tally(voters, election.votes)
  if (result === 'won') {
    becomeCandidate(state)
    return
  }
  if (!reply.granted && reply.leaseRunning) {
    election.retry_ms = Math.min(election.retry_ms, now_ms + config.stagger_ms / 2)
  }
}

/** A higher term was answered to a pre-vote: with that term the next try may succeed. */
export function retrySoon(state: CoreState): void {
  state.election.retry_ms = state.now_ms + state.config.stagger_ms / 2
}

/** A request for a vote in the present term (a higher one was adopted before). Raft §5.2. */
export function handleVote(state: CoreState, message: Message & { type: 'vote' }): void {
  const { from, lastIndex, lastTerm } = message
  const free = state.vote === from || (state.vote === '' && state.leader === undefined)
  const granted = free && state.log.isUpToDate(lastIndex, lastTerm)
  if (granted) {
    if (state.vote === '') {
      state.vote = from
      touchHardState(state)
    }
    if (state.role === 'pre-candidate') {
      becomeFollower(state, { term: state.term, leader: undefined, why: '' })
    }
    state.election.rounds += 1
    restartTimer(state)
  }
  send(state, from, { type: 'vote-reply', granted }, state.lastWrite)
}

export function handleVoteReply(state: CoreState, reply: Message & { type: 'vote-reply' }): void {
  if (state.role !== 'candidate') return
  countVote(state, reply)
}

/** Counts a vote of this term, the own one included (when it is synced). */
export function countVote(
  state: CoreState,
  { from, granted }: { from: string; granted: boolean },
): void {
  const { election, log } = state
  election.votes.set(from, granted)
  const result = tally((log.membership as Membership).voters, election.votes)
  if (result === 'won') becomeLeader(state)
  else if (result === 'lost') {
    becomeFollower(state, { term: state.term, leader: undefined, why: '' })
  }
}

/** The leader asks this replica to take over at once. */
export function handleTimeoutNow(
  state: CoreState,
  message: Message & { type: 'timeout-now' },
): void {
  if (message.from !== state.leader || state.leading !== undefined) return
  // One that drains would only have to pass it on.
  if (!isVoter(state) || state.health.draining) return
  state.election.asked = message.reason
  becomeCandidate(state)
}
