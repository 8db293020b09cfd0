/** The data folder: what happens before LevelDB opens, and what is kept beside it. */

import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import t, { type Test } from 'tap'
import {
  condemned,
  databaseFolder,
  prepareFolder,
  readCluster,
  setAside,
} from '../../../src/database/storage/folder.ts'
import {
  levelOptions,
  lockHeld,
  probeOptions,
} from '../../../src/database/storage/level-options.ts'
import { openStorage } from '../../../src/database/storage/open-storage.ts'
import { temporaryFolder } from './made-database.ts'

const ballast_bytes = 256 * 1024
const free = async () => false

function prepare(folder: string) {
  return prepareFolder({ folder, lockHeld: free, ballast_bytes })
}

/** Prepares the folder and opens the storage in it, as the replica command does. */
async function start(t: Test, folder: string) {
  const prepared = await prepare(folder)
  const db = new Level<Buffer, Buffer>(databaseFolder(folder), { ...levelOptions(0) })
  await db.open()
  const { formerClusterId } = prepared
  const storage = await openStorage(db, {
    folder,
    ballast_bytes,
    identity: {
      ordinal: 0,
      clusterName: 'db',
      newIncarnation: () => `incarnation-${Math.random()}`,
      ...(formerClusterId === undefined ? {} : { clusterId: formerClusterId }),
    },
  })
  await storage.load()
  t.teardown(() => storage.close())
  return { prepared, storage }
}

async function damage(folder: string): Promise<void> {
  const names = await readdir(databaseFolder(folder))
  const manifest = join(databaseFolder(folder), names.find((name) => /^MAN/.test(name)) ?? '')
  const bytes = await readFile(manifest)
  bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20)
  await writeFile(manifest, bytes)
}

t.test('a fresh folder is made, and nothing is set aside', async (t) => {
  const folder = join(await temporaryFolder(t), 'deep', 'data')
  const { prepared, storage } = await start(t, folder)
  t.match(prepared, { setAside: undefined, formerClusterId: undefined })
  t.equal(storage.identity.clusterId, '')
  t.equal(await readFile(join(folder, 'format'), 'utf8'), '1\n')
})

t.test('a folder that cannot be written to is one clear error', async (t) => {
  const file = join(await temporaryFolder(t), 'file')
  await writeFile(file, '')
  await t.rejects(prepare(join(file, 'data')), { code: 'invalid-config', message: /data folder/ })
})

t.test('a disk of a newer version is refused untouched', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'format'), '2\n')
  await writeFile(join(folder, 'condemned'), 'whatever\n')
  await mkdir(databaseFolder(folder))
  await writeFile(join(databaseFolder(folder), 'CURRENT'), 'of another kind')
  await t.rejects(prepare(folder), { code: 'format-too-new' })
  t.strictSame((await readdir(folder)).sort(), ['condemned', 'db', 'format'])
  t.equal(await readFile(join(databaseFolder(folder), 'CURRENT'), 'utf8'), 'of another kind')
})

t.test('damaged data is set aside; the successor belongs to the same cluster', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await start(t, folder)
  await first.storage.adopt('cluster-1')
  await first.storage.close()
  t.strictSame(await readCluster(folder), { clusterId: 'cluster-1', clusterName: 'db' })
  await damage(folder)

  const second = await start(t, folder)
  t.match(second.prepared, { setAside: /MANIFEST/, formerClusterId: 'cluster-1' })
  t.equal(second.storage.identity.clusterId, 'cluster-1')
  t.not(second.storage.identity.incarnation, first.storage.identity.incarnation)
  t.match(await readFile(join(folder, 'set-aside', 'reason'), 'utf8'), /MANIFEST/)
  t.ok((await readdir(join(folder, 'set-aside', 'db'))).includes('CURRENT'))
  const { incarnation } = second.storage.identity
  await second.storage.close()

  const third = await start(t, folder)
  t.equal(third.prepared.setAside, undefined)
  t.equal(third.storage.identity.incarnation, incarnation)
})

t.test(
  'data that LevelDB would open without a word, and without its end, is set aside',
  async (t) => {
    const folder = await temporaryFolder(t)
    const { storage } = await start(t, folder)
    await storage.adopt('cluster-1')
    await storage.close()
    const log = (await readdir(databaseFolder(folder))).find((name) => name.endsWith('.log')) ?? ''
    const path = join(databaseFolder(folder), log)
    const bytes = await readFile(path)
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
    await writeFile(path, bytes)
    t.match(await prepare(folder), { setAside: new RegExp(log) })
  },
)

