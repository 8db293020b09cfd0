/**
 * Updates to a version with a newer format, rolled 2, 1, 0 under load, on disks that are checked in
 * (test/golden). Before the format is enabled both versions serve side by side, forwards and
 * backwards. Enabled, it is written from the moment all read it, and then there is no way back: the
 * older version refuses such a disk, leaves it untouched, and the others go on.
 */

import { createHash } from 'node:crypto'
import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FORMAT_ENABLED, FORMAT_NEWEST } from '../../../src/shared/formats.ts'
import { GOLDEN } from '../../contracts/golden.ts'
import { plantedFormats } from '../../contracts/planted-formats.ts'
import { startCluster, type TestCluster } from '../harness.ts'
import { type Load, startLoad } from '../load.ts'
import { allVoting, contentHashes, statusOf } from '../pictures.ts'
import { timeout_ms } from '../rounds.ts'

const CLIENTS = 8
const GRACE_MS = 20_000
const NEXT = FORMAT_NEWEST + 1
const REPLICAS = ['db-0', 'db-1', 'db-2'] as const
const ROLLED = [...REPLICAS].reverse()

/** The versions: which formats they read and write. */
const PRESENT: readonly string[] = []
const READS_NEXT = plantedFormats({ FORMAT_NEWEST: NEXT })
const WRITES_NEXT = plantedFormats({ FORMAT_NEWEST: NEXT, FORMAT_ENABLED: NEXT })

t.setTimeout(timeout_ms)

type Stage = {
  readonly cluster: TestCluster
  readonly load: Load
  /** What each replica is from its next start on. */
  readonly versions: Map<string, readonly string[]>
}

/** The cluster of the golden folders, under load. */
async function stage(t: Test): Promise<Stage> {
  const dataFolder = t.testdir({})
  const golden = join(GOLDEN, `format-${FORMAT_ENABLED}`)
  for (const name of REPLICAS) {
    await cp(join(golden, name), join(dataFolder, name), { recursive: true })
  }
  const versions = new Map<string, readonly string[]>()
  const cluster = await startCluster({
    dataFolder,
    wrap: (name) => versions.get(name) ?? PRESENT,
    env: { ORDINAL_HAND_BACK_AFTER: '1s' },
  })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const load = startLoad({ url: cluster.url, clients: CLIENTS, pause_ms: 1 })
  t.teardown(() => load.stop())
  return { cluster, load, versions }
}

async function progress({ cluster, load }: Stage): Promise<void> {
  const before = load.acknowledged
  await cluster.waitFor('writes go on', () => load.acknowledged > before + 10 * CLIENTS)
}

/** Every replica that is up answers linearizable reads of what the golden folders hold. */
async function allServe(t: Test, { cluster }: Stage, names: readonly string[] = REPLICAS) {
  for (const name of names) {
    for (const [key, value] of [
      ['greeting', 'hello again'],
      ['counter', '2'],
      ['transaction/a', 'A'],
    ]) {
      const answer = await fetch(`${cluster.replicaUrls(name).client}/v1/kv/${key}`)
      t.equal(await answer.text(), value, `${name} serves ${key}`)
    }
  }
}

/** One after another, the highest first, each only when the one before votes again. */
async function roll(t: Test, stage: Stage, version: readonly string[]): Promise<void> {
  const { cluster, versions } = stage
  for (const name of ROLLED) {
    await progress(stage)
    versions.set(name, version)
    await cluster.local.child(name).restart(GRACE_MS)
    await cluster.waitFor(`${name} is ready again`, () => cluster.process(name).ready)
    t.match(cluster.process(name).lastExit, 'exited with code 0', `${name} ended by itself`)
    await allVoting(cluster)
    await allServe(t, stage)
  }
  const leads = async () => (await cluster.leader()) === 'db-0'
  await cluster.waitFor('db-0 leads', leads, 90_000)
  await progress(stage)
}

