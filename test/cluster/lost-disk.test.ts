/** Whole data folders are deleted under load; what lies on the others is enough, or they say so. */

import t, { type Test } from 'tap'
import { Client, problemOf } from './client.ts'
import { forceBootstrap } from './force.ts'
import { startCluster, type TestCluster } from './harness.ts'
import { type Load, startLoad } from './load.ts'
import { allVoting, clusterDocument, contentHashes, statusOf } from './pictures.ts'
import { full, timeout_ms } from './rounds.ts'

const CLIENTS = 8
const WRITES = 10 * CLIENTS

t.setTimeout(timeout_ms)

type Way = 'killed first' | 'under the running replica'
type Who = 'leader' | 'follower'

const LOSSES: readonly (readonly [Who, Way])[] = full
  ? [
      ['leader', 'killed first'],
      ['follower', 'killed first'],
      ['leader', 'under the running replica'],
      ['follower', 'under the running replica'],
    ]
  : [
      ['leader', 'killed first'],
      ['follower', 'under the running replica'],
    ]

t.test('a data folder is deleted under load', async (t) => {
  t.setTimeout(timeout_ms)
  const cluster = await startCluster({ env: { ORDINAL_HAND_BACK_AFTER: '1s' } })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const load = startLoad({ url: cluster.url, clients: CLIENTS, pause_ms: 2, timeout: '2s' })
  t.teardown(() => load.stop())
  for (const [who, way] of LOSSES) {
    await t.test(`the ${who}'s, ${way}`, (t) => loseDisk(t, { cluster, load, who, way }))
  }
  await t.test('a second one before the first is replaced', (t) => loseTwo(t, cluster, load))
})

async function progress(cluster: TestCluster, load: Load): Promise<void> {
  const before = load.acknowledged
  await cluster.waitFor('writes go on', () => load.acknowledged > before + WRITES, 60_000)
}

async function incarnationOf(cluster: TestCluster, name: string): Promise<string | undefined> {
  const { replicas } = await clusterDocument(cluster)
  return replicas.find((replica) => replica.name === name)?.incarnation
}

async function loseDisk(
  t: Test,
  loss: { cluster: TestCluster; load: Load; who: Who; way: Way },
): Promise<void> {
  const { cluster, load, who, way } = loss
  await progress(cluster, load)
  const leader = await cluster.waitFor('somebody leads', () => cluster.leader())
  const name = who === 'leader' ? leader : leader === 'db-2' ? 'db-1' : 'db-2'
  const before = await incarnationOf(cluster, name)
  t.type(before, 'string')
  const since_ms = performance.now()
  if (way === 'killed first') {
    await cluster.crash(name)
    cluster.deleteData(name)
  } else {
    cluster.deleteData(name)
    await progress(cluster, load)
    await cluster.crash(name)
  }
  cluster.start(name)
  const status = await cluster.waitFor(
    `${name} votes as a new incarnation`,
    async () => {
      const status = await allVoting(cluster)
      return status.membership?.voters.includes(`${name.slice(3)}/${before}`) ? undefined : status
    },
    60_000,
  )
  const took_ms = Math.round(performance.now() - since_ms)
  const { voters = [], removed = [] } = status.membership ?? {}
  t.ok(removed.includes(`${name.slice(3)}/${before}`), 'the old incarnation may not come back')
  const now = await incarnationOf(cluster, name)
  t.ok(voters.includes(`${name.slice(3)}/${now}`), 'the new one votes')
  await progress(cluster, load)
  const gap_ms = load.gap_ms(since_ms)
  t.comment(`${name} replaced after ${took_ms} ms; longest write gap ${gap_ms} ms`)
}

/** Its two possible ends: the first was replaced in time, or nobody leads and it is said why. */
async function loseTwo(t: Test, cluster: TestCluster, load: Load): Promise<void> {
  await cluster.waitFor('db-0 leads', async () => (await cluster.leader()) === 'db-0', 90_000)
  await progress(cluster, load)
  await cluster.crash('db-2')
  cluster.deleteData('db-2')
  cluster.start('db-2')
  await cluster.waitFor('db-2 is let in', async () => {
    const { membership } = await statusOf(cluster, 'db-0')
    return (membership?.learners.length ?? 0) > 0
  })
  await cluster.crash('db-1')
  cluster.deleteData('db-1')
  cluster.start('db-1')
  const end = await cluster.waitFor(
    'it is known how it ends',
    async () => {
      const status = await statusOf(cluster, 'db-0')
      if (status.problem === 'quorum-lost') return 'without a leader'
      const { voters = [], learners = [] } = status.membership ?? {}
      const whole = voters.length === 3 && learners.length === 0 && status.missing.length === 0
      return whole && status.role === 'leader' && cluster.process('db-1').ready && 'replaced'
    },
    60_000,
  )
  await load.stop()
  t.comment(`the end: ${end}`)
  if (end === 'without a leader') await explained(t, cluster)
  await allVoting(cluster)
  t.strictSame(await load.check(), [], 'no acknowledged write is lost')
  t.equal((await contentHashes(cluster)).length, 1, 'all replicas hold the same')
  t.comment(`${load.acknowledged} writes acknowledged, ${load.unknown} unknown`)
  t.comment(`failures: ${JSON.stringify([...load.failures])}`)
}

async function explained(t: Test, cluster: TestCluster): Promise<void> {
  const { missing } = await statusOf(cluster, 'db-0')
  t.ok(missing.includes('db-1'), `its status names who is missing: ${missing}`)
  const client = new Client(cluster.url, 1)
  t.teardown(() => client.close())
  const answer = await client.request('PUT', '/v1/kv/more?timeout=1s', { body: 'x' })
  t.equal(answer.status, 503)
  t.match(problemOf(answer), { code: 'quorum-lost', outcome: 'not-applied' })
  t.ok(problemOf(answer).missing?.includes('db-1'), 'and so does a refused write')
  await forceBootstrap(cluster, 'db-0')
  await cluster.waitFor(
    'db-1, which is empty, joins by itself',
    async () => {
      const { membership } = await statusOf(cluster, await cluster.leader())
      return (membership?.voters.length ?? 0) > 1
    },
    60_000,
  )
  // Its new disk may hold data of the old cluster by now, which is not to be mixed with the new.
  await cluster.crash('db-2')
  cluster.deleteData('db-2')
  cluster.start('db-2')
}
