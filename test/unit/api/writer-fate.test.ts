/** What an API server says of a write at its deadline, when it is refused, or its session gone. */

import t from 'tap'
import { until } from './fake-clock.ts'
import { put, sizes, start } from './start.ts'

t.test('deadline: never sent → not-applied, with the reason', async (t) => {
  const started = await start(t)
  const { cluster } = started
  cluster.lead(-1)
  await started.clock.advance(300)
  const noLeader = put(started, 'a', {}, '?timeout=2s')
  await started.clock.advance(2000)
  t.match((await noLeader).json(), { code: 'no-leader', outcome: 'not-applied', status: 503 })
  t.equal((await noLeader).headers['retry-after'], '1')

  cluster.replica(1).die()
  cluster.replica(2).die()
  cluster.replica(0).problem = 'quorum-lost'
  cluster.replica(0).missing = ['db-1', 'db-2']
  await started.clock.advance(300)
  const noQuorum = put(started, 'a', { 'ordinal-timeout': '2s' })
  await started.clock.advance(2000)
  t.match((await noQuorum).json(), {
    code: 'quorum-lost',
    outcome: 'not-applied',
    missing: ['db-1', 'db-2'],
  })
  cluster.replica(0).die()
  await started.clock.advance(300)
  const none = put(started, 'a', {}, '?timeout=1s')
  await started.clock.advance(1000)
  t.match((await none).json(), { code: 'no-replica', outcome: 'not-applied' })
  t.equal(cluster.executed, 0)
})

t.test(
  'deadline: sent and not answered → outcome-unknown; its sequence is not used again',
  async (t) => {
    const started = await start(t)
    const leader = started.cluster.replica(0)
    leader.holdWrites = true
    const lost = put(started, 'a', {}, '?timeout=1s')
    await started.clock.advance(1000)
    t.match((await lost).json(), { code: 'outcome-unknown', outcome: 'unknown', retry: false })
    const next = put(started, 'b')
    await until('two frames', () => sizes(started, 0).length === 2)
    leader.release()
    t.equal((await next).statusCode, 201)
    const segments = leader.segments.filter(({ session }) => session !== 0)
    t.same(
      segments.flatMap(({ commands }) => commands.map(({ sequence }) => sequence)),
      [1, 2],
    )
    t.equal(segments[1]?.floor, 1, 'the floor passed what was given up')
  },
)

t.test('deadline: a write in doubt stays unknown though the next leader refuses it', async (t) => {
  const started = await start(t)
  const { cluster } = started
  cluster.replica(0).muteWrites = true
  const answer = put(started, 'a', {}, '?timeout=1s')
  await until('executed', () => cluster.executed === 1)
  cluster.replica(1).refuseWrites = { code: 'disk-full', outcome: 'not-applied' }
  cluster.replica(0).die()
  cluster.lead(1)
  await started.clock.advance(1000)
  t.match((await answer).json(), { code: 'outcome-unknown', outcome: 'unknown' })
})

t.test(
  'refusals: disk-full, cluster-forming and overloaded are final and not-applied',
  async (t) => {
    for (const [code, status] of [
      ['disk-full', 507],
      ['cluster-forming', 503],
      ['overloaded', 503],
    ] as const) {
      const started = await start(t)
      started.cluster.replica(0).refuseWrites = { code, outcome: 'not-applied' }
      const answer = await put(started, 'a')
      t.equal(answer.statusCode, status)
      t.match(answer.json(), { code, outcome: 'not-applied' })
    }
  },
)

t.test('refusals: a full disk refuses puts, and lets deletes pass', async (t) => {
  const started = await start(t)
  await put(started, 'old')
  started.cluster.replica(0).refuseWrites = { code: 'disk-full', outcome: 'not-applied' }
  const remove = started.api.app.inject({ method: 'DELETE', url: '/v1/kv/old' })
  const refused = Promise.all(Array.from({ length: 4 }, (_, index) => put(started, `n${index}`)))
  await started.clock.advance(100)
  t.equal((await remove).statusCode, 200)
  t.ok((await refused).every(({ statusCode }) => statusCode === 507))
})

t.test('session: expired → what was never executed goes into a new one', async (t) => {
  const started = await start(t)
  const { cluster } = started
  await put(started, 'a')
  cluster.sessions.clear()
  t.equal((await put(started, 'b')).statusCode, 201)
  t.equal(cluster.sessions.size, 1, 'a new session')
  t.equal(cluster.executed, 2)
})

t.test('session: expired → what may have been executed is unknown', async (t) => {
  const started = await start(t)
  const { cluster } = started
  cluster.replica(0).muteWrites = true
  const answer = put(started, 'a')
  await until('executed', () => cluster.executed === 1)
  cluster.sessions.clear()
  cluster.replica(0).die()
  cluster.lead(1)
  t.match((await answer).json(), { code: 'outcome-unknown', outcome: 'unknown' })
  t.equal((await put(started, 'b')).statusCode, 201)
})

t.test(
  'session: another history has other sessions, and tags of the old one never match',
  async (t) => {
    const started = await start(t)
    const { cluster } = started
    const first = await put(started, 'a')
    const etag = first.headers.etag as string
    const session = [...cluster.sessions.keys()]
    cluster.history = 'h2'
    cluster.lead(0)
    await started.clock.advance(0)
    const old = await put(started, 'a', { 'if-match': etag })
    t.equal(old.statusCode, 412)
    t.match(old.json().etag, /^"h2-\d+"$/)
    t.equal((await put(started, 'a', { 'if-match': old.headers.etag as string })).statusCode, 200)
    t.ok(cluster.sessions.size === 2 && session.length === 1, 'a session of its own')
  },
)

t.test('session: a write in doubt does not follow into another history', async (t) => {
  const started = await start(t)
  const { cluster } = started
  cluster.replica(0).muteWrites = true
  const answer = put(started, 'a')
  await until('executed', () => cluster.executed === 1)
  cluster.replica(0).die()
  cluster.history = 'h2'
  cluster.lead(1)
  t.match((await answer).json(), { code: 'outcome-unknown', outcome: 'unknown' })
  t.equal(cluster.executed, 1)
})
