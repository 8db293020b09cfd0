/**
 * All processes killed with -9 at once, under load, and started again: no acknowledged write is
 * missing.
 */

import t from 'tap'
import { startCluster } from './harness.ts'
import { startLoad } from './load.ts'
import { allVoting, contentHashes } from './pictures.ts'
import { rounds, timeout_ms } from './rounds.ts'

const CLIENTS = 32

t.setTimeout(timeout_ms)

t.test('everything is killed at once under load, again and again', async (t) => {
  t.setTimeout(timeout_ms)
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const load = startLoad({ url: cluster.url, clients: CLIENTS })
  t.teardown(() => load.stop())
  const back_ms: number[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const before = load.acknowledged
    await cluster.waitFor('the load runs', () => load.acknowledged > before + 20 * CLIENTS)
    const killed_ms = performance.now()
    for (const { name } of cluster.local.view().processes) cluster.kill(name)
    const then = load.acknowledged
    await cluster.waitFor('writes go on', () => load.acknowledged > then + CLIENTS, 60_000)
    back_ms.push(load.gap_ms(killed_ms))
    await cluster.ready()
  }
  await load.stop()
  await allVoting(cluster)
  t.strictSame(await load.check(), [], 'nothing acknowledged is missing')
  t.equal((await contentHashes(cluster)).length, 1, 'all replicas hold the same')
  t.comment(`${rounds} kills of all; without a write for ${back_ms.join(', ')} ms`)
  t.comment(`${load.acknowledged} writes acknowledged, ${load.unknown} unknown`)
  t.comment(`failures: ${JSON.stringify([...load.failures])}`)
})
