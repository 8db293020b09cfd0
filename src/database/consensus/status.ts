/** A readable picture of the core, for status pages and for the loop's decisions. */

import { majority } from './quorum.ts'
import { logTime_ms, quorumAnswered_ms } from './replication.ts'
import { canPropose } from './roles.ts'
import type { CoreState } from './state.ts'
import type { CoreStatus, RoleName } from './types.ts'
import { committedInTerm, isVoter } from './verbs.ts'

export function roleName(state: CoreState): RoleName {
  if (state.role === 'leader') return 'leader'
  if (state.role !== 'follower') return 'candidate'
  return isVoter(state) ? 'follower' : 'learner'
}

/** See CoreStatus. `freshAt_ms` and `logTime_ms` count from the latest step's clock. */
export function statusOf(state: CoreState): CoreStatus {
  const { log, leading } = state
  return {
    self: state.self,
    role: roleName(state),
    term: state.term,
    vote: state.vote,
    leader: state.leader,
    leadReason: leading?.reason,
    commit: state.commit,
    lastIndex: log.lastIndex,
    firstIndex: log.baseIndex + 1,
    canPropose: canPropose(state),
    refusing: refusing(state),
    transferring: leading?.transfer?.to,
    membership: log.membership,
    membershipIndex: log.membershipIndex,
    progress: (leading?.peers ?? []).map((peer) => ({
      member: peer.member,
      match: peer.match,
      next: peer.next,
      state: peer.state,
      answered_ms: peer.answered_ms,
      health: peer.health,
    })),
    freshAt_ms: freshAt_ms(state),
    committedInTerm: committedInTerm(state),
    logTime_ms: logTime_ms(state),
  }
}

/** A leader's state is as new as the last moment at which a quorum surely followed it. */
export function freshAt_ms(state: CoreState): number {
  const { leading } = state
  if (leading === undefined || !committedInTerm(state)) return state.freshAt_ms
  return Math.max(state.freshAt_ms, quorumAnswered_ms(state, leading))
}

/** Leader only: why client writes are refused although it leads. */
export function refusing(state: CoreState): 'cluster-forming' | 'disk-full' | undefined {
  const { leading, log } = state
  if (leading === undefined) return undefined
  if (log.membership?.opened !== true) return 'cluster-forming'
  let full = 0
  for (const voter of leading.voters) {
    const health = voter === leading.own ? state.health : voter.health
    if (health.diskFull) full += 1
  }
  return full >= majority(leading.voters.length) ? 'disk-full' : undefined
}
