/**
 * Full disks: of one replica, and of all; first below the watermark only, then really without a
 * byte left, so that the replicas' own writes are refused. Writes go on as long as a quorum has
 * room; else they are refused with 507, deletes and reads go on, after a restart too; and what was
 * acknowledged is there when space returns.
 */

import { statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startCluster, type TestCluster } from '../cluster/harness.ts'
import { agreed, ownRow, replicaNames, statusOf } from './agreement.ts'
import { empty, fill, freeBytes, mountUnavailable, smallDisks } from './small-disks.ts'
import { type Answer, Client, Load } from './workload.ts'

const MIB = 1024 * 1024
const DISK_BYTES = 160 * MIB
const BALLAST_BYTES = 16 * MIB
const WATERMARK_BYTES = 24 * MIB
/** Below the watermark, and more than a ballast. */
const LITTLE_BYTES = 20 * MIB
const NAMES = ['db-0', 'db-1', 'db-2']
const CLIENTS = 8
const WRITES = 300
const LOAD_MS_MAX = 30_000

async function startOnSmallDisks(t: Test): Promise<TestCluster> {
  const dataFolder = smallDisks(t, NAMES, DISK_BYTES)
  const cluster = await startCluster({
    dataFolder,
    env: {
      ORDINAL_BALLAST_BYTES: String(BALLAST_BYTES),
      ORDINAL_DISK_FREE_MIN_BYTES: String(WATERMARK_BYTES),
    },
  })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const hasBallast = (name: string) => ballastBytes(cluster, name) === BALLAST_BYTES
  await cluster.waitFor('the ballast is laid down', () => NAMES.every(hasBallast))
  return cluster
}

function disk(cluster: TestCluster, name: string): string {
  return join(cluster.dataFolder, name)
}

function ballastBytes(cluster: TestCluster, name: string): number {
  return statSync(join(disk(cluster, name), 'ballast'), { throwIfNoEntry: false })?.size ?? 0
}

/** Waits until the replica itself has noticed how little room it has. */
async function noticed(cluster: TestCluster, name: string): Promise<void> {
  await cluster.waitFor(`${name} has noticed that its disk is full`, async () => {
    const { diskFreeBytes } = await ownRow(cluster, name)
    return diskFreeBytes !== undefined && diskFreeBytes < WATERMARK_BYTES
  })
}

/** Waits until the replica has noticed its room, and the leader knows it. */
async function noticedRoom(cluster: TestCluster, name: string): Promise<void> {
  await cluster.waitFor(`${name} has noticed that there is room again`, async () => {
    const { diskFreeBytes = 0 } = await ownRow(cluster, name)
    const { cluster: view } = await statusOf(cluster, await cluster.leader())
    const row = view.replicas.find((each) => each.name === name)
    return diskFreeBytes > WATERMARK_BYTES && row?.electable !== false
  })
}

function newLoad(t: Test, cluster: TestCluster, prefix: string): Load {
  const load = new Load({ url: cluster.url, clients: CLIENTS, keys: 8, prefix })
  t.teardown(() => load.close())
  return load
}

async function someWrites(load: Load): Promise<void> {
  load.start()
  await load.acknowledge(WRITES, LOAD_MS_MAX)
  await load.stop()
}

/** Kills all replicas at once and waits until they are back. */
async function restartAll(cluster: TestCluster): Promise<void> {
  for (const name of replicaNames(cluster)) cluster.kill(name)
  await cluster.ready()
}

/** Puts are refused, deletes pass, reads go on. `doomed` is there, and will not be. */
async function expectFull(
  t: Test,
  cluster: TestCluster,
  options: { client: Client; load: Load; doomed: string },
): Promise<void> {
  const { client, load, doomed } = options
  const put = () => client.call(`${cluster.url}/v1/kv/new`, 'PUT', 'value')
  // A leader learns of the others' disks with their first answers.
  const refused = await cluster.waitFor('puts are refused', async () => {
    const answer = await put()
    return answer.status === 507 ? answer : undefined
  })
  expectRefused(t, refused)
  expectRefused(t, await put())
  const deleted = await client.call(`${cluster.url}/v1/kv/${doomed}`, 'DELETE')
  t.equal(deleted.status, 200, 'a delete passes')
  const read = await client.call(`${cluster.url}/v1/kv/${doomed}`, 'GET')
  t.equal(read.status, 404, 'and is seen')
  t.strictSame(await load.check(), [], 'linearizable reads go on, nothing is missing')
  for (const name of NAMES) {
    const { client: url } = cluster.replicaUrls(name)
    const stale = await client.call(`${url}/v1/kv/${load.keys[0]}?consistency=stale`, 'GET')
    t.equal(stale.status, 200, `${name} serves stale reads`)
  }
}

