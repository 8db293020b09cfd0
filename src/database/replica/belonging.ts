/** What a replica's own log says of who belongs to the cluster, and when it had better ask. */

import type { CoreStatus, MemberId } from '../consensus/types.ts'

/** Only a committed removal is final: another one may yet be undone. */
export function isRemoved(status: CoreStatus | undefined, member: MemberId): boolean {
  if (status?.membership === undefined || status.membershipIndex > status.commit) return false
  return status.membership.removed.includes(member)
}

/** It votes or learns, as far as it knows. */
export function isMember(status: CoreStatus | undefined): boolean {
  if (status?.membership === undefined) return false
  const { voters, learners } = status.membership
  return voters.includes(status.self) || learners.includes(status.self)
}

/**
 * Nobody speaks to this replica as to a member: it may have been removed while it was silent, and
 * links that were up all the time have told it nothing. Who knows better refuses its next hello.
 */
export function isForgotten(status: CoreStatus): boolean {
  const { leader, membership } = status
  if (leader === undefined || membership === undefined) return true
  return !isMember(status)
}
