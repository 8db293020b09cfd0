/**
 * Linearizable reads without log entries (Ongaro 2014 §6.4; DESIGN §8).
 *
 * At the leader: a read gets the commit index, once a quorum has answered a round that was sent
 * after the read arrived. One round is under way, what arrives meanwhile joins the next. Each round
 * has a token of its own, and one without an answer is replaced by one with a new token: answers to
 * an old one never count for it (etcd #20418).
 *
 * At a follower: reads are asked of the leader, one request at a time, the rest joins the next. An
 * answer to any request sent since these reads arrived will do; numbers are never used again.
 */

import { READS_WAITING_MAX } from '../../shared/limits.ts'
import { majority } from './quorum.ts'
import { sendHeartbeat } from './replication.ts'
import type { CoreState, Leading, ReadWaiter } from './state.ts'
import type { MemberId, Message, ReadToken } from './types.ts'
import { advanceCommit, committedInTerm, isAlone, send } from './verbs.ts'

/** A read of this replica's own. */
export function handleRead(state: CoreState, id: number): void {
  const { leading, leader, requests } = state
  if (leading !== undefined) acceptRead(state, leading, { id })
  else if (leader === undefined || requests.next.length >= READS_WAITING_MAX) {
    state.effects.reads.push({ id, refused: true })
  } else {
    requests.next.push(id)
    if (requests.asked.length === 0) ask(state)
  }
}

/** A follower's request, at the leader. */
export function handleReadIndex(state: CoreState, message: Message & { type: 'read-index' }): void {
  const { leading } = state
  const { from, request, start } = message
  if (leading !== undefined) acceptRead(state, leading, { from, request, start })
  else refuse(state, { from, request, start })
}

function acceptRead(state: CoreState, leading: Leading, waiter: ReadWaiter): void {
  if (leading.nextReads.length >= READS_WAITING_MAX) {
    refuse(state, waiter)
    return
  }
  leading.nextReads.push(waiter)
  startRound(state, leading)
}

/**
 * Starts a round for all that wait, unless one is under way or nothing is committed in the own term
 * yet (the core calls again when it is).
 */
export function startRound(state: CoreState, leading: Leading): void {
  if (leading.round !== undefined || leading.nextReads.length === 0) return
  if (!committedInTerm(state)) return
  const waiters = leading.nextReads
  leading.nextReads = []
  state.readRound += 1
  const token = { term: state.term, start: state.config.start, round: state.readRound }
  const { now_ms, commit } = state
  if (isAlone(leading)) {
    for (const waiter of waiters) answer(state, waiter, commit)
    return
  }
  leading.round = { token, index: commit, sent_ms: now_ms, acks: [], waiters }
  for (const voter of leading.voters) {
    if (voter !== leading.own) sendHeartbeat(state, voter, token)
  }
}

/** An answer of `from` that carries a token. */
export function confirmRound(
  state: CoreState,
  leading: Leading,
  { from, token }: { from: MemberId; token: ReadToken },
): void {
  const round = leading.round
  if (round === undefined || token.round !== round.token.round) return
  if (token.term !== state.term || token.start !== round.token.start) return
  if (round.acks.includes(from)) return
  round.acks.push(from)
  let count = 0
  for (const voter of leading.voters) {
    if (voter === leading.own || round.acks.includes(voter.member)) count += 1
  }
  if (count < majority(leading.voters.length)) return
  leading.round = undefined
  for (const waiter of round.waiters) answer(state, waiter, round.index)
  startRound(state, leading)
}

/** Replaces what was not answered for a heartbeat (leader), or two (follower). */
export function tickReads(state: CoreState): void {
  const { leading, requests, now_ms, config } = state
  if (leading?.round !== undefined && now_ms - leading.round.sent_ms >= config.heartbeat_ms) {
    leading.nextReads = [...leading.round.waiters, ...leading.nextReads]
    leading.round = undefined
    startRound(state, leading)
  }
  if (requests.asked.length > 0 && now_ms - requests.sent_ms >= 2 * config.heartbeat_ms) {
    sendRequest(state)
  }
}

function answer(state: CoreState, waiter: ReadWaiter, index: number): void {
  if ('id' in waiter) state.effects.reads.push({ id: waiter.id, index })
  else {
    const { from, request, start } = waiter
    send(state, from, { type: 'read-index-reply', request, start, index, refused: false }, 0)
  }
}

function refuse(state: CoreState, waiter: ReadWaiter): void {
  if ('id' in waiter) state.effects.reads.push({ id: waiter.id, refused: true })
  else {
    const { from, request, start } = waiter
    send(state, from, { type: 'read-index-reply', request, start, index: 0, refused: true }, 0)
  }
}

/** A leader steps down: all that waits is refused. */
export function refuseRounds(state: CoreState, leading: Leading): void {
  for (const waiter of leading.round?.waiters ?? []) refuse(state, waiter)
  for (const waiter of leading.nextReads) refuse(state, waiter)
  leading.round = undefined
  leading.nextReads = []
}

/** A follower lost its leader, or has another: what it asked the old one is refused. */
export function refuseRequests(state: CoreState): void {
  const { requests } = state
  for (const id of requests.asked) state.effects.reads.push({ id, refused: true })
  for (const id of requests.next) state.effects.reads.push({ id, refused: true })
  for (const { ids } of requests.held) {
    for (const id of ids) state.effects.reads.push({ id, refused: true })
  }
  requests.asked = []
  requests.next = []
  requests.held = []
}

function ask(state: CoreState): void {
  const { requests } = state
  requests.asked = requests.next
  requests.next = []
  requests.first = requests.counter + 1
  sendRequest(state)
}

function sendRequest(state: CoreState): void {
  const { requests } = state
  requests.counter += 1
  requests.last = requests.counter
  requests.sent_ms = state.now_ms
  const { counter: request } = requests
  const body = { type: 'read-index', request, start: state.config.start } as const
  send(state, state.leader as MemberId, body, 0)
}

/**
 * Reads whose index lies within what is known equal to the leader's log may go on. Applied alone
 * does not do: a replica that applied what a quorum's disks have lost must not answer from it.
 */
export function releaseReads(state: CoreState): void {
  const { requests, matched } = state
  while (requests.held.length > 0) {
    const { index, ids } = requests.held[0] as { index: number; ids: readonly number[] }
    if (index > matched) return
    requests.held.shift()
    for (const id of ids) state.effects.reads.push({ id, index })
  }
}

/** The leader's answer, in the own term. */
export function handleReadIndexReply(
  state: CoreState,
  reply: Message & { type: 'read-index-reply' },
): void {
  const { requests, config } = state
  if (reply.from !== state.leader || reply.start !== config.start) return
  if (requests.asked.length === 0) return
  if (reply.request < requests.first || reply.request > requests.last) return
  const ids = requests.asked
  requests.asked = []
  if (reply.refused) for (const id of ids) state.effects.reads.push({ id, refused: true })
  else {
    // The index is the leader's commit: as far as the log is known equal to its, it is ours too.
    advanceCommit(state, Math.min(reply.index, state.matched))
    requests.held.push({ index: reply.index, ids })
    releaseReads(state)
  }
  if (requests.next.length > 0) ask(state)
}