function expectRefused(t: Test, answer: Answer): void {
  t.match(answer, { status: 507, code: 'disk-full', outcome: 'not-applied' }, 'a put is refused')
}

async function expectRoom(t: Test, cluster: TestCluster, load: Load): Promise<void> {
  const client = new Client(1)
  t.teardown(() => client.close())
  await cluster.waitFor('puts are taken again', async () => {
    const { status } = await client.call(`${cluster.url}/v1/kv/room`, 'PUT', 'value')
    return status === 200 || status === 201
  })
  await someWrites(load)
  t.strictSame(await load.check(), [], 'nothing acknowledged is missing')
  await agreed(cluster)
}

/** Keys to delete, one a call. */
async function doomedKeys(client: Client, cluster: TestCluster): Promise<() => string> {
  const keys = ['doomed/1', 'doomed/2', 'doomed/3', 'doomed/4']
  for (const key of keys) await client.call(`${cluster.url}/v1/kv/${key}`, 'PUT', 'value')
  return () => keys.pop() as string
}

const skip = mountUnavailable()

t.test('disks below the watermark: of one, then of all', { skip }, async (t) => {
  const cluster = await startOnSmallDisks(t)
  const client = new Client(4)
  t.teardown(() => client.close())
  const doomed = await doomedKeys(client, cluster)
  const load = newLoad(t, cluster, 'load')
  await someWrites(load)
  for (const name of ['db-2', 'db-0']) {
    fill(disk(cluster, name), LITTLE_BYTES)
    await noticed(cluster, name)
    const { refused, unknown } = load.counts
    await someWrites(load)
    t.strictSame(load.counts.refused + load.counts.unknown, refused + unknown, `${name}: go on`)
    empty(disk(cluster, name))
    await noticedRoom(cluster, name)
  }
  for (const name of NAMES) fill(disk(cluster, name), LITTLE_BYTES)
  for (const name of NAMES) await noticed(cluster, name)
  await expectFull(t, cluster, { client, load, doomed: doomed() })
  await restartAll(cluster)
  await expectFull(t, cluster, { client, load, doomed: doomed() })
  for (const name of NAMES) empty(disk(cluster, name))
  await expectRoom(t, cluster, load)
})

t.test('not a byte left: on one disk, then on all', { skip }, async (t) => {
  const cluster = await startOnSmallDisks(t)
  const client = new Client(4)
  t.teardown(() => client.close())
  const doomed = await doomedKeys(client, cluster)
  const load = newLoad(t, cluster, 'load')
  const ended = (name: string, since: number) =>
    cluster.events.slice(since).some((event) => event.type === 'exited' && event.name === name)
  /** Takes all room while clients write, so that the replicas' own writes are refused. */
  const fillWholly = async (names: readonly string[]) => {
    const since = cluster.events.length
    load.start()
    await load.acknowledge(WRITES, LOAD_MS_MAX)
    for (const name of names) fill(disk(cluster, name), 0)
    await cluster.waitFor(`${names} end`, () => names.every((name) => ended(name, since)))
    await load.stop()
    await cluster.ready()
    for (const name of names) {
      t.equal(ballastBytes(cluster, name), 0, `${name} has given up its ballast`)
      t.comment(`${name}: ${(freeBytes(disk(cluster, name)) / MIB).toFixed(1)} MiB free`)
      t.strictSame((await ownRow(cluster, name)).notes, [], `${name} takes nothing for damaged`)
    }
    t.strictSame(await load.check(), [], `${names}: nothing acknowledged is missing`)
  }
  await fillWholly(['db-1'])
  await noticed(cluster, 'db-1')
  const { refused, unknown } = load.counts
  await someWrites(load)
  t.equal(load.counts.refused + load.counts.unknown, refused + unknown, 'with one full: go on')
  empty(disk(cluster, 'db-1'))
  const hasBallast = () => ballastBytes(cluster, 'db-1') === BALLAST_BYTES
  await cluster.waitFor('db-1 has laid its ballast down again', hasBallast)

  await fillWholly(NAMES)
  await expectFull(t, cluster, { client, load, doomed: doomed() })
  await restartAll(cluster)
  await expectFull(t, cluster, { client, load, doomed: doomed() })
  for (const name of NAMES) empty(disk(cluster, name))
  await expectRoom(t, cluster, load)
  const all = () => NAMES.every((name) => ballastBytes(cluster, name) === BALLAST_BYTES)
  await cluster.waitFor('all have laid their ballast down again', all)
})
