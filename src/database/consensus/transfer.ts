/**
 * Giving leadership away: hand-back (to a lower ordinal that is well again), hand-over (before a
 * stop, before being removed, away from a stuck disk). Ongaro 2014 §3.10; DESIGN §3.4–3.6.
 *
 *   start: no proposals ──▶ target holds the last entry ──▶ TimeoutNow ──▶ it campaigns at once
 *                 └────────────── T is over: give up, propose again ◀──┘
 *
 * Only the leader starts one, and its state dies with the leadership (state.ts).
 */

import { CAUGHT_UP_ENTRIES } from '../../shared/limits.ts'
import type { Progress } from './progress.ts'
import type { CoreState, Drain, Leading, Transfer } from './state.ts'
import type { MemberId } from './types.ts'
import { isOutside } from './types.ts'
import { committedInTerm, emit, send } from './verbs.ts'

/** A hand-back whose leader lasts less than this many S has failed. */
const LASTING = 10
const COOL_DOWN_DOUBLINGS_MAX = 6
/** A drain ends after this many T at the latest. */
const DRAIN_TIMEOUTS = 3

/** Near enough to the end of the log, and taking entries. */
export function isCaughtUp(state: CoreState, peer: Progress): boolean {
  return peer.state === 'replicate' && state.log.lastIndex - peer.match <= CAUGHT_UP_ENTRIES
}

function answers(state: CoreState, peer: Progress): boolean {
  if (peer.linkLost) return false
  return peer.answered_ms >= 0 && state.now_ms - peer.answered_ms < state.config.electionTimeout_ms
}

/** Holds proposals and hands the lead to `to` as soon as it has every entry. */
export function startTransfer(
  state: CoreState,
  leading: Leading,
  { to, reason }: { to: MemberId; reason: 'hand-back' | 'hand-over' },
): void {
  leading.transfer = { to, reason, since_ms: state.now_ms, sent_ms: -1 }
  emit(state, { type: 'transfer-started', to, reason })
  pursueTransfer(state, leading)
}

/** Sends TimeoutNow once the target holds the last entry. Called after each step. */
export function pursueTransfer(state: CoreState, leading: Leading): void {
  const { transfer } = leading
  if (transfer === undefined || transfer.sent_ms >= 0) return
  if (leading.progress.get(transfer.to)?.match !== state.log.lastIndex) return
  transfer.sent_ms = state.now_ms
  send(state, transfer.to, { type: 'timeout-now', reason: transfer.reason }, 0)
}

/** Gives up after T, or when the target is gone; repeats TimeoutNow, which may be lost. */
export function tickTransfer(state: CoreState, leading: Leading): void {
  const { transfer } = leading
  if (transfer === undefined) return
  const { now_ms, config } = state
  const why = whyHopeless(state, leading, transfer)
  if (why !== undefined) {
    leading.transfer = undefined
    leading.transferFailures += 1
    leading.transferAfter_ms = now_ms + coolDown_ms(state, leading)
    emit(state, { type: 'transfer-failed', to: transfer.to, why })
  } else if (transfer.sent_ms >= 0 && now_ms - transfer.sent_ms >= config.heartbeat_ms) {
    transfer.sent_ms = -1
    pursueTransfer(state, leading)
  }
}

/** Why the target will not take the lead any more; undefined: it still may. */
function whyHopeless(state: CoreState, leading: Leading, transfer: Transfer): string | undefined {
  const target = leading.progress.get(transfer.to)
  if (target === undefined || target.linkLost) return 'it cannot be reached'
  // In a rolling stop the others go too: there is nothing to wait for.
  if (target.health.draining) return 'it is stopping'
  if (state.now_ms - transfer.since_ms < state.config.electionTimeout_ms) return undefined
  if (transfer.sent_ms >= 0) return 'it did not take the lead'
  return `it stayed ${state.log.lastIndex - target.match} entries behind`
}

/**
 * How long after a change of leader the next hand-back may come: S, doubled for each hand-back in
 * a row whose leader did not last. The log tells of earlier leaders, `leading` of this one.
 */
export function coolDown_ms(state: CoreState, leading: Leading): number {
  const { handBackAfter_ms } = state.config
  const { leads } = state.log
  let failures = 0
  for (let at = 0; at + 1 < leads.length; at += 1) {
    const mark = leads[at]
    const next = leads[at + 1]
    if (mark === undefined || next === undefined || mark.record.reason !== 'hand-back') continue
    const lasted_ms = next.time_ms - mark.time_ms
    failures = lasted_ms < LASTING * handBackAfter_ms ? failures + 1 : 0
  }
  const doublings = Math.min(failures + leading.transferFailures, COOL_DOWN_DOUBLINGS_MAX)
  return handBackAfter_ms * 2 ** doublings
}

/** Hands the lead back to the lowest ordinal that has earned it (DESIGN §3.4). */
export function considerHandBack(state: CoreState, leading: Leading): void {
  const { own, voters } = leading
  if (leading.transfer !== undefined || state.drain !== undefined) return
  const lower = voters.filter((voter) => voter.ordinal < own.ordinal)
  lower.sort((a, b) => a.ordinal - b.ordinal)
  for (const voter of lower) {
    const steady =
      voter.steadySince_ms >= 0 &&
      state.now_ms - voter.steadySince_ms >= state.config.handBackAfter_ms
    if (!steady) continue
    const why = whyNotYet(state, leading, voter)
    if (why === undefined) {
      leading.refusals.clear()
      startTransfer(state, leading, { to: voter.member, reason: 'hand-back' })
      return
    }
    if (leading.refusals.get(voter.member) === why) continue
    leading.refusals.set(voter.member, why)
    emit(state, { type: 'hand-back-refused', to: voter.member, why })
  }
}

