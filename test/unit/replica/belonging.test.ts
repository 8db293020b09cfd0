/** When a replica is out, and when it had better ask. */

import t from 'tap'
import type { CoreStatus, Membership } from '../../../src/database/consensus/types.ts'
import { isForgotten, isRemoved } from '../../../src/database/replica/belonging.ts'

const membership: Membership = {
  clusterId: 'cluster',
  history: 'history',
  voters: ['0/a', '1/a'],
  learners: ['2/b'],
  removed: ['2/a'],
  opened: true,
}

function status(changes: Partial<CoreStatus>): CoreStatus {
  const known = { self: '2/a', leader: '0/a', membership, membershipIndex: 7, commit: 7 }
  return { ...known, ...changes } as CoreStatus
}

t.test('only a committed removal is final', async (t) => {
  t.equal(isRemoved(status({}), '2/a'), true)
  t.equal(isRemoved(status({}), '2/b'), false)
  t.equal(isRemoved(status({ commit: 6 }), '2/a'), false, 'it may yet be undone')
  t.equal(isRemoved(undefined, '2/a'), false)
})

t.test('who is left out, or hears no leader, asks', async (t) => {
  t.equal(isForgotten(status({ commit: 6 })), true, 'left out, perhaps for good')
  t.equal(isForgotten(status({ self: '1/a' })), false)
  t.equal(isForgotten(status({ self: '2/b' })), false, 'a learner belongs')
  t.equal(isForgotten(status({ self: '1/a', leader: undefined })), true)
  t.equal(isForgotten(status({ self: '3/a', membership: undefined })), true)
})
