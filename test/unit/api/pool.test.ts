import pino from 'pino'
import t from 'tap'
import { mergeClusterViews } from '../../../src/api/cluster.ts'
import { Deadlines } from '../../../src/api/deadlines.ts'
import { ReplicaPool } from '../../../src/api/replica-pool.ts'
import { DIAL_RETRY_MS_MAX } from '../../../src/shared/limits.ts'
import { FakeClock, until } from './fake-clock.ts'
import { FakeCluster } from './fake-cluster.ts'

function startPool(t: { teardown(run: () => void): void }) {
  const clock = new FakeClock()
  const cluster = new FakeCluster(clock)
  const seen = { lost: [] as string[], silent: [] as string[], replies: 0 }
  const pool = new ReplicaPool({
    name: 'api-0',
    dialer: cluster.dialer,
    discovery: cluster.discovery,
    clock,
    logger: pino({ level: 'silent' }),
    listener: {
      onReply: () => {
        seen.replies++
      },
      onLost: (replica) => seen.lost.push(replica.name),
      onSilent: (replica) => seen.silent.push(replica.name),
      onChange: () => undefined,
    },
  })
  t.teardown(() => pool.close())
  return { clock, cluster, pool, seen }
}

t.test('pool: links to each replica, dials a lost one again, with pauses', async (t) => {
  const { clock, cluster, pool, seen } = startPool(t)
  pool.start()
  await until('three', () => pool.replicas.length === 3)
  t.equal(pool.leader()?.name, 'db-0')
  t.equal(cluster.dials, 3, 'one dial each')
  cluster.replica(1).die()
  await until('lost', () => seen.lost.length === 1)
  const before = cluster.dials
  await clock.advance(20_000)
  const dials = cluster.dials - before
  t.ok(dials >= 20_000 / DIAL_RETRY_MS_MAX && dials < 25, `${dials} dials in 20 s`)
  cluster.replica(1).up = true
  await clock.advance(DIAL_RETRY_MS_MAX + 100)
  t.equal(pool.replicas.length, 3)
})

t.test('pool: a replica that DNS denies, or knows at its old place, is found', async (t) => {
  const { clock, cluster, pool, seen } = startPool(t)
  pool.start()
  await until('three', () => pool.replicas.length === 3)
  for (const { ordinal, denied } of [
    { ordinal: 1, denied: true },
    { ordinal: 2, denied: false },
  ]) {
    const replica = cluster.replica(ordinal)
    if (denied) cluster.denied.add(ordinal)
    replica.die()
    await until('lost', () => seen.lost.includes(replica.name))
    replica.movedTo = `new-${ordinal}`
    replica.up = true
    await clock.advance(5000)
    t.equal(pool.replicas.length, 2, 'discovery does not help')
    // The others have been told by itself.
    cluster.replica(0).peers = [{ ordinal, host: replica.movedTo, port: 1 }]
    cluster.replica(0).tell()
    await until('linked at once', () => pool.replicas.length === 3)
  }
})

t.test(
  'pool: a leader is believed while its status is fresh, the highest term first',
  async (t) => {
    const { clock, cluster, pool, seen } = startPool(t)
    pool.start()
    await until('three', () => pool.replicas.length === 3)
    cluster.replica(0).silent = true
    cluster.lead(2)
    await clock.advance(0)
    t.equal(pool.leader()?.name, 'db-2', 'not the old one, though it says so still')
    cluster.replica(2).silent = true
    await clock.advance(1300)
    t.equal(pool.leader(), undefined)
    t.same([...new Set(seen.silent)].sort(), ['db-0', 'db-2'])
    cluster.replica(2).silent = false
    await clock.advance(300)
    t.equal(pool.leader()?.name, 'db-2')
  },
)

t.test('pool: a frame that cannot be read costs the link, and only that', async (t) => {
  const { clock, cluster, pool, seen } = startPool(t)
  pool.start()
  await until('three', () => pool.replicas.length === 3)
  cluster.replica(1).link?.send(5, [Buffer.from('not a status')])
  await until('lost', () => seen.lost.includes('db-1'))
  await clock.advance(1000)
  t.equal(pool.replicas.length, 3, 'dialed again')
})

t.test('pool: a replica without a history does not take the known one away', async (t) => {
  const { clock, cluster, pool } = startPool(t)
  cluster.leader = -1
  const status = cluster.replica(0).status.bind(cluster.replica(0))
  cluster.replica(0).status = () => ({ ...status(), history: '' })
  pool.start()
  await until('three', () => pool.replicas.length === 3)
  for (let round = 0; round < 5; round++) {
    t.equal(pool.history, 'h1')
    await clock.advance(250)
  }
  const picked = new Set<string | undefined>()
  for (let round = 0; round < 6; round++) picked.add(pool.pick('stale', () => true)?.name)
  t.same([...picked].sort(), ['db-1', 'db-2'])
})

t.test('cluster: lag is told by the leader, the picture of the highest term counts', async (t) => {
  const { cluster } = startPool(t)
  const leaders = cluster.view()
  const [first, second, third] = leaders.replicas
  t.ok(first && second && third)
  if (first === undefined || second === undefined || third === undefined) return
  const told = { ...leaders, term: 7, replicas: [first, { ...second, lag: 4 }, third] }
  const own = {
    ...leaders,
    term: 6,
    leader: undefined,
    revision: 99,
    replicas: [{ ...second, lag: undefined, diskFreeBytes: 5 }],
  }
  const merged = mergeClusterViews(
    new Map([
      [1, own],
      [0, told],
    ]),
  )
  t.equal(merged?.term, 7)
  t.equal(merged?.leader?.name, 'db-0')
  t.equal(merged?.revision, 99)
  t.match(merged?.replicas[1], { lag: 4, diskFreeBytes: 5, role: 'follower' })
  t.equal(merged?.replicas[2]?.role, 'unreachable')
  t.equal(mergeClusterViews(new Map()), undefined)
})

t.test('deadlines: each passes at its time, in one timer', async (t) => {
  const clock = new FakeClock()
  const passed: string[] = []
  const deadlines = new Deadlines<{ deadline_ms: number; name: string }>(clock, (expired) => {
    passed.push(...expired.map(({ name }) => name))
  })
  const item = (name: string, delay_ms: number) => ({
    name,
    deadline_ms: clock.now_ms() + delay_ms,
  })
  const removed = item('removed', 50)
  for (const one of [item('b', 200), item('a', 100), removed, item('c', 300)]) deadlines.add(one)
  deadlines.remove(removed)
  await clock.advance(150)
  t.same(passed, ['a'])
  await clock.advance(100)
  t.same(passed, ['a', 'b'])
  t.equal(deadlines.clear().length, 1)
  await clock.advance(500)
  t.same(passed, ['a', 'b'], 'nothing is watched any more')
})
