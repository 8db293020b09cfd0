/**
 * One flipped byte in a file of a replica that is down, one kind of file after another, in a
 * cluster that goes on: the replica says so, comes back as a new incarnation without a manual step,
 * and all that is read from it equals the others'. And in all replicas at once: no new, empty
 * cluster takes the old one's place. Those that were damaged join what a person makes of the rest.
 */

import { join } from 'node:path'
import t, { type Test } from 'tap'
import { databaseFolder, readCluster } from '../../src/database/storage/folder.ts'
import { forceBootstrap } from '../cluster/force.ts'
import { startCluster, type TestCluster } from '../cluster/harness.ts'
import { randomFrom, seedOfRun } from '../contracts/random.ts'
import { agreed, ownRow, replicaNames, type Status, statusOf } from './agreement.ts'
import { flip, flipsIn, sectionsOf } from './file-sections.ts'
import { Client, Load } from './workload.ts'

const CLIENTS = 8
const WRITES = 200
const LOAD_MS_MAX = 30_000
const REJOIN_MS_MAX = 30_000
/** How long it is watched that no cluster is founded: far longer than an election takes. */
const WATCHED_MS = 6000
const VICTIM = 'db-2'
/** File and part, one after another. */
const KINDS = [
  /CURRENT name/,
  /MANIFEST-\d+ last record/,
  /log record of the last write/,
  /ldb data/,
  /ldb index/,
  /ldb filter/,
]
const AT_ONCE = [/log last record/, /CURRENT name/, /MANIFEST-\d+ anywhere/]

const seed = seedOfRun()
const random = randomFrom(seed)
t.comment(`ORDINAL_SEED=${seed}`)

/** Damages the part, one byte of it, of a replica that is down. */
async function damage(cluster: TestCluster, name: string, kind: RegExp, marker: string) {
  const folder = databaseFolder(join(cluster.dataFolder, name))
  const sections = await sectionsOf(folder, marker)
  const section = sections.findLast(({ file, part }) => kind.test(`${file} ${part}`))
  if (section === undefined) throw new Error(`${name} has nothing like ${kind}`)
  const [place] = flipsIn(section, 3, random).slice(2)
  if (place === undefined) throw new Error('no place')
  flip(folder, place)
  return `${place.file} at ${place.at}, flipped by 0x${place.mask.toString(16)}`
}

/** Restarts a replica, so that what its log holds becomes a table. */
async function makeTable(cluster: TestCluster, name: string): Promise<void> {
  await cluster.down(name)
  cluster.start(name)
  await cluster.ready()
}

/** What of `keys`, and of as many absent ones, reads otherwise from this replica's own disk. */
async function differences(
  cluster: TestCluster,
  name: string,
  keys: readonly string[],
): Promise<string[]> {
  const client = new Client(8)
  const { client: url } = cluster.replicaUrls(name)
  const different: string[] = []
  try {
    for (const key of keys.flatMap((each) => [each, `${each}/absent`])) {
      const path = `/v1/kv/${key}`
      const own = await client.call(`${url}${path}?consistency=stale`, 'GET')
      const others = await client.call(`${cluster.url}${path}`, 'GET')
      const same = own.status === others.status && (own.status !== 200 || own.body === others.body)
      if (!same) different.push(`${key}: ${own.status}, elsewhere ${others.status}`)
    }
  } finally {
    await client.close()
  }
  return different
}

async function writeMore(t: Test, cluster: TestCluster, prefix: string): Promise<Load> {
  const load = new Load({ url: cluster.url, clients: CLIENTS, keys: 8, prefix })
  t.teardown(() => load.close())
  load.start()
  await load.acknowledge(WRITES, LOAD_MS_MAX)
  await load.stop()
  return load
}

t.test('a damaged replica says so and rejoins as a new incarnation', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const loads: Load[] = []
  for (const [number, kind] of KINDS.entries()) {
    loads.push(await writeMore(t, cluster, `load/${number}`))
    await agreed(cluster)
    await makeTable(cluster, VICTIM)
    loads.push(await writeMore(t, cluster, `later/${number}`))
    const marker = `the-last-write-${number}`
    await fetch(`${cluster.url}/v1/kv/last`, { method: 'PUT', body: marker })
    await agreed(cluster)
    const { incarnation } = await ownRow(cluster, VICTIM)
    await cluster.down(VICTIM)
    const place = await damage(cluster, VICTIM, kind, marker)
    cluster.start(VICTIM)
    await cluster.ready(REJOIN_MS_MAX)
    await agreed(cluster)
    const row = await ownRow(cluster, VICTIM)
    t.comment(`${place}: ${row.notes}`)
    t.match(row.notes.join('\n'), /data was set aside: damaged files: /, `${kind}: it says so`)
    t.not(row.incarnation, incarnation, `${kind}: it is a new incarnation`)
    const keys = [...loads.flatMap((load) => load.keys), 'last']
    t.strictSame(await differences(cluster, VICTIM, keys), [], `${kind}: it holds what others hold`)
    const missing = await Promise.all(loads.map((load) => load.check()))
    t.strictSame(missing.flat(), [], `${kind}: nothing acknowledged is missing`)
  }
})

