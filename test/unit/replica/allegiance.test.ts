import t from 'tap'
import { Allegiance } from '../../../src/database/replica/allegiance.ts'
import { FakeClock } from '../api/fake-clock.ts'

const PATIENCE_MS = 5000

function follower() {
  const clock = new FakeClock()
  const state = { settled: false, led: false, accompanied: true }
  const gaveUp: string[] = []
  const allegiance = new Allegiance({
    clock,
    patience_ms: PATIENCE_MS,
    settled: () => state.settled,
    led: () => state.led,
    accompanied: () => state.accompanied,
    giveUp: (why) => gaveUp.push(why),
  })
  return { clock, state, gaveUp, allegiance }
}

t.test('alone in a cluster that is no more, a refusal is enough', async (t) => {
  const { state, gaveUp, allegiance } = follower()
  state.accompanied = false
  allegiance.refused('replica 0 refuses this replica')
  t.strictSame(gaveUp, ['replica 0 refuses this replica'])
  allegiance.refused('again')
  t.equal(gaveUp.length, 1, 'once')
})

t.test('with others of its cluster it waits for their leader', async (t) => {
  const { clock, gaveUp, allegiance } = follower()
  allegiance.refused('refused')
  await clock.advance(PATIENCE_MS - 1)
  allegiance.refused('refused again')
  t.strictSame(gaveUp, [])
  await clock.advance(1)
  t.strictSame(gaveUp, ['refused, and its own cluster has no leader'])
})

t.test('a leader heard meanwhile, or content stored, makes it stay', async (t) => {
  for (const reason of ['led', 'settled'] as const) {
    const { clock, state, gaveUp, allegiance } = follower()
    allegiance.refused('refused')
    state[reason] = true
    await clock.advance(PATIENCE_MS)
    allegiance.refused('refused')
    await clock.advance(2 * PATIENCE_MS)
    t.strictSame(gaveUp, [], reason)
    state[reason] = false
    allegiance.refused('refused')
    await clock.advance(PATIENCE_MS)
    t.equal(gaveUp.length, 1, `not ${reason} any more: it doubts again`)
  }
})

t.test('a replica that stops gives nothing up', async (t) => {
  const { clock, gaveUp, allegiance } = follower()
  allegiance.refused('refused')
  allegiance.stop()
  await clock.advance(PATIENCE_MS)
  t.strictSame(gaveUp, [])
})
