/**
 * A rolling restart of all replicas and of all API servers by SIGTERM, under load, as a StatefulSet
 * and a Deployment do it: no request fails, and the lead changes exactly twice.
 */

import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startCluster, type TestCluster } from './harness.ts'
import { type Load, startLoad } from './load.ts'
import { allVoting, contentHashes, statusOf } from './pictures.ts'
import { full, rounds, timeout_ms } from './rounds.ts'

const CLIENTS = 16
const GRACE_MS = 20_000
/** A shortened form of what a Deployment's Pod waits for endpoint lists to follow. */
const SHUTDOWN_DELAY = '1s'
const TIMES = Math.max(1, Math.floor(rounds / 3))

t.setTimeout(timeout_ms)

for (const balancer of full ? (['auto', 'proxy'] as const) : (['auto'] as const)) {
  t.test(`rolling restarts under load, balancer ${balancer}`, async (t) => {
    t.setTimeout(timeout_ms)
    const cluster = await startCluster({
      balancer,
      env: { ORDINAL_HAND_BACK_AFTER: '1s', ORDINAL_SHUTDOWN_DELAY: SHUTDOWN_DELAY },
    })
    t.teardown(() => cluster.stop())
    await cluster.ready()
    const load = startLoad({ url: cluster.url, clients: CLIENTS, pause_ms: 1 })
    t.teardown(() => load.stop())
    for (let time = 1; time <= TIMES; time += 1) {
      await rollReplicas(t, cluster, load)
      await rollApi(t, cluster, load)
    }
    await load.stop()
    t.strictSame([...load.failures], [], 'no request failed')
    t.strictSame(await load.check(), [], 'nothing is lost, nothing took effect twice')
    t.equal((await contentHashes(cluster)).length, 1, 'all replicas hold the same')
    t.comment(`${load.acknowledged} writes acknowledged`)
  })
}

async function progress(cluster: TestCluster, load: Load): Promise<void> {
  const before = load.acknowledged
  await cluster.waitFor('writes go on', () => load.acknowledged > before + 10 * CLIENTS)
}

/** One after another, the highest first, each only when the one before is ready again. */
async function rollReplicas(t: Test, cluster: TestCluster, load: Load): Promise<void> {
  await cluster.waitFor('db-0 leads', async () => (await cluster.leader()) === 'db-0', 90_000)
  await allVoting(cluster)
  const before = await statusOf(cluster, 'db-0')
  const gaps: string[] = []
  for (const name of ['db-2', 'db-1', 'db-0']) {
    await progress(cluster, load)
    const since_ms = performance.now()
    const stopped = cluster.local.child(name).restart(GRACE_MS)
    await stopped
    await cluster.waitFor(`${name} is ready again`, () => cluster.process(name).ready)
    await allVoting(cluster)
    await progress(cluster, load)
    gaps.push(`${name} ${load.gap_ms(since_ms)} ms`)
    t.match(cluster.process(name).lastExit, 'exited with code 0', `${name} ended by itself`)
  }
  const since_ms = performance.now()
  await cluster.waitFor('db-0 leads', async () => (await cluster.leader()) === 'db-0', 90_000)
  await progress(cluster, load)
  const after = await statusOf(cluster, 'db-0')
  t.equal(after.term - before.term, 2, 'the lead went away and came back, and nothing else')
  t.comment(`write gaps: ${gaps.join(', ')}, hand-back ${load.gap_ms(since_ms)} ms`)
}

async function rollApi(t: Test, cluster: TestCluster, load: Load): Promise<void> {
  const gaps: string[] = []
  for (const name of ['api-0', 'api-1']) {
    await progress(cluster, load)
    const since_ms = performance.now()
    await cluster.local.child(name).restart(GRACE_MS)
    await cluster.waitFor(`${name} is ready again`, () => cluster.process(name).ready)
    // The balanced port opens at it a moment later; both serve before the next one goes.
    await delay(200)
    await progress(cluster, load)
    gaps.push(`${name} ${load.gap_ms(since_ms)} ms`)
    t.match(cluster.process(name).lastExit, 'exited with code 0', `${name} ended by itself`)
  }
  t.comment(`write gaps: ${gaps.join(', ')}`)
}
