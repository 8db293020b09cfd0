/**
 * `ordinal bootstrap --force`: this disk's data under a new cluster id, with this replica as its
 * only voter (DESIGN §7). A membership entry of a new term ends the log; since its only voter is
 * this replica, all that stands before it is committed by the next election.
 */

import { makeEntry } from '../consensus/entry.ts'
import { encodeMembership } from '../consensus/membership.ts'
import { type Membership, memberId, type Restored } from '../consensus/types.ts'
import type { Identity } from '../replica/ports.ts'
import type { Batch } from './commit-gate.ts'
import { type DiskState, putWrite } from './disk-state.ts'
import { HARD_STATE_KEY, IDENTITY_KEY } from './layout.ts'
import { encodeHardState, encodeIdentity, seal } from './stored-values.ts'

export function putForcedBootstrap(
  batch: Batch,
  state: DiskState,
  options: { consensus: Restored; identity: Identity; membership: Membership },
): DiskState {
  const { consensus, identity, membership } = options
  const term = consensus.hardState.term + 1
  const last = consensus.tail.at(-1)
  const behind =
    last === undefined ? consensus.base : { ...last, nextRevision: last.firstRevision + last.count }
  const entry = makeEntry(
    {
      index: behind.index + 1,
      term,
      type: 'membership',
      time_ms: behind.time_ms,
      firstRevision: behind.nextRevision,
      count: 0,
    },
    encodeMembership(membership),
    behind.chain,
  )
  const hardState = { term, vote: memberId(identity.ordinal, identity.incarnation) }
  const write = { id: 0, hardState, truncateFrom: undefined, entries: [entry], install: undefined }
  const next = putWrite(batch, state, { write, received: undefined })
  batch.put(HARD_STATE_KEY, seal(HARD_STATE_KEY, encodeHardState(hardState)))
  batch.put(IDENTITY_KEY, seal(IDENTITY_KEY, encodeIdentity(identity)))
  return next
}
