import t from 'tap'
import { STATUS_FRESH_MS_MAX } from '../../../src/shared/limits.ts'
import { until } from './fake-clock.ts'
import { type Started, start } from './start.ts'

const get = (started: Started, url: string, headers: Record<string, string> = {}) =>
  started.api.app.inject({ method: 'GET', url, headers })

async function withKey(started: Started, key = 'a'): Promise<void> {
  await started.api.app.inject({ method: 'PUT', url: `/v1/kv/${key}`, payload: 'value' })
}

t.test('reads: gathered into frames and spread over the replicas in turn', async (t) => {
  const started = await start(t)
  await withKey(started)
  for (const replica of started.cluster.replicas) replica.holdReads = true
  const answers = []
  for (let wave = 0; wave < 6; wave++) {
    answers.push(get(started, '/v1/kv/a'), get(started, '/v1/kv/a'))
    const sent = () => started.cluster.replicas.reduce((sum, { reads }) => sum + reads.length, 0)
    await until('the wave left', () => sent() === wave + 1)
  }
  t.same(
    started.cluster.replicas.map(({ reads }) => reads.map(({ items }) => items.length)),
    [
      [2, 2],
      [2, 2],
      [2, 2],
    ],
  )
  answers.push(...Array.from({ length: 30 }, () => get(started, '/v1/kv/a')))
  await started.clock.advance(1)
  t.equal(started.cluster.replica(0).reads.length, 2, 'all lanes are taken')
  for (const replica of started.cluster.replicas) replica.release()
  const all = await Promise.all(answers)
  t.ok(all.every(({ statusCode, body }) => statusCode === 200 && body === 'value'))
  const served = new Set(all.map(({ headers }) => headers['ordinal-served-by']))
  t.same([...served].sort(), ['api-0, db-0', 'api-0, db-1', 'api-0, db-2'])
})

t.test('reads: a lost replica’s reads go to another one', async (t) => {
  const started = await start(t)
  await withKey(started)
  for (const replica of started.cluster.replicas) replica.holdReads = true
  const answer = get(started, '/v1/kv/a')
  const holder = () => started.cluster.replicas.find(({ held }) => held.length > 0)
  await until('someone holds it', () => holder() !== undefined)
  const held = holder()
  for (const replica of started.cluster.replicas) if (replica !== held) replica.release()
  held?.die()
  t.equal((await answer).statusCode, 200)
  t.not((await answer).headers['ordinal-served-by'], `api-0, ${held?.name}`)
})

t.test('reads: a silent replica’s reads go to another one, before their deadline', async (t) => {
  const started = await start(t)
  await withKey(started)
  for (const replica of started.cluster.replicas) replica.silent = true
  const answer = get(started, '/v1/kv/a')
  const holder = () => started.cluster.replicas.find(({ held }) => held.length > 0)
  await until('someone holds it', () => holder() !== undefined)
  for (const replica of started.cluster.replicas) if (replica !== holder()) replica.silent = false
  await started.clock.advance(STATUS_FRESH_MS_MAX + 200)
  t.equal((await answer).statusCode, 200)
})

t.test('reads: no leader → 503 within the deadline, stale ones go on', async (t) => {
  const started = await start(t)
  await withKey(started)
  started.cluster.lead(-1)
  for (const replica of started.cluster.replicas) {
    replica.problem = 'quorum-lost'
    replica.missing = ['db-9']
    replica.advice = 'scale up again'
    replica.age_ms = 7000
  }
  await started.clock.advance(300)
  const linearizable = get(started, '/v1/kv/a?timeout=2s')
  const stale = await get(started, '/v1/kv/a?consistency=stale')
  t.equal(stale.statusCode, 200)
  t.equal(stale.headers['ordinal-age-ms'], '7000')
  await started.clock.advance(2000)
  t.equal((await linearizable).statusCode, 503)
  t.match((await linearizable).json(), { code: 'quorum-lost', missing: ['db-9'], retry: true })
  t.match((await linearizable).json().detail, /db-9; scale up again$/, 'said once')
  t.notOk('outcome' in (await linearizable).json(), 'a read has no outcome')
})

t.test('reads: maxStale asks a fresher replica, and refuses when there is none', async (t) => {
  const started = await start(t)
  await withKey(started)
  started.cluster.replica(0).age_ms = 9000
  started.cluster.replica(1).age_ms = 9000
  const url = '/v1/kv/a?consistency=stale&maxStale=5s'
  for (let round = 0; round < 3; round++) {
    const answer = await get(started, url)
    t.equal(answer.statusCode, 200)
    t.equal(answer.headers['ordinal-served-by'], 'api-0, db-2')
  }
  started.cluster.replica(2).age_ms = 9000
  const refused = await get(started, url)
  t.equal(refused.statusCode, 503)
  t.match(refused.json(), { code: 'too-stale' })
})

t.test('reads: minRevision waits in a frame of its own, and others are not held up', async (t) => {
  const started = await start(t)
  await withKey(started)
  const future = started.cluster.revision + 1
  const waiting = get(started, `/v1/kv/a?minRevision=${future}&timeout=3s`)
  t.equal((await get(started, '/v1/kv/a')).statusCode, 200)
  await withKey(started, 'b')
  await started.clock.advance(100)
  t.equal((await waiting).statusCode, 200)
  const never = get(started, `/v1/kv/a?minRevision=999999&timeout=1s`)
  await started.clock.advance(1000)
  t.match((await never).json(), { code: 'revision-not-reached', status: 503 })
})