async function formatsOnDisk({ cluster }: Stage): Promise<string[]> {
  const notes = REPLICAS.map((name) => readFile(join(cluster.dataFolder, name, 'format'), 'utf8'))
  return (await Promise.all(notes)).map((text) => text.trim())
}

/** What each replica says that it reads. */
async function formatsRead({ cluster }: Stage): Promise<unknown[]> {
  const statuses = await Promise.all(REPLICAS.map((name) => statusOf(cluster, name)))
  return statuses.map((status) => (status as { format?: number }).format)
}

async function finish(t: Test, { cluster, load }: Stage): Promise<void> {
  await load.stop()
  t.strictSame([...load.failures], [], 'no request failed')
  t.strictSame(await load.check(), [], 'nothing is lost, nothing took effect twice')
  t.equal((await contentHashes(cluster)).length, 1, 'all replicas hold the same')
  t.comment(`${load.acknowledged} writes acknowledged`)
}

async function sumOf(folder: string): Promise<string> {
  const sum = createHash('sha256')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((e) => join(e.parentPath, e.name))
  for (const path of paths.sort()) sum.update(`${path}\n`).update(await readFile(path))
  return sum.digest('hex')
}

t.test('to a newer format and back before it is enabled: both serve meanwhile', async (t) => {
  const all = await stage(t)
  await allServe(t, all)
  await roll(t, all, READS_NEXT)
  t.strictSame(await formatsRead(all), [NEXT, NEXT, NEXT])
  t.strictSame(
    await formatsOnDisk(all),
    REPLICAS.map(() => `${FORMAT_ENABLED}`),
  )
  await roll(t, all, PRESENT)
  t.strictSame(
    await formatsRead(all),
    REPLICAS.map(() => FORMAT_NEWEST),
  )
  t.strictSame(
    await formatsOnDisk(all),
    REPLICAS.map(() => `${FORMAT_ENABLED}`),
  )
  await finish(t, all)
})

t.test('a format that is enabled is written once all read it, and stays', async (t) => {
  const all = await stage(t)
  const { cluster, versions } = all
  // The last one of the old version is the leader: it writes what it knows. The one that leads
  // meanwhile knows more, and waits for it.
  for (const name of ['db-2', 'db-1']) {
    versions.set(name, WRITES_NEXT)
    await cluster.local.child(name).restart(GRACE_MS)
    await cluster.waitFor(`${name} is ready again`, () => cluster.process(name).ready)
    await allVoting(cluster)
  }
  await cluster.down('db-0')
  await cluster.waitFor('another one leads', async () => (await cluster.leader()) !== 'db-0')
  await progress(all)
  t.strictSame(
    await formatsOnDisk(all),
    REPLICAS.map(() => `${FORMAT_ENABLED}`),
    'not yet',
  )
  versions.set('db-0', WRITES_NEXT)
  cluster.start('db-0')
  const wanted = REPLICAS.map(() => `${NEXT}`).join()
  const changed = async () => (await formatsOnDisk(all)).join() === wanted
  await cluster.waitFor('all disks take the newer format', changed)
  await allVoting(cluster)
  await allServe(t, all)

  versions.set('db-2', PRESENT)
  await cluster.down('db-2')
  const folder = join(cluster.dataFolder, 'db-2')
  const before = await sumOf(folder)
  cluster.start('db-2')
  const restarts = () => cluster.process('db-2').restarts
  const { restarts: first } = cluster.process('db-2')
  await cluster.waitFor('db-2 has tried it twice', () => restarts() > first + 1, 60_000)
  t.match(cluster.logTail('db-2'), new RegExp(`has storage format ${NEXT}; this version reads up`))
  await cluster.down('db-2')
  t.equal(await sumOf(folder), before, 'the disk was left untouched')
  await progress(all)
  await allServe(t, all, ['db-0', 'db-1'])

  versions.set('db-2', WRITES_NEXT)
  cluster.start('db-2')
  await cluster.waitFor('db-2 is back', () => cluster.process('db-2').ready)
  await allVoting(cluster)
  await allServe(t, all)
  await finish(t, all)
})
