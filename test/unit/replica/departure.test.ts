import t from 'tap'
import { Departure } from '../../../src/database/replica/departure.ts'
import type { Orchestrator, Topology } from '../../../src/database/replica/orchestrator.ts'
import type { Stopping } from '../../../src/database/replica/ports.ts'
import { FakeClock } from '../api/fake-clock.ts'

const GRACE_MS = 30_000

const ONE: Topology = { first: 0, replicas: 1, ending: false }

/** Ordinal 2, told to stop. */
function stage(topology: Topology | undefined) {
  const clock = new FakeClock()
  const state = { member: true, removed: false, others: false }
  const said: (Stopping | undefined)[] = []
  const condemned: string[] = []
  const again: string[] = []
  const told: string[] = []
  const departure = new Departure({
    orchestrator: { topology, readTopology: async () => topology } as unknown as Orchestrator,
    clock,
    ordinal: 2,
    grace_ms: GRACE_MS,
    isMember: () => state.member,
    isRemoved: () => state.removed,
    othersLeave: () => state.others,
    tell: (stopping) => said.push(stopping),
    condemn: async (why) => void condemned.push(why),
    startAgain: (why) => again.push(why),
    onLeaving: (why) => told.push(why),
  })
  let ended = false
  const settle = () =>
    void departure.settle().then(() => {
      ended = true
    })
  return { clock, state, said, condemned, again, told, departure, settle, ended: () => ended }
}

t.test('a restart does not wait', async (t) => {
  for (const topology of [undefined, { first: 0, replicas: 3, ending: false }]) {
    const { clock, settle, ended, said } = stage(topology)
    settle()
    await clock.advance(1)
    t.ok(ended())
    t.same(said, [])
  }
  const learner = stage(ONE)
  learner.state.member = false
  learner.settle()
  await learner.clock.advance(1)
  t.ok(learner.ended(), 'one that is no member has nothing to leave')
})

t.test('it votes on until it is removed, and until no other one leaves', async (t) => {
  const { clock, state, settle, ended, said, condemned, departure } = stage(ONE)
  state.others = true
  settle()
  await clock.advance(1000)
  t.same(said, ['leaves'])
  t.ok(departure.active && !ended())
  state.removed = true
  await clock.advance(100)
  t.same(said, ['leaves', 'goes'])
  t.equal(condemned.length, 1)
  t.notOk(ended(), 'another one still leaves')
  state.others = false
  await clock.advance(100)
  t.ok(ended())
  t.equal(condemned.length, 1)
})

t.test('a peer that refuses it as removed says the same', async (t) => {
  const { clock, settle, ended, departure, condemned } = stage(ONE)
  settle()
  await clock.advance(100)
  departure.refused()
  await clock.advance(100)
  t.ok(ended())
  t.equal(condemned.length, 1)
})

t.test('its grace bounds it, from when it was first told', async (t) => {
  const { clock, settle, ended, told, condemned, departure } = stage(ONE)
  t.equal((await departure.intent()).type, 'leaves')
  await clock.advance(10_000)
  settle()
  await clock.advance(GRACE_MS - 10_000 - 5000 - 200)
  t.notOk(ended())
  await clock.advance(400)
  t.ok(ended())
  t.match(told.at(-1), /it was not removed/)
  t.same(condemned, [], 'its data stays')
})

t.test('asked by somebody else than a kubelet, it stays', async (t) => {
  const { clock, departure, said, again, state } = stage(ONE)
  await departure.intent()
  const left = departure.leave('scaled to 1')
  await clock.advance(100)
  departure.cancel()
  state.removed = true
  await clock.advance(100)
  t.match(await left, /not stopped/)
  t.same(said, ['leaves', undefined])
  t.same(again, [])
  t.notOk(departure.active)
})

t.test('and starts again if it was removed meanwhile', async (t) => {
  const { clock, departure, again, state } = stage(ONE)
  state.others = true
  await departure.intent()
  void departure.leave('scaled to 1')
  state.removed = true
  await clock.advance(100)
  departure.cancel()
  t.match(again, [/removed/])
})
