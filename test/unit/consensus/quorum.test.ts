/** The parts of the core that count: votes for a quorum, and appends on their way to a peer. */

import t from 'tap'
import { Progress } from '../../../src/database/consensus/progress.ts'
import { majority, quorumValue, tally } from '../../../src/database/consensus/quorum.ts'
import { INFLIGHT_APPENDS_MAX, INFLIGHT_BYTES_MAX } from '../../../src/shared/limits.ts'

t.test('a quorum is more than half', (t) => {
  t.same(
    [1, 2, 3, 4, 5, 7].map((count) => majority(count)),
    [1, 2, 2, 3, 3, 4],
  )
  t.equal(quorumValue([]), 0)
  t.equal(quorumValue([5]), 5)
  t.equal(quorumValue([5, 9]), 5)
  t.equal(quorumValue([1, 9, 5]), 5)
  t.equal(quorumValue([3, 9, 5, 1]), 3)
  t.equal(quorumValue([2, 2, 8, 9, 10]), 8)
  const voters = ['0/a', '1/a', '2/a']
  t.equal(tally(voters, new Map([['0/a', true]])), 'pending')
  t.equal(tally(voters, new Map(Object.entries({ '0/a': true, '9/z': true }))), 'pending')
  t.equal(tally(voters, new Map(Object.entries({ '0/a': true, '2/a': true }))), 'won')
  t.equal(tally(voters, new Map(Object.entries({ '1/a': false, '2/a': false }))), 'lost')
  t.end()
})

t.test('the window counts appends and bytes, and answers free it', (t) => {
  const progress = new Progress('1/a', 1)
  t.equal(progress.paused, false)
  progress.sentEntries(1, 10)
  t.equal(progress.paused, true, 'one probe at a time')
  progress.acked(1)
  t.equal(progress.state, 'replicate')
  for (let index = 2; index < 2 + INFLIGHT_APPENDS_MAX; index += 1) {
    t.equal(progress.paused, false)
    progress.sentEntries(index, 10)
  }
  t.equal(progress.paused, true)
  progress.acked(3)
  t.equal(progress.inflight, INFLIGHT_APPENDS_MAX - 2)
  t.equal(progress.paused, false)
  progress.sentEntries(progress.next, INFLIGHT_BYTES_MAX)
  t.equal(progress.paused, true, 'by bytes')
  t.equal(progress.rejected(3, 0), false, 'old news')
  t.equal(progress.rejected(9, 5), true)
  t.same([progress.state, progress.next], ['probe', 4])
  t.equal(progress.rejected(9, 5), false, 'only the probe under way counts')
  t.end()
})
