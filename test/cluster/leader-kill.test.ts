/**
 * `kill -9` of the leader under load, again and again: nothing takes effect twice, nothing that was
 * acknowledged is missing, and in the end the lowest ordinal leads.
 */

import t from 'tap'
import { startCluster } from './harness.ts'
import { startLoad } from './load.ts'
import { allVoting, clusterDocument, contentHashes, metricSum } from './pictures.ts'
import { full, rounds, timeout_ms } from './rounds.ts'

const CLIENTS = 32
/** Hand-backs that do not last are tried ever more rarely: at most S · 2⁶. */
const HAND_BACK_MS_MAX = 90_000

t.setTimeout(timeout_ms)

t.test('a leader is killed under load, again and again', async (t) => {
  t.setTimeout(timeout_ms)
  const cluster = await startCluster({ env: { ORDINAL_HAND_BACK_AFTER: '1s' } })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const load = startLoad({ url: cluster.url, clients: CLIENTS })
  t.teardown(() => load.stop())
  const gaps_ms: number[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const before = load.acknowledged
    await cluster.waitFor('the load runs', () => load.acknowledged > before + 20 * CLIENTS)
    const leader = await cluster.waitFor('somebody leads', () => cluster.leader())
    const pid = cluster.pid(leader)
    const killed_ms = performance.now()
    cluster.kill(leader)
    const then = load.acknowledged
    await cluster.waitFor('another leads', async () => {
      const next = await cluster.leader()
      return next !== leader || cluster.process(leader).pid !== pid
    })
    await cluster.waitFor('writes go on', () => load.acknowledged > then + 20 * CLIENTS)
    gaps_ms.push(load.gap_ms(killed_ms))
    await cluster.waitFor(`${leader} is back`, () => cluster.process(leader).ready, 60_000)
    await allVoting(cluster)
  }
  await cluster.waitFor(
    'db-0 leads again',
    async () => (await cluster.leader()) === 'db-0',
    HAND_BACK_MS_MAX,
  )
  await load.stop()
  t.strictSame(await load.check(), [], 'nothing is lost, nothing took effect twice')
  t.match((await clusterDocument(cluster)).leader, { name: 'db-0', why: 'lowest ordinal' })
  t.equal((await contentHashes(cluster)).length, 1, 'all replicas hold the same')
  const repeated = await metricSum(cluster, 'ordinal_api_repeated_results_total')
  const retried = await metricSum(cluster, 'ordinal_api_retries_total')
  if (full) t.ok(repeated > 0, 'retries met a stored result')
  t.comment(`${rounds} kills; write gaps ${gaps_ms.join(', ')} ms`)
  t.comment(`${load.acknowledged} writes acknowledged, ${load.unknown} unknown`)
  t.comment(`${retried} sent again, ${repeated} of them met a stored result`)
  t.comment(`failures: ${JSON.stringify([...load.failures])}`)
})
