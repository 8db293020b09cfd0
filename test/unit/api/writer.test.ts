/** Writes through an API server: how they are batched, and what happens when a leader fails. */

import t from 'tap'
import { ENTRY_BYTES_MAX } from '../../../src/shared/limits.ts'
import { until } from './fake-clock.ts'
import { put, sizes, start } from './start.ts'

t.test('batching: what arrives while frames are on their way goes with the next one', async (t) => {
  const started = await start(t)
  const leader = started.cluster.replica(0)
  leader.holdWrites = true
  const first = put(started, 'a')
  await until('one frame', () => sizes(started, 0).length === 1)
  const second = put(started, 'b')
  await until('two frames', () => sizes(started, 0).length === 2)
  const rest = Array.from({ length: 40 }, (_, index) => put(started, `k${index}`))
  await started.clock.advance(10)
  t.same(sizes(started, 0), [1, 1], 'no third frame while two are on their way')
  leader.release()
  const answers = await Promise.all([first, second, ...rest])
  t.ok(answers.every(({ statusCode }) => statusCode === 201))
  t.same(sizes(started, 0), [1, 1, 40], 'the 40 that waited went together')
  t.equal(await started.figure('ordinal_api_batch_size_count{kind="write"}'), 3)
})

t.test('batching: requests that arrive together leave together', async (t) => {
  const started = await start(t)
  await Promise.all(Array.from({ length: 8 }, (_, index) => put(started, `k${index}`)))
  t.same(sizes(started, 0), [8])
})

t.test(
  'batching: a frame stops at the size of an entry, a larger command goes alone',
  async (t) => {
    const started = await start(t)
    started.cluster.replica(0).holdWrites = true
    const value = Buffer.alloc(ENTRY_BYTES_MAX / 2 - 1000)
    const whole = Buffer.alloc(1024 * 1024)
    const send = (key: string, payload: Buffer) =>
      started.api.app.inject({ method: 'PUT', url: `/v1/kv/${key}`, payload })
    const all = [put(started, 'x'), put(started, 'y')]
    await until('lanes are taken', () => started.cluster.replica(0).held.length > 0)
    all.push(
      send('1', value),
      send('2', value),
      send('3', value),
      send('4', whole),
      put(started, 'z'),
    )
    await started.clock.advance(1)
    started.cluster.replica(0).release()
    const answers = await Promise.all(all)
    t.ok(answers.every(({ statusCode }) => statusCode === 201))
    t.ok(sizes(started, 0).includes(2), 'two halves fit')
    const alone = started.cluster
      .replica(0)
      .segments.find(({ commands }) =>
        commands.some(
          ({ command }) => command.type === 'put' && command.value.length === whole.length,
        ),
      )
    t.equal(alone?.commands.length, 1)
  },
)

t.test('failover: a retry meets the stored result and takes effect once', async (t) => {
  const started = await start(t)
  const { cluster } = started
  cluster.replica(0).muteWrites = true
  const answers = ['a', 'b', 'c'].map((key) => put(started, key, { 'if-none-match': '*' }))
  await until('executed', () => cluster.executed === 3)
  cluster.replica(0).die()
  cluster.lead(1)
  for (const answer of await Promise.all(answers)) {
    t.equal(answer.statusCode, 201, 'not 412: the first execution counts')
    t.equal(answer.headers['ordinal-served-by'], 'api-0, db-1')
  }
  t.equal(cluster.executed, 3)
  t.equal(cluster.repeated, 3)
  t.equal(await started.figure('ordinal_api_repeated_results_total'), 3)
  const sent = cluster
    .replica(0)
    .segments.at(-1)
    ?.commands.map(({ sequence }) => sequence)
  const again = cluster.replica(1).segments.flatMap(({ commands }) => commands)
  t.same(
    again.map(({ sequence }) => sequence),
    sent,
    'the same sequences',
  )
})

t.test('failover: a paused leader is left for the new one while its link stays open', async (t) => {
  const started = await start(t)
  const { cluster } = started
  cluster.replica(0).silent = true
  const answer = put(started, 'a')
  await until('the old leader holds it', () => cluster.replica(0).held.length === 1)
  cluster.lead(1)
  t.equal((await answer).headers['ordinal-served-by'], 'api-0, db-1')
  const before = cluster.executed
  cluster.replica(0).silent = false
  cluster.replica(0).release()
  await started.clock.advance(300)
  t.equal(cluster.executed, before, 'its late copy was refused')
})

t.test(
  'failover: a refusal by a leader that stepped down is retried, unknown or not',
  async (t) => {
    for (const outcome of ['not-applied', 'unknown'] as const) {
      const started = await start(t)
      const { cluster } = started
      cluster.replica(0).refuseWrites = { code: 'not-leader', outcome }
      const answer = put(started, 'a', { 'if-none-match': '*' })
      await until('refused', () => sizes(started, 0).length > 0)
      cluster.replica(0).refuseWrites = undefined
      cluster.lead(2)
      t.equal((await answer).statusCode, 201, outcome)
      t.equal(cluster.executed, 1, 'executed once')
    }
  },
)

t.test('failover: a leader that refuses is not asked in a loop', async (t) => {
  const started = await start(t)
  started.cluster.replica(0).refuseWrites = { code: 'no-leader', outcome: 'not-applied' }
  const answer = put(started, 'a', {}, '?timeout=1s')
  await started.clock.advance(1100)
  t.equal((await answer).statusCode, 503)
  t.equal((await answer).json().outcome, 'not-applied')
  const asked = sizes(started, 0).length
  t.ok(asked > 5 && asked <= 51, `asked ${asked} times in a second`)
})

t.test('failover: an abandoned frame that may have been executed leaves its doubt', async (t) => {
  for (const outcome of ['unknown', 'not-applied'] as const) {
    const started = await start(t)
    const { cluster } = started
    const [old, next] = [cluster.replica(0), cluster.replica(1)]
    old.silent = true
    next.holdWrites = true
    const answer = put(started, 'a', {}, '?timeout=1s')
    await until('the old leader holds it', () => old.held.length === 1)
    cluster.lead(1)
    await until('so does the new one', () => next.held.length === 1)
    old.refuseWrites = { code: 'not-leader', outcome }
    old.silent = false
    old.release()
    await started.clock.advance(10)
    next.refuseWrites = { code: 'disk-full', outcome: 'not-applied' }
    next.release()
    await started.clock.advance(1000)
    const code = outcome === 'unknown' ? 'outcome-unknown' : 'disk-full'
    t.match((await answer).json(), { code, outcome })
    t.equal(cluster.executed, outcome === 'unknown' ? 1 : 0)
  }
})

t.test('close: answers under way are waited for, then what was sent is unknown', async (t) => {
  const started = await start(t)
  const leader = started.cluster.replica(0)
  leader.holdWrites = true
  const sent = put(started, 'a')
  await until('sent', () => sizes(started, 0).length === 1)
  const closed = started.api.close()
  await started.clock.advance(2000)
  leader.release()
  await started.clock.advance(100)
  t.equal((await sent).statusCode, 201, 'what can be answered is')
  await closed

  const other = await start(t)
  other.cluster.replica(0).holdWrites = true
  const doubtful = put(other, 'a', {}, '?timeout=60s')
  await until('sent', () => sizes(other, 0).length === 1)
  other.cluster.lead(-1)
  await other.clock.advance(1)
  const gone = other.api.close()
  await other.clock.advance(11_000)
  await gone
  t.match((await doubtful).json(), { code: 'outcome-unknown', outcome: 'unknown' })
})
