/**
 * `ordinal bootstrap --force`: when the majority of the disks is lost, one replica's data becomes a
 * new cluster of one, under a new cluster id and history. Never while a leader is known.
 */

import { ClusterError } from '../../shared/errors.ts'
import { type Membership, memberId } from '../consensus/types.ts'
import { aloneAfter } from './forming.ts'
import type { Loop } from './loop.ts'
import type { Storage } from './ports.ts'

/**
 * Returns the new membership; the process must then start again. Refused (`refused-bootstrap`)
 * while a leader is known, or without data.
 */
export async function forceBootstrap(
  loop: Loop | undefined,
  { storage, newId }: { storage: Storage; newId: () => string },
): Promise<Membership> {
  const status = loop?.status()
  if (loop === undefined || status?.membership === undefined) {
    throw new ClusterError('refused-bootstrap', 'this replica holds no data to start from')
  }
  if (status.leader !== undefined) {
    throw new ClusterError('refused-bootstrap', `the cluster has a leader: ${status.leader}`)
  }
  const incarnation = newId()
  const self = memberId(storage.identity.ordinal, incarnation)
  const membership = aloneAfter(status.membership, { self, newId })
  await loop.stop()
  await storage.forceBootstrap(membership, incarnation)
  return membership
}
