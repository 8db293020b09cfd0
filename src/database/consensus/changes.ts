/**
 * Membership as the leader drives it: who was heard, who wants to leave, one change at a time and
 * none before an entry of the own term is committed (the bug in single-server changes that Ongaro
 * announced in 2015). What to change is membership-policy.ts.
 */

import { FORMAT_OLDEST } from '../../shared/formats.ts'
import { HEARD_MEMBERS_MAX } from '../../shared/limits.ts'
import { type MemberView, nextChange } from './membership-policy.ts'
import type { Progress } from './progress.ts'
import { proposeMembership, syncProgress } from './replication.ts'
import type { CoreState, Leading } from './state.ts'
import { handOverBeforeRemoval, isCaughtUp } from './transfer.ts'
import type { MemberId, Membership } from './types.ts'
import { isOutside } from './types.ts'
import { committedInTerm } from './verbs.ts'

/** A peer of this cluster said hello. Every replica remembers: any may have to act on it. */
export function handleHeard(state: CoreState, member: MemberId, format = FORMAT_OLDEST): void {
  const { heard, formats } = state
  forgetHeard(state, member)
  heard.push(member)
  formats.set(member, format)
  if (heard.length > HEARD_MEMBERS_MAX) forgetHeard(state, heard[0] as MemberId)
}

/**
 * Its link has ended; it will say hello on the next one. Of two processes with one ordinal the one
 * that stays is remembered, whichever spoke first.
 */
export function forgetHeard(state: CoreState, member: MemberId): void {
  const at = state.heard.indexOf(member)
  if (at >= 0) state.heard.splice(at, 1)
  state.formats.delete(member)
}

/** A member is to leave for good; only a leader takes notice (the caller asks again). */
export function handleRemove(state: CoreState, member: MemberId): void {
  const { leading, log } = state
  const { voters = [], learners = [] } = log.membership ?? {}
  if (leading === undefined) return
  if (voters.includes(member) || learners.includes(member)) leading.removing.add(member)
}

/** Proposes the next change, when one is due and the last one is committed. */
export function tickMembership(state: CoreState, leading: Leading): void {
  const { log, commit, self } = state
  forgetRemoved(state, leading)
  if (leading.transfer !== undefined || !committedInTerm(state)) return
  if (log.membershipIndex > commit) return
  const membership = log.membership as Membership
  const removing = removingNow(state, leading)
  // While it is no leader any more the one that stays removes all of them.
  if (removing.has(self) && handOverBeforeRemoval(state, leading)) return
  const next = nextChange({
    self,
    membership,
    heard: state.heard,
    removing,
    isOutside: (member) => isOutside(state.scale, member),
    view: (member) => viewOf(state, leading, member),
  })
  if (next !== undefined) proposeMembership(state, next)
}

/** Who leaves: asked to, says so, or is not meant to run and silent. */
function removingNow(state: CoreState, leading: Leading): ReadonlySet<MemberId> {
  const { scale } = state
  if (scale.leaving.length === 0 && !scale.confirmed) return leading.removing
  const removing = new Set([...leading.removing, ...scale.leaving])
  if (!scale.confirmed) return removing
  for (const peer of leading.peers) {
    if (isOutside(scale, peer.member) && isSilent(state, leading, peer)) removing.add(peer.member)
  }
  return removing
}

function viewOf(state: CoreState, leading: Leading, member: MemberId): MemberView {
  const peer = leading.progress.get(member)
  if (peer === undefined) return { stored: false, answering: false, silent: true, caughtUp: false }
  if (peer === leading.own) return { stored: true, answering: true, silent: false, caughtUp: true }
  const silent = isSilent(state, leading, peer)
  return {
    stored: peer.match >= 1,
    // Whom a new leader has not heard yet may be gone: nothing is built upon its vote.
    answering: peer.answered_ms >= 0 && !silent,
    silent,
    caughtUp: isCaughtUp(state, peer),
  }
}

/** No answer for T, counted from when it was asked, or from the start of this term. */
function isSilent(state: CoreState, leading: Leading, peer: Progress): boolean {
  const answered_ms = Math.max(peer.answered_ms, leading.since_ms)
  return state.now_ms - answered_ms > state.config.electionTimeout_ms
}

/**
 * A removed member is still told of its removal, and that it is committed, so that one that leaves
 * knows when it may; then, or when it is silent, it is forgotten.
 */
function forgetRemoved(state: CoreState, leading: Leading): void {
  const { voters, learners } = state.log.membership as Membership
  if (leading.progress.size === voters.length + learners.length) return
  const index = state.log.membershipIndex
  let changed = false
  for (const peer of leading.peers) {
    if (voters.includes(peer.member) || learners.includes(peer.member)) continue
    const told = state.commit >= index && peer.match >= index && peer.commitSent >= index
    if (!told && !isSilent(state, leading, peer)) continue
    leading.progress.delete(peer.member)
    leading.removing.delete(peer.member)
    changed = true
  }
  if (changed) syncProgress(state, leading)
}