function whyNotYet(state: CoreState, leading: Leading, voter: Progress): string | undefined {
  if (voter.health.draining) return 'draining'
  if (leaves(state, leading, voter)) return 'it leaves'
  if (!voter.health.electable) return 'not electable'
  if (!isCaughtUp(state, voter)) return 'lagging'
  if (!committedInTerm(state)) return 'nothing committed in this term'
  if (state.log.membershipIndex > state.commit) return 'membership change in flight'
  if (leading.peers.some((peer) => peer.state === 'snapshot')) return 'snapshot in flight'
  const { now_ms } = state
  const cooled = now_ms - leading.since_ms >= coolDown_ms(state, leading)
  if (!cooled || now_ms < leading.transferAfter_ms) return 'cool-down'
  return undefined
}

/** It is on its way out of the membership. */
function leaves({ scale }: CoreState, leading: Leading, { member }: Progress): boolean {
  return leading.removing.has(member) || scale.leaving.includes(member)
}

/**
 * The voter that takes over best: the lowest ordinal that is well, near, and answering; one that is
 * meant to go on running before one that is not.
 */
function successor(
  state: CoreState,
  leading: Leading,
  allowed: (peer: Progress) => boolean,
): Progress | undefined {
  let best: Progress | undefined
  for (const voter of leading.voters) {
    if (voter === leading.own || leaves(state, leading, voter)) continue
    if (!voter.health.electable || voter.health.draining || !answers(state, voter)) continue
    if (!isCaughtUp(state, voter) || !allowed(voter)) continue
    if (best === undefined || isBetter(state, voter, best)) best = voter
  }
  return best
}

function isBetter({ scale }: CoreState, one: Progress, other: Progress): boolean {
  const outside = isOutside(scale, one.member)
  if (outside !== isOutside(scale, other.member)) return !outside
  return one.ordinal < other.ordinal
}

/**
 * Its own fsync hangs while others sync: lead no longer. When all hang, it leads on (DESIGN §3.6).
 */
export function considerSlowDisk(state: CoreState, leading: Leading): void {
  const oldest = state.issued[0]
  if (leading.transfer !== undefined || oldest === undefined) return
  if (state.now_ms - oldest.issued_ms <= state.config.electionTimeout_ms) return
  if (state.now_ms < leading.transferAfter_ms) return
  const target = successor(state, leading, (peer) => peer.match >= oldest.lastIndex)
  if (target !== undefined) {
    startTransfer(state, leading, { to: target.member, reason: 'hand-over' })
  }
}

/** Hands over because this leader is to be removed from the membership; false: to nobody now. */
export function handOverBeforeRemoval(state: CoreState, leading: Leading): boolean {
  if (leading.transfer !== undefined || state.now_ms < leading.transferAfter_ms) return false
  const target = successor(state, leading, () => true)
  if (target === undefined) return false
  startTransfer(state, leading, { to: target.member, reason: 'hand-over' })
  return true
}

/** SIGTERM: lead no more. */
export function startDrain(state: CoreState): void {
  if (state.drain !== undefined) return
  state.drain = { since_ms: state.now_ms, tried: new Set(), led: false, done: false }
  state.health = { ...state.health, electable: false, draining: true }
  pursueDrain(state)
}

/** Goes on with a drain; called after each step. */
export function pursueDrain(state: CoreState): void {
  const { drain, leading, now_ms, config } = state
  if (drain === undefined) return
  const late = now_ms - drain.since_ms > DRAIN_TIMEOUTS * config.electionTimeout_ms
  if (leading !== undefined) {
    drain.led = true
    if (late) endDrain(state, drain, 'no voter took over in time')
    else if (leading.transfer === undefined) handOverForDrain(state, leading, drain)
  } else if (!drain.led) endDrain(state, drain, 'it does not lead')
  else if (state.leader !== undefined && committedInTerm(state)) {
    endDrain(state, drain, `${state.leader} leads`)
  } else if (late) endDrain(state, drain, 'no new leader was heard in time')
}

function handOverForDrain(state: CoreState, leading: Leading, drain: Drain): void {
  const target = successor(state, leading, (peer) => !drain.tried.has(peer.member))
  if (target !== undefined) {
    drain.tried.add(target.member)
    startTransfer(state, leading, { to: target.member, reason: 'hand-over' })
    return
  }
  // One that is still catching up, or that a new leader has not heard from, may be worth a wait.
  const { now_ms, config } = state
  const patient = now_ms - drain.since_ms < config.electionTimeout_ms
  const hope = leading.voters.some((peer) => {
    if (peer === leading.own || drain.tried.has(peer.member)) return false
    if (leaves(state, leading, peer)) return false
    if (peer.answered_ms < 0) return now_ms - leading.since_ms < config.electionTimeout_ms
    const { electable, draining } = peer.health
    return electable && !draining && answers(state, peer) && peer.state !== 'snapshot'
  })
  if (!patient || !hope) endDrain(state, drain, 'no voter can take over')
}

function endDrain(state: CoreState, drain: Drain, why: string): void {
  if (drain.done) return
  drain.done = true
  emit(state, { type: 'drained', why })
}

/** Notes who has stopped answering, so that a later hand-back waits anew. */
export function tickSteadiness(state: CoreState, leading: Leading): void {
  const gap_ms = state.config.electionTimeout_ms / 2
  for (const peer of leading.peers) {
    if (state.now_ms - peer.answered_ms > gap_ms) peer.steadySince_ms = -1
  }
}
