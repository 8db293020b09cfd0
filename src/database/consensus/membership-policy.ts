/**
 * What the membership should become next, as one pure function of what the leader knows. One change
 * at a time (Ongaro 2014 §4.1), in this order: open the cluster, remove who leaves, replace a lost
 * incarnation, promote who caught up, give up a replacement nobody needs, let in who said hello.
 *
 * Replacing an incarnation takes three entries, each committed before the next (DESIGN §7):
 *
 *   voters 0/a 1/b 2/c            2/c silent for T, 2/d says hello
 *   + learner 2/d                 (1) it catches up
 *   − voter 2/c                   (2) still silent; until here it counts in the quorum
 *   2/d becomes a voter           (3)
 *
 * Nothing is proposed that the voters who are answering could not commit: with a majority of disks
 * lost nobody is removed, and the cluster stays without a leader instead.
 */

import { REMOVED_MEMBERS_MAX } from '../../shared/limits.ts'
import { byOrdinal, membersOf } from './membership.ts'
import { majority } from './quorum.ts'
import type { MemberId, Membership } from './types.ts'
import { ordinalOf } from './types.ts'

/** What a leader knows of a member, reduced to what the policy asks. */
export type MemberView = {
  /** It holds at least the first entry, and so the cluster's id. */
  readonly stored: boolean
  /** It answered within the election timeout, in this term (the leader itself: always). */
  readonly answering: boolean
  /** It was asked for an election timeout and has not answered: not the opposite of the above. */
  readonly silent: boolean
  readonly caughtUp: boolean
}

export type PolicyView = {
  readonly self: MemberId
  readonly membership: Membership
  readonly view: (member: MemberId) => MemberView
  /** Members of the cluster outside the membership that said hello, oldest first. */
  readonly heard: readonly MemberId[]
  /** Members that leave for good, or are gone for good. */
  readonly removing: ReadonlySet<MemberId>
  /** Its ordinal is not meant to run (any more): it is not let in. */
  readonly isOutside: (member: MemberId) => boolean
}

/** The next membership, or undefined when all is as it should be (or cannot be made so now). */
export function nextChange(policy: PolicyView): Membership | undefined {
  return (
    open(policy) ??
    leave(policy) ??
    replace(policy) ??
    promote(policy) ??
    giveUp(policy) ??
    letIn(policy)
  )
}

function open({ membership, view }: PolicyView): Membership | undefined {
  if (membership.opened || !membership.voters.every((voter) => view(voter).stored)) return undefined
  return { ...membership, opened: true }
}

/** Scale-down: highest ordinal first, never the leader itself, never the last voter. */
function leave(policy: PolicyView): Membership | undefined {
  const { membership, removing, self } = policy
  const leaving = byOrdinal(membersOf(membership))
    .filter((member) => removing.has(member) && member !== self)
    .reverse()
  for (const member of leaving) {
    const next = without(membership, member)
    if (next.voters.length > 0 && quorumAnswers(policy, next.voters)) return next
  }
  return undefined
}

/** Step 2: a silent voter whose ordinal has a learner that caught up. */
function replace(policy: PolicyView): Membership | undefined {
  const { membership, view, self } = policy
  for (const learner of membership.learners) {
    const state = view(learner)
    if (!state.answering || !state.caughtUp) continue
    const old = voterOf(membership, ordinalOf(learner))
    if (old === undefined || old === self || !view(old).silent) continue
    const next = without(membership, old)
    if (quorumAnswers(policy, next.voters)) return next
  }
  return undefined
}

/** Step 3, and the only step of a plain join. */
function promote(policy: PolicyView): Membership | undefined {
  const { membership, view, removing, isOutside } = policy
  for (const learner of membership.learners) {
    const state = view(learner)
    if (!state.answering || !state.caughtUp) continue
    if (removing.has(learner) || isOutside(learner)) continue
    if (voterOf(membership, ordinalOf(learner)) !== undefined) continue
    const voters = byOrdinal([...membership.voters, learner])
    if (!quorumAnswers(policy, voters)) continue
    return { ...membership, voters, learners: membership.learners.filter((id) => id !== learner) }
  }
  return undefined
}

/** Of a replacement that fell silent while the voter that it was to replace answers again. */
function giveUp(policy: PolicyView): Membership | undefined {
  const { membership, view } = policy
  for (const learner of membership.learners) {
    const old = voterOf(membership, ordinalOf(learner))
    if (old === undefined || !view(old).answering || !view(learner).silent) continue
    if (quorumAnswers(policy, membership.voters)) return without(membership, learner)
  }
  return undefined
}

/** Step 1: the latest incarnation of each ordinal that said hello. */
function letIn(policy: PolicyView): Membership | undefined {
  const { membership, heard, view, self, isOutside } = policy
  const { voters, learners, removed } = membership
  for (const member of heard.toReversed()) {
    if (voters.includes(member) || learners.includes(member) || removed.includes(member)) continue
    if (isOutside(member)) continue
    const ordinal = ordinalOf(member)
    const old = voterOf(membership, ordinal)
    if (old !== undefined && (old === self || !view(old).silent)) continue
    const earlier = learners.find((learner) => ordinalOf(learner) === ordinal)
    // A disk lost again before it was promoted: the newer one takes the learner's place.
    if (earlier !== undefined && !view(earlier).silent) continue
    const base = earlier === undefined ? membership : without(membership, earlier)
    return { ...base, learners: byOrdinal([...base.learners, member]) }
  }
  return undefined
}

function voterOf(membership: Membership, ordinal: number): MemberId | undefined {
  return membership.voters.find((voter) => ordinalOf(voter) === ordinal)
}

function without(membership: Membership, member: MemberId): Membership {
  const others = (id: MemberId): boolean => id !== member
  return {
    ...membership,
    voters: membership.voters.filter(others),
    learners: membership.learners.filter(others),
    removed: [...membership.removed.filter(others), member].slice(-REMOVED_MEMBERS_MAX),
  }
}

function quorumAnswers({ view }: PolicyView, voters: readonly MemberId[]): boolean {
  return voters.filter((voter) => view(voter).answering).length >= majority(voters.length)
}
