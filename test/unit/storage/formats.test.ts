/** A newer format on a disk: announced before its first bytes, kept, and told in snapshots. */

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import t, { type Test } from 'tap'
import { type Entry, makeEntry } from '../../../src/database/consensus/entry.ts'
import type { SnapshotMeta } from '../../../src/database/consensus/types.ts'
import { CommitGate } from '../../../src/database/storage/commit-gate.ts'
import { databaseFolder, prepareFolder } from '../../../src/database/storage/folder.ts'
import { levelOptions } from '../../../src/database/storage/level-options.ts'
import { type OpenOptions, openStorage } from '../../../src/database/storage/open-storage.ts'
import { ChunkWriter } from '../../../src/database/storage/snapshot-format.ts'
import { SnapshotReceiver } from '../../../src/database/storage/snapshot-receiver.ts'
import { FORMAT_NEWEST, FORMAT_OLDEST } from '../../../src/shared/formats.ts'
import { MadeLog, MadeState, membershipOf, writeOf } from '../../contracts/made-log.ts'
import { temporaryFolder } from './made-database.ts'

const NEWER = FORMAT_NEWEST + 1
const ballast_bytes = 256 * 1024

const prepare = (folder: string) =>
  prepareFolder({ folder, lockHeld: async () => false, ballast_bytes })

async function open(t: Test, place: string, options: Partial<OpenOptions>) {
  const db = new Level<Buffer, Buffer>(databaseFolder(place), { ...levelOptions(0) })
  await db.open()
  const storage = await openStorage(db, {
    folder: undefined,
    ballast_bytes,
    identity: { ordinal: 0, clusterName: 'db', newIncarnation: () => 'a' },
    ...options,
  })
  await storage.load()
  t.teardown(() => storage.close())
  return { db, storage }
}

/** The same entry as a version that writes a newer format makes it. */
function newer(entry: Entry): Entry {
  const { buffer, byteOffset, byteLength } = entry.bytes
  const payload = Buffer.from(buffer, byteOffset, byteLength).subarray(52)
  return makeEntry(entry, payload, 0, NEWER)
}

const noteOf = (folder: string) => readFile(join(folder, 'format'), 'utf8')

t.test('a newer format is announced once, before any of it is stored', async (t) => {
  const folder = await temporaryFolder(t)
  await prepare(folder)
  const told: [number, number][] = []
  const { db, storage } = await open(t, folder, {
    raiseFormat: async (format) => {
      // A reader that is slow to find out: the entry must not be there before.
      await new Promise((resolve) => setImmediate(resolve))
      const entries = await db.keys({ gte: Buffer.from('l/'), lt: Buffer.from('l0') }).all()
      told.push([format, entries.length])
    },
  })
  const log = new MadeLog()
  const first = log.membership(1, membershipOf('0/a'))
  const hardState = { term: 1, vote: '' }
  await storage.write({ writes: [writeOf({ hardState, entries: [first] })], changes: undefined })
  t.strictSame(told, [], 'nothing is announced for what every version reads')
  const next = log.commands(1, 2).map(newer)
  await storage.write({ writes: [writeOf({ entries: next })], changes: undefined })
  await storage.write({ writes: [writeOf({ entries: [] })], changes: undefined })
  await storage.write({
    writes: [writeOf({ entries: log.commands(1, 1).map(newer) })],
    changes: undefined,
  })
  t.strictSame(told, [[NEWER, 1]])
})

t.test('nothing is stored when it cannot be announced', async (t) => {
  const folder = await temporaryFolder(t)
  await prepare(folder)
  const { db, storage } = await open(t, folder, {
    raiseFormat: async () => {
      throw new Error('the disk is gone')
    },
  })
  const entries = [newer(new MadeLog().membership(1, membershipOf('0/a')))]
  const writes = [writeOf({ entries })]
  await t.rejects(storage.write({ writes, changes: undefined }), { message: 'the disk is gone' })
  t.strictSame(await db.keys({ gte: Buffer.from('l/'), lt: Buffer.from('l0') }).all(), [])
})

t.test('the folder keeps the newest format, and this version does not open it', async (t) => {
  const folder = await temporaryFolder(t)
  await prepare(folder)
  t.equal(await noteOf(folder), `${FORMAT_OLDEST}\n`, 'a new disk is one that every version reads')
  const { storage } = await open(t, folder, { folder })
  const entries = [newer(new MadeLog().membership(1, membershipOf('0/a')))]
  await storage.write({ writes: [writeOf({ entries })], changes: undefined })
  await storage.close()
  t.equal(await noteOf(folder), `${NEWER}\n`)
  await t.rejects(prepare(folder), { code: 'format-too-new' })
  t.equal(await noteOf(folder), `${NEWER}\n`)
})

t.test('a note that cannot be read rules out nothing that this version knows', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'format'), '?')
  await prepare(folder)
  t.equal(await noteOf(folder), `${FORMAT_NEWEST}\n`)
})

t.test('a snapshot says the format of its disk, and a newer one is not received', async (t) => {
  const folder = await temporaryFolder(t)
  await prepare(folder)
  const { storage } = await open(t, folder, { folder })
  const log = new MadeLog()
  const state = new MadeState()
  const first = log.membership(1, membershipOf('0/a'))
  state.put('a', 'value')
  const hardState = { term: 1, vote: '' }
  const writes = [writeOf({ hardState, entries: [first] })]
  await storage.write({ writes, changes: state.take(first) })
  const before = await storage.openSnapshot()
  await storage.write({
    writes: [writeOf({ entries: log.commands(1, 1).map(newer) })],
    changes: undefined,
  })
  const after = await storage.openSnapshot()
  const [old, young] = await Promise.all(
    [before, after].map((one) => Array.fromAsync(one.chunks())),
  )
  await Promise.all([before.close(), after.close()])
  t.equal(old?.[0]?.[0], FORMAT_OLDEST)
  t.equal(young?.[0]?.[0], NEWER)

  const told: number[] = []
  const other = await temporaryFolder(t)
  await prepare(other)
  const raiseFormat = async (format: number) => void told.push(format)
  const receiver = await open(t, other, { raiseFormat })
  const stream = async function* (chunks: readonly Uint8Array[] = []) {
    yield* chunks
  }
  const { meta } = after
  const refused = { code: 'format-too-new', message: `snapshot of format ${NEWER}` }
  await t.rejects(receiver.storage.receiveSnapshot(meta, stream(young)), refused)
  await receiver.storage.receiveSnapshot(meta, stream(old))
  t.strictSame(told, [])
})

t.test('what a snapshot brings is announced before any of it is stored', async (t) => {
  const folder = await temporaryFolder(t)
  await prepare(folder)
  const { db } = await open(t, folder, {})
  const told: [number, number][] = []
  const rows = { gte: Buffer.from('g/\0\0\0\x02/'), lt: Buffer.from('g/\0\0\0\x03/') }
  const receiver = new SnapshotReceiver(db as never, new CommitGate(db as never), (format) =>
    db
      .keys(rows)
      .all()
      .then((keys) => void told.push([format, keys.length])),
  )
  const chunk = new ChunkWriter(0, 256, FORMAT_NEWEST)
  chunk.add({ type: 'session', key: Buffer.alloc(8), value: Buffer.from('session') })
  const stream = async function* () {
    yield chunk.finish()
  }
  const meta = {} as SnapshotMeta
  await t.rejects(receiver.receive(2, { meta, chunks: stream() }), { message: /ended early/ })
  t.strictSame(told, [[FORMAT_NEWEST, 0]])
  t.equal((await db.keys(rows).all()).length, 1, 'and then stored')
})