t.test('reads: a revision that is not there in time is named as the reason', async (t) => {
  const started = await start(t)
  await withKey(started)
  const now = started.cluster.revision
  for (const replica of started.cluster.replicas) replica.holdReads = true
  const never = get(started, `/v1/kv/a?minRevision=${now + 9}&timeout=1s`)
  const stale = get(started, `/v1/kv/a?minRevision=${now + 9}&timeout=1s&consistency=stale`)
  const there = get(started, `/v1/kv/a?minRevision=${now}&timeout=1s`)
  await started.clock.advance(1000)
  const detail = `revision ${now + 9} is not there yet (now ${now})`
  t.match((await never).json(), { code: 'revision-not-reached', status: 503, detail })
  t.match((await stale).json(), { code: 'revision-not-reached', detail })
  t.match((await there).json(), { code: 'deadline-exceeded' })
})

t.test('reads: an answer counts only when the history that it is of is known', async (t) => {
  const started = await start(t)
  await withKey(started)
  started.cluster.history = ''
  started.cluster.tell()
  for (const replica of started.cluster.replicas) replica.holdReads = true
  const answer = get(started, '/v1/kv/a')
  const holder = () => started.cluster.replicas.find(({ held }) => held.length > 0)
  await until('someone holds it', () => holder() !== undefined)
  for (const replica of started.cluster.replicas) replica.release()
  await started.clock.advance(1)
  started.cluster.history = 'h1'
  started.cluster.tell()
  await started.clock.advance(1)
  t.match(await answer, { statusCode: 200, headers: { etag: '"h1-2"' } })
})

t.test('reads: a refusal is retried elsewhere', async (t) => {
  const started = await start(t)
  await withKey(started)
  started.cluster.replica(0).refuseReads = 'no-leader'
  started.cluster.replica(1).refuseReads = 'shutting-down'
  for (let round = 0; round < 4; round++) {
    const answer = get(started, '/v1/kv/a')
    await started.clock.advance(50)
    t.equal((await answer).headers['ordinal-served-by'], 'api-0, db-2')
  }
})

t.test('list: pages in byte order, with tokens that carry the history', async (t) => {
  const started = await start(t)
  for (const key of ['a/1', 'a/2', 'a/3', 'b', 'a/%C3%A9', 'A']) await withKey(started, key)
  const seen: string[] = []
  let next: string | undefined
  do {
    const after: string = next === undefined ? '' : `&after=${encodeURIComponent(next)}`
    const page = await get(started, `/v1/kv?prefix=a%2F&limit=2${after}`)
    t.equal(page.statusCode, 200)
    const document = page.json()
    seen.push(...document.keys.map(({ key }: { key: string }) => key))
    next = document.next
  } while (next !== undefined)
  t.same(seen, ['a/1', 'a/2', 'a/3', 'a/é'])
  const first = (await get(started, '/v1/kv?limit=1')).json()
  t.equal(first.keys[0].key, 'A')
  t.equal(first.keys[0].size_bytes, 5)
  started.cluster.history = 'h2'
  started.cluster.lead(0)
  await started.clock.advance(0)
  const other = await get(started, `/v1/kv?limit=1&after=${first.next}`)
  t.match(other.json(), { status: 400, code: 'bad-request' })
  t.equal((await get(started, '/v1/kv?after=b&limit=5')).json().keys.length, 0, 'a plain key')
  t.equal((await get(started, '/v1/kv?limit=0')).statusCode, 400)
  t.equal((await get(started, '/v1/kv?limit=1001')).statusCode, 400)
})

t.test('list: no leader → 503 within the deadline; stale lists go on', async (t) => {
  const started = await start(t)
  started.cluster.lead(-1)
  await started.clock.advance(300)
  const answer = get(started, '/v1/kv?timeout=1s')
  t.equal((await get(started, '/v1/kv?consistency=stale')).statusCode, 200)
  await started.clock.advance(1100)
  t.match((await answer).json(), { code: 'no-leader', status: 503 })
})

t.test('cluster: each row from its own replica, unreachable ones said to be so', async (t) => {
  const started = await start(t)
  const whole = (await get(started, '/v1/cluster')).json()
  t.match(whole, { history: 'h1', leader: { name: 'db-0', ordinal: 0, why: 'lowest ordinal' } })
  t.same(
    whole.replicas.map(({ role }: { role: string }) => role),
    ['leader', 'follower', 'follower'],
  )
  started.cluster.replica(2).silent = true
  started.cluster.replica(1).die()
  await started.clock.advance(10)
  const asked = get(started, '/v1/cluster')
  await started.clock.advance(1100)
  t.same(
    (await asked).json().replicas.map(({ role }: { role: string }) => role),
    ['leader', 'unreachable', 'unreachable'],
  )
  started.cluster.replica(0).die()
  started.cluster.replica(2).die()
  await started.clock.advance(10)
  t.match((await get(started, '/v1/cluster')).json(), { code: 'no-replica', status: 503 })
})
