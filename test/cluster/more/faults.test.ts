/**
 * Each fault of a replica pressed once on a cluster that works: it shows, it has its effect, it
 * ends by itself, and nothing that was acknowledged is lost, except to a liar.
 */

import t, { type Test } from 'tap'
import { Client } from '../client.ts'
import { getJson, startCluster, type TestCluster } from '../harness.ts'
import { type Load, startLoad } from '../load.ts'
import { allVoting, contentHashes, type ReplicaStatus, statusOf } from '../pictures.ts'
import { timeout_ms } from '../rounds.ts'

t.setTimeout(timeout_ms)

type FaultyStatus = ReplicaStatus & { readonly faults: Readonly<Record<string, unknown>> }

const NAMES = ['db-0', 'db-1', 'db-2']

/** As a person does it with curl. Fails unless it is taken. */
async function press(cluster: TestCluster, name: string, fault: string): Promise<void> {
  const url = `${cluster.control}/processes/${name}/faults/${fault}`
  const answer = await fetch(url, { method: 'POST' })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${text}`)
}

async function activeOn(cluster: TestCluster, name: string): Promise<string[]> {
  return Object.keys(((await statusOf(cluster, name)) as FaultyStatus).faults)
}

/** Waits until no replica has a fault. */
async function over(cluster: TestCluster): Promise<void> {
  await cluster.waitFor('the fault ends by itself', async () => {
    const active = await Promise.all(NAMES.map((name) => activeOn(cluster, name)))
    return active.flat().length === 0
  })
}

/** Presses a fault that lasts and sees that it shows: status, metrics, notes, log. */
async function pressAndSee(t: Test, cluster: TestCluster, name: string, fault: string) {
  await press(cluster, name, fault)
  const [type = ''] = fault.split('?')
  t.strictSame(await activeOn(cluster, name), [type], `${type} is in the status`)
  const { notes } = await statusOf(cluster, name)
  t.match(notes, [new RegExp(`^fault ${type} .*until `)], 'and in the notes')
  const metrics = await (await fetch(`${cluster.replicaUrls(name).metrics}/metrics`)).text()
  t.ok(metrics.includes(`ordinal_fault_active{fault="${type}"} 1`), 'and in the metrics')
  t.match(cluster.logTail(name, 30), `"fault":"${type}"`, 'and in the log')
}

async function writesGoOn(cluster: TestCluster, load: Load, writes = 40): Promise<void> {
  const before = load.acknowledged
  await cluster.waitFor('writes go on', () => load.acknowledged > before + writes)
}

/** The leader, once all vote and nobody is about to change that. */
async function settled(cluster: TestCluster): Promise<string> {
  return (await allVoting(cluster)).name
}

t.test('each fault on a cluster under load', async (t) => {
  t.setTimeout(timeout_ms)
  // Nobody takes the lead back meanwhile: what moves it is the fault.
  const cluster = await startCluster({ env: { ORDINAL_HAND_BACK_AFTER: '10m' } })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const load = startLoad({ url: cluster.url, clients: 4, pause_ms: 5, timeout: '5s' })
  t.teardown(() => load.stop())
  await writesGoOn(cluster, load)
  const since_ms = performance.now()

  for (const fault of ['isolate?for=3s', 'slow-disk?for=4s&by=2s']) {
    await t.test(`${fault}: another one leads`, async (t) => {
      const leader = await settled(cluster)
      await pressAndSee(t, cluster, leader, fault)
      await cluster.waitFor('another leads', async () => (await cluster.leader()) !== leader)
      await writesGoOn(cluster, load)
      await over(cluster)
    })
  }

  await t.test('pause: another one leads, and the paused one follows it afterwards', async (t) => {
    const leader = await settled(cluster)
    await press(cluster, leader, 'pause?for=2s')
    await cluster.waitFor('another leads', async () => (await cluster.leader()) !== leader)
    await cluster.waitFor('it answers again', async () => {
      return (await statusOf(cluster, leader)).role === 'follower'
    })
    t.strictSame(await activeOn(cluster, leader), [])
  })

  await t.test('slow-network and clock-jump: the lead stays, writes go on', async (t) => {
    const leader = await settled(cluster)
    await pressAndSee(t, cluster, leader, 'slow-network?for=1500ms&by=50ms&jitter=20ms')
    await writesGoOn(cluster, load, 10)
    await over(cluster)
    await pressAndSee(t, cluster, leader, 'clock-jump?for=1s&by=-2h')
    await writesGoOn(cluster, load)
    await over(cluster)
    t.equal(await cluster.leader(), leader)
  })

  await t.test('full-disk on a quorum: no puts, until it is over', async (t) => {
    const leader = await settled(cluster)
    const client = new Client(cluster.url, 1)
    t.teardown(() => client.close())
    for (const name of NAMES) {
      if (name !== leader) await pressAndSee(t, cluster, name, 'full-disk?for=3s')
    }
    const status = async () => (await client.request('PUT', '/v1/kv/full', { body: 'x' })).status
    await cluster.waitFor('puts are refused', async () => (await status()) === 507)
    await cluster.waitFor('puts are taken again', async () => (await status()) < 300)
    await over(cluster)
  })

  await t.test(
    'full-disk at a write, kill, lost-disk: the process ends and comes back',
    async (t) => {
      for (const [fault, exit] of [
        ['full-disk?at=write', 'exited with code 1'],
        ['kill', 'was killed by SIGKILL'],
        ['lost-disk', 'was killed by SIGKILL'],
      ] as const) {
        const leader = await settled(cluster)
        const { restarts } = cluster.process(leader)
        const before = (await statusOf(cluster, leader)).membership?.voters
        await press(cluster, leader, fault)
        await cluster.waitFor('it was started again', () => {
          const { restarts: now, ready } = cluster.process(leader)
          return now > restarts && ready
        })
        t.equal(cluster.process(leader).lastExit, exit, fault)
        await allVoting(cluster)
        const after = (await statusOf(cluster, await cluster.leader())).membership?.voters
        t.equal(
          String(before) === String(after),
          fault !== 'lost-disk',
          'a new disk is a new member',
        )
      }
    },
  )

  await load.stop()
  t.strictSame(await load.check(), [], 'no acknowledged write is lost')
  t.equal((await contentHashes(cluster)).length, 1, 'all replicas hold the same')
  t.comment(`${load.acknowledged} writes, gap at most ${load.gap_ms(since_ms)} ms`)
  await t.test('lie', (t) => lie(t, cluster))
})

/** Through the API tier and at the leader itself. */
async function lie(t: Test, cluster: TestCluster): Promise<void> {
  const leader = await settled(cluster)
  for (const [number, url] of [cluster.url, cluster.replicaUrls(leader).client].entries()) {
    const client = new Client(url, 1)
    t.teardown(() => client.close())
    const path = `/v1/kv/lie-${number}`
    const read = async () => (await client.request('GET', path)).text
    t.match(await client.put(path, 'first'), { type: 'done', status: 201 })
    await pressAndSee(t, cluster, leader, 'lie?for=10m&about=writes')
    t.match(await client.put(path, 'second'), { type: 'done', status: 200 })
    t.equal(await read(), 'first', 'an acknowledged write is lost')
    await pressAndSee(t, cluster, leader, 'lie?for=1500ms&about=reads')
    t.equal(await read(), 'first')
    t.match(await client.put(path, 'third'), { type: 'done', status: 200 })
    t.equal(await read(), 'first', 'an old value is answered as linearizable')
    await over(cluster)
    t.equal(await read(), 'third')
  }
  const rows = await getJson<{ faults: { name: string; count: number }[] }>(
    `${cluster.replicaUrls(leader).client}/faults`,
  )
  t.equal(rows.faults.find(({ name }) => name === 'lie')?.count, 4)
}
