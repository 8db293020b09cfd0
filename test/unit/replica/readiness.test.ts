import t from 'tap'
import { NAMES_WITHIN_MS } from '../../../src/database/replica/forming.ts'
import { Readiness } from '../../../src/database/replica/readiness.ts'
import type { Replica } from '../../../src/database/replica/replica.ts'
import { FakeClock } from '../api/fake-clock.ts'

function stage(ordered: boolean) {
  const clock = new FakeClock()
  const replica = {
    loop: undefined,
    draining: false,
    waiting: 'waiting for replica 1' as string | undefined,
    ordered,
    unheard: [] as number[],
    views: { missing: () => [] },
  }
  return { clock, replica, readiness: new Readiness(replica as unknown as Replica, clock) }
}

t.test('one that waits for its cluster is not ready', async (t) => {
  const { clock, readiness } = stage(false)
  await clock.advance(2 * NAMES_WITHIN_MS)
  t.equal(readiness.notReady(), 'waiting for replica 1')
})

t.test('in order it is, once whoever has a name was heard', async (t) => {
  const { clock, readiness, replica } = stage(true)
  t.equal(readiness.notReady(), 'looking for other replicas')
  await clock.advance(NAMES_WITHIN_MS)
  t.equal(readiness.notReady(), undefined)
  replica.unheard = [1]
  t.match(readiness.notReady(), /replica 1 was not heard/)
  replica.unheard = []
  replica.draining = true
  t.equal(readiness.notReady(), 'this replica is stopping')
})
