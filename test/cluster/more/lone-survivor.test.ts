/**
 * All disks but one are lost. Nobody may start an empty cluster in the place of the old one, the
 * survivor's values stay readable as stale ones, and a person brings them back by one command.
 */

import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Client, problemOf } from '../client.ts'
import { forceBootstrap } from '../force.ts'
import { startCluster, type TestCluster } from '../harness.ts'
import { allVoting, clusterDocument, contentHashes, metricSum, statusOf } from '../pictures.ts'
import { full, timeout_ms } from '../rounds.ts'

const NAMES = ['db-0', 'db-1', 'db-2']
const LATE_MS = full ? 30_000 : 4000

/** The short form keeps the highest: the first ordinal, which forms clusters, is empty then. */
const SURVIVORS: readonly { readonly survivor: string; readonly late_ms: number }[] = full
  ? [
      { survivor: 'db-0', late_ms: 0 },
      { survivor: 'db-1', late_ms: 0 },
      { survivor: 'db-2', late_ms: LATE_MS },
    ]
  : [{ survivor: 'db-2', late_ms: LATE_MS }]

t.setTimeout(timeout_ms)

t.test('all disks but one are lost', async (t) => {
  t.setTimeout(timeout_ms)
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const client = new Client(cluster.url, 4)
  t.teardown(() => client.close())
  for (const { survivor, late_ms } of SURVIVORS) {
    const when = late_ms === 0 ? '' : `, which starts ${late_ms / 1000} s later`
    await t.test(`but that of ${survivor}${when}`, (t) =>
      survive(t, { cluster, client, survivor, late_ms }),
    )
  }
})

type Loss = {
  readonly cluster: TestCluster
  readonly client: Client
  readonly survivor: string
  readonly late_ms: number
}

async function survive(t: Test, loss: Loss): Promise<void> {
  const { cluster, client, survivor, late_ms } = loss
  const lost = NAMES.filter((name) => name !== survivor)
  const before = await clusterDocument(cluster)
  const key = `/v1/kv/kept-by-${survivor}`
  const written = await client.request('PUT', key, { body: survivor })
  t.equal(written.status, 201)
  await contentHashes(cluster)
  await cluster.waitFor('the value is on all disks, not in the logs alone', async () => {
    return (await metricSum(cluster, 'ordinal_applied_unsynced_bytes')) === 0 || undefined
  })
  const last = `/v1/kv/last-before-${survivor}`
  t.equal((await client.request('PUT', last, { body: 'last' })).status, 201)
  await contentHashes(cluster)
  await Promise.all(NAMES.map((name) => cluster.crash(name)))
  for (const name of lost) cluster.deleteData(name)
  for (const name of lost) cluster.start(name)
  if (late_ms > 0) await withoutSurvivor(t, { ...loss, key, lost })
  cluster.start(survivor)

  const stale = await cluster.waitFor('the old value is readable', async () => {
    const answer = await client.request('GET', `${key}?consistency=stale`)
    if (answer.status === 404) t.fail(`${answer.headers['ordinal-served-by']} says there is none`)
    return answer.status === 200 ? answer : undefined
  })
  t.equal(stale.text, survivor, 'an old value is there as a stale read')
  t.equal(stale.headers['etag'], written.headers['etag'])
  await cluster.waitFor('all are there', async () => {
    const { missing, cluster: seen } = await statusOf(cluster, survivor)
    return missing.length === 2 && seen.replicas.length >= 3
  })
  const refused = await cluster.waitFor('the refusal names the missing', async () => {
    const answer = await client.request('PUT', `${key}?timeout=1s`, { body: 'x' })
    t.equal(answer.status, 503, 'a write is refused')
    return problemOf(answer).code === 'quorum-lost' ? problemOf(answer) : undefined
  })
  t.match(refused, { outcome: 'not-applied', missing: lost })
  const read = await client.request('GET', `${key}?timeout=1s`)
  t.equal(read.status, 503, 'a linearizable read is refused')
  t.match(problemOf(read), { code: 'quorum-lost', missing: lost })
  await noNewCluster(t, cluster, { names: NAMES, clusterId: before.clusterId })

  const said = await forceBootstrap(cluster, survivor)
  await allVoting(cluster)
  const back = await client.request('GET', key)
  t.equal(back.text, survivor, 'the value is back')
  t.equal((await client.request('GET', last)).text, 'last', 'and so is the last one')
  const after = await clusterDocument(cluster)
  t.ok(said.includes(after.clusterId) && said.includes(after.history), 'the command named them')
  t.not(after.clusterId, before.clusterId, 'in a new cluster')
  t.not(after.history, before.history, 'under a new history')
  t.equal(
    back.headers['etag'],
    String(written.headers['etag']).replace(before.history, after.history),
  )
  const condition = { 'if-match': String(written.headers['etag']) }
  const old = await client.put(key, 'x', condition)
  t.equal(old.type, 'condition-failed', 'an ETag of the old history matches nothing')
  const next = await client.put(key, 'next', { 'if-match': String(back.headers['etag']) })
  t.equal(next.type, 'done')
  t.equal((await contentHashes(cluster)).length, 1, 'all three replicate again')
  await cluster.ready()
}

/** Two empty replicas cannot know whether the third holds the data: they wait. */
async function withoutSurvivor(
  t: Test,
  loss: Loss & { readonly key: string; readonly lost: readonly string[] },
): Promise<void> {
  const { cluster, client, key, lost, survivor, late_ms } = loss
  const until_ms = performance.now() + late_ms
  await cluster.waitFor('the empty ones are up', () =>
    Promise.all(lost.map((name) => statusOf(cluster, name))),
  )
  const refused = await cluster.waitFor('a refusal names the missing', async () => {
    const answer = await client.request('PUT', `${key}?timeout=1s`, { body: 'x' })
    t.equal(answer.status, 503, 'a write is refused')
    const problem = problemOf(answer)
    return problem.missing?.includes(survivor) === true && problem
  })
  t.match(refused, { outcome: 'not-applied', missing: [survivor] }, 'and names who is missing')
  do {
    const answer = await client.request('GET', `${key}?consistency=stale&timeout=500ms`)
    t.equal(answer.status, 503, `nobody makes up an answer (${problemOf(answer).code})`)
    await noNewCluster(t, cluster, { names: lost, clusterId: '' })
    await delay(100)
  } while (performance.now() < until_ms)
}

async function noNewCluster(
  t: Test,
  cluster: TestCluster,
  expected: { names: readonly string[]; clusterId: string },
): Promise<void> {
  for (const name of expected.names) {
    const { cluster: seen, role } = await statusOf(cluster, name)
    const known = seen.clusterId === '' || seen.clusterId === expected.clusterId
    if (!known || role === 'leader') t.fail(`${name} is in cluster ${seen.clusterId} as ${role}`)
  }
  t.pass('no new cluster')
}