t.test('condemned data is set aside once, and only one such folder is kept', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await start(t, folder)
  const { incarnation } = first.storage.identity
  await first.storage.condemn('the hash differs at 7')
  t.equal(await condemned(folder), 'the hash differs at 7')
  await first.storage.close()
  await mkdir(join(folder, 'set-aside'))
  await writeFile(join(folder, 'set-aside', 'older'), '')

  const second = await start(t, folder)
  t.equal(second.prepared.setAside, 'the hash differs at 7')
  t.not(second.storage.identity.incarnation, incarnation)
  t.equal(await condemned(folder), undefined)
  t.strictSame((await readdir(join(folder, 'set-aside'))).sort(), ['db', 'reason'])
  await second.storage.close()
  t.equal((await start(t, folder)).prepared.setAside, undefined)
})

t.test('setting aside, cut off by a crash after the move, ends at the next start', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(databaseFolder(folder))
  await writeFile(join(databaseFolder(folder), 'evidence'), '')
  await setAside(folder, 'why')
  await writeFile(join(folder, 'condemned'), 'why\n')
  await prepare(folder)
  t.equal(await condemned(folder), undefined)
  t.ok((await stat(join(folder, 'set-aside', 'db', 'evidence'))).isFile(), 'the evidence is kept')
})

t.test('a database that vanished is no reason to found a new cluster', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await start(t, folder)
  await first.storage.adopt('cluster-1')
  await first.storage.close()
  await rm(databaseFolder(folder), { recursive: true })
  t.equal((await start(t, folder)).storage.identity.clusterId, 'cluster-1')
})

t.test('what another process is writing is not taken for damage', async (t) => {
  const folder = await temporaryFolder(t)
  const { storage } = await start(t, folder)
  await storage.close()
  await damage(folder)
  const held = prepareFolder({ folder, lockHeld: async () => true, ballast_bytes })
  await t.rejects(held, { code: 'storage-failed' })
  t.notOk((await readdir(folder)).includes('set-aside'))
  t.notOk((await readdir(folder)).includes('condemned'))
})

t.test('the probe sees a held lock, and leaves a free database alone', async (t) => {
  const folder = await temporaryFolder(t)
  const probe = () => lockHeld(new Level(folder, { ...probeOptions }))
  t.equal(await probe(), false, 'there is none yet')
  const db = new Level<Buffer, Buffer>(folder, { ...levelOptions(0) })
  await db.open()
  await db.put(Buffer.from('key'), Buffer.from('value'))
  t.equal(await probe(), true)
  await db.close()
  const files = async () => (await readdir(folder)).filter((name) => !/^LO(CK|G)/.test(name)).sort()
  const before = await files()
  t.equal(await probe(), false)
  t.strictSame(await files(), before)
})

t.test('the ballast is laid down where there is room, and measured apart', async (t) => {
  const folder = await temporaryFolder(t)
  const { storage } = await start(t, folder)
  const { free_bytes, used_bytes } = await storage.space()
  t.ok(free_bytes > 0)
  t.ok(used_bytes > 0 && used_bytes < ballast_bytes, `${used_bytes} used`)
  await storage.close()
  t.equal((await stat(join(folder, 'ballast'))).size, ballast_bytes)
  const prepared = await prepareFolder({
    folder,
    lockHeld: free,
    // No disk has this much room: it is full by this measure.
    ballast_bytes: Number.MAX_SAFE_INTEGER,
  })
  t.equal(prepared.ballastReleased, true)
  t.notOk((await readdir(folder)).includes('ballast'))
})

t.test('on a full disk, what LevelDB would delete after opening goes before', async (t) => {
  const folder = await temporaryFolder(t)
  const { storage } = await start(t, folder)
  await storage.adopt('cluster-1')
  await storage.close()
  const orphans = ['000001.log', '000900.ldb', '000901.dbtmp', 'MANIFEST-000000']
  for (const name of orphans) await writeFile(join(databaseFolder(folder), name), 'left behind')
  const before = await readdir(databaseFolder(folder))
  await prepare(folder)
  t.strictSame(await readdir(databaseFolder(folder)), before, 'not while there is room')
  await prepareFolder({ folder, lockHeld: free, ballast_bytes: Number.MAX_SAFE_INTEGER })
  const kept = before.filter((name) => !orphans.includes(name))
  t.strictSame(await readdir(databaseFolder(folder)), kept)
  t.equal((await start(t, folder)).storage.identity.clusterId, 'cluster-1')
})

t.test('a folder that cannot be made is refused at once', async (t) => {
  if (process.platform !== 'linux') return t.comment('/proc is of Linux')
  await t.rejects(prepare('/proc/ordinal'), {
    code: 'invalid-config',
    message: /cannot write to the data folder.*\/proc\/ordinal/,
  })
})
