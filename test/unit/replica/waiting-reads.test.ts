import t from 'tap'
import {
  type ReadTerms,
  type ReadWaiter,
  WaitingReads,
} from '../../../src/database/replica/waiting-reads.ts'

function stage() {
  const state = { now: 0, applied: 0, revision: 0, age: 0, whole: true, asked: [] as number[] }
  const reads = new WaitingReads({
    now_ms: () => state.now,
    applied: () => state.applied,
    revision: () => state.revision,
    age_ms: () => state.age,
    wasWhole: () => state.whole,
    problem: () => ({ code: 'no-leader', message: 'nobody leads' }),
    ask: (id) => state.asked.push(id),
  })
  return { state, reads }
}

function waiter(): ReadWaiter & { said: string[] } {
  const said: string[] = []
  return {
    said,
    run: (age_ms) => said.push(`read at age ${age_ms}`),
    refuse: (code) => said.push(code),
  }
}

const linearizable: ReadTerms = {
  consistency: 'linearizable',
  maxStale_ms: 0,
  minRevision: 0,
  timeout_ms: 100,
}
const stale: ReadTerms = { ...linearizable, consistency: 'stale' }

t.test('a linearizable read waits for its index, then until it is applied', async (t) => {
  const { state, reads } = stage()
  const read = waiter()
  reads.add(linearizable, read)
  t.same(state.asked, [1])
  reads.confirmed(1, 5)
  t.same(read.said, [])
  state.applied = 4
  reads.advanced()
  t.same(read.said, [])
  state.applied = 5
  reads.advanced()
  t.same(read.said, ['read at age 0'])
  t.equal(reads.size, 0)
})

t.test('a read without a confirmed index never runs, whatever is applied', async (t) => {
  const { state, reads } = stage()
  const read = waiter()
  reads.add(linearizable, read)
  state.applied = 1000
  reads.advanced()
  reads.tick()
  t.same(read.said, [])
})

t.test('a refused index is asked for again until the deadline', async (t) => {
  const { state, reads } = stage()
  const read = waiter()
  reads.add(linearizable, read)
  reads.refused(1)
  reads.tick()
  t.same(state.asked, [1, 1])
  state.now = 100
  reads.tick()
  t.same(read.said, ['no-leader'])
})

t.test('a stale read is answered at once with its age', async (t) => {
  const { state, reads } = stage()
  state.age = 70
  const read = waiter()
  reads.add(stale, read)
  t.same(read.said, ['read at age 70'])
})

t.test('maxStale bounds the age; an unknown age is too old', async (t) => {
  const { state, reads } = stage()
  const [old, unknown, fresh] = [waiter(), waiter(), waiter()]
  state.age = 51
  reads.add({ ...stale, maxStale_ms: 50 }, old)
  state.age = -1
  reads.add({ ...stale, maxStale_ms: 50 }, unknown)
  state.age = 50
  reads.add({ ...stale, maxStale_ms: 50 }, fresh)
  t.same([old.said, unknown.said, fresh.said], [['too-stale'], ['too-stale'], ['read at age 50']])
})

t.test(
  'a replica that never held all the data answers no stale read before a leader',
  async (t) => {
    const { state, reads } = stage()
    const [empty, voter, led] = [waiter(), waiter(), waiter()]
    state.age = -1
    state.whole = false
    reads.add(stale, empty)
    t.same(empty.said, ['cluster-forming'])
    state.whole = true
    reads.add(stale, voter)
    t.same(voter.said, ['read at age -1'], 'one that did says what it has')
    state.age = 7
    state.whole = false
    reads.add(stale, led)
    t.same(led.said, ['read at age 7'], 'and so does one that knows how old it is')
  },
)

t.test('minRevision waits until the replica is there, or says that it is not', async (t) => {
  const { state, reads } = stage()
  const [met, unmet] = [waiter(), waiter()]
  reads.add({ ...stale, minRevision: 3 }, met)
  reads.add({ ...stale, minRevision: 9 }, unmet)
  state.revision = 3
  reads.advanced()
  t.same(met.said, ['read at age 0'])
  state.now = 100
  reads.tick()
  t.same(unmet.said, ['revision-not-reached'])
})