for (const damaged of [
  ['db-0', 'db-1', 'db-2'],
  ['db-0', 'db-2'],
]) {
  t.test(`damage in ${damaged.length} of three at once founds no new cluster`, async (t) => {
    const cluster = await startCluster()
    t.teardown(() => cluster.stop())
    await cluster.ready()
    await writeMore(t, cluster, 'load')
    const before = await statusOf(cluster, 'db-1')
    const names = replicaNames(cluster)
    await Promise.all(names.map((name) => cluster.down(name)))
    for (const [at, name] of damaged.entries()) {
      await damage(cluster, name, AT_ONCE[at] as RegExp, '')
    }
    for (const name of names) cluster.start(name)
    const status = (name: string) => statusOf(cluster, name)
    await cluster.waitFor('all replicas answer', () => Promise.all(names.map(status)))
    const end_ms = performance.now() + WATCHED_MS
    const client = new Client(1)
    t.teardown(() => client.close())
    while (performance.now() < end_ms) {
      const url = `${cluster.url}/v1/kv/new?timeout=1s`
      const answer = await client.call(url, 'PUT', 'value')
      if (answer.status !== 503 || answer.outcome !== 'not-applied') {
        t.fail(`a write was answered ${answer.status} ${answer.body}`)
        break
      }
    }
    const statuses = await Promise.all(names.map(status))
    for (const one of statuses) {
      t.comment(`${one.name}: ${one.role}, ${one.problem}: ${one.reason}; ${one.notes}`)
      t.not(one.role, 'leader', `${one.name} does not lead`)
      t.equal(one.ready, false, `${one.name} is not ready`)
      t.equal(one.cluster.clusterId, before.cluster.clusterId, `${one.name} kept its cluster's id`)
      if (!damaged.includes(one.name)) continue
      t.match(one.notes.join('\n'), /data was set aside/, `${one.name} says what happened`)
    }
    const answer = await client.call(`${cluster.url}/v1/kv/new?timeout=1s`, 'PUT', 'value')
    t.comment(answer.body)
    if (damaged.length === names.length) return
    const { missing } = JSON.parse(answer.body) as { missing: readonly string[] }
    t.strictSame(missing, damaged, 'the refusal names who is missing')
    const old = await client.call(`${cluster.url}/v1/kv/load/1/0/0?consistency=stale`, 'GET')
    t.equal(old.status, 200, 'old values are still read as stale ones')
    await t.test('and join what a person makes of the third', (t) => rejoin(t, cluster, before))
  })
}

/** Nothing of the old cluster is on their disks but its id, which must not keep them out. */
async function rejoin(t: Test, cluster: TestCluster, before: Status): Promise<void> {
  await forceBootstrap(cluster, before.name)
  await cluster.ready(REJOIN_MS_MAX)
  await agreed(cluster, REJOIN_MS_MAX)
  const { clusterId } = (await statusOf(cluster, before.name)).cluster
  t.not(clusterId, before.cluster.clusterId, 'it is a new cluster')
  const folders = replicaNames(cluster).map((name) => join(cluster.dataFolder, name))
  for (const name of replicaNames(cluster)) {
    const { cluster: seen } = await statusOf(cluster, name)
    t.equal(seen.clusterId, clusterId, `${name} is in it`)
  }
  const remembered = await Promise.all(folders.map(readCluster))
  for (const one of remembered) t.equal(one?.clusterId, clusterId, 'and its disk remembers it')
  await writeMore(t, cluster, 'after')
  const incarnations = await Promise.all(replicaNames(cluster).map((name) => ownRow(cluster, name)))
  for (const name of replicaNames(cluster)) await cluster.down(name)
  for (const name of replicaNames(cluster)) cluster.start(name)
  await cluster.ready(REJOIN_MS_MAX)
  await agreed(cluster)
  for (const { name, incarnation } of incarnations) {
    t.equal((await ownRow(cluster, name)).incarnation, incarnation, `${name} stays a member`)
  }
}
