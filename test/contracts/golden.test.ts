/**
 * Data folders that an earlier version, or this one, wrote and that are checked in (golden.ts): of
 * each format all is read, key by key, by what the replica command opens a disk with. And one of a
 * newer format is refused and stays as it was, byte for byte.
 */

import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import t, { type Test } from 'tap'
import { openDisk } from '../../src/commands/open-disk.ts'
import { payloadOf } from '../../src/database/consensus/entry.ts'
import { decodeRecord } from '../../src/database/kv/record.ts'
import { decodeSession } from '../../src/database/kv/session-codec.ts'
import { KvState } from '../../src/database/kv/state.ts'
import { decodeSnapshotHead } from '../../src/database/peers/hello-codec.ts'
import type { Storage } from '../../src/database/replica/ports.ts'
import type { ReplicaConfig } from '../../src/shared/config.ts'
import { FORMAT_ENABLED, FORMAT_NEWEST, FORMAT_OLDEST } from '../../src/shared/formats.ts'
import { createLogger } from '../../src/shared/logger.ts'
import {
  CLUSTER_ID,
  GOLDEN,
  goldenLog,
  incarnationOf,
  MEMBERS,
  membershipOf,
  START_MS,
  writeGolden,
} from './golden.ts'
import { writeOf } from './made-log.ts'

const LAST = 12
const HASH = '5e848636ba113d2e'

/** What each key is in the end: value, content type, created at, changed at, version, expiry. */
const KEYS: Readonly<Record<string, readonly [string, string, number, number, number, number]>> = {
  binary: ['\0\x01\x7f', '', 13, 13, 1, 0],
  counter: ['2', 'text/plain', 14, 15, 2, 0],
  gap: ['in the sequence', 'text/plain', 16, 16, 1, 0],
  greeting: ['hello again', 'text/plain', 2, 5, 2, 0],
  last: ['entry', 'text/plain', 18, 18, 1, 0],
  temporary: ['an hour', 'text/plain', 11, 11, 1, START_MS + 70 + 3_600_000],
  'transaction/a': ['A', 'text/plain', 12, 12, 1, 0],
  'ä/key': ['ö', 'text/plain; charset=utf-8', 4, 4, 1, 0],
}

/** Floor, last use, and the results above the floor, by session. */
const SESSIONS = [
  [
    1,
    5,
    START_MS + 100,
    [
      [6, 'created', 7],
      [7, 'condition-failed', 5],
      [8, 'created', 14],
      [9, 'updated', 15],
    ],
  ],
  [
    10,
    2,
    START_MS + 110,
    [
      [3, 'created', 13],
      [5, 'created', 16],
      [6, 'condition-failed', 15],
      [7, 'created', 18],
    ],
  ],
]

/** Where the three disks differ. */
const DISKS = [
  { name: 'db-0', vote: '', base: 6, applied: 10 },
  { name: 'db-1', vote: MEMBERS[1], base: 0, applied: 12 },
  { name: 'db-2', vote: '', base: 10, applied: 10 },
]

const log = createLogger('golden', { logLevel: 'silent', logFormat: 'json' })

function configOf(data: string, ordinal: number): ReplicaConfig {
  return { data, ordinal, cluster: 'db', ballast_bytes: 4096 } as ReplicaConfig
}

async function copyOf(t: Test, source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ordinal-golden-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await cp(source, folder, { recursive: true })
  return folder
}

/** Applies what the disk has not applied yet, as a replica does with what is committed. */
async function applyRest(storage: Storage): Promise<void> {
  const { meta, sessions, consensus } = await storage.load()
  const state = new KvState(storage.records, { meta, sessions })
  for (const entry of consensus.tail) {
    if (entry.index > state.applied) state.apply(entry, payloadOf(entry))
  }
  const changes = state.takeChanges()
  if (changes !== undefined) await storage.write({ writes: [], changes })
}

/** Everything that clients and API servers can see of this disk. */
async function seen(storage: Storage) {
  const { meta, sessions } = await storage.load()
  const keys: Record<string, unknown> = {}
  for (const { key, record } of await storage.list({
    prefix: Buffer.alloc(0),
    after: undefined,
    limit: 100,
  })) {
    const { value, contentType, createRevision, revision, version, expires_ms } = decodeRecord(
      key,
      record,
    )
    const text = Buffer.from(value).toString()
    const times = [createRevision, revision, version, expires_ms]
    keys[Buffer.from(key).toString()] = [text, contentType, ...times]
  }
  const tables = sessions.map(({ bytes }) => {
    const { id, floor, lastUse_ms, results } = decodeSession(bytes)
    const above = [...results].map(([sequence, { status, revision }]) => [
      sequence,
      status,
      revision,
    ])
    return [id, floor, lastUse_ms, above]
  })
  return { keys, sessions: tables, meta }
}

/** The state after the last entry, the same on each disk. */
async function checkState(t: Test, storage: Storage): Promise<void> {
  const { keys, sessions, meta } = await seen(storage)
  t.strictSame(keys, KEYS)
  t.strictSame(sessions, SESSIONS)
  const time_ms = START_MS + 110
  const position = { applied: LAST, appliedTerm: 3, revision: 18, time_ms }
  t.strictSame(meta, { ...position, keys: 8, hash: HASH })
  const expiring = await storage.expiring(Number.MAX_SAFE_INTEGER - 1, 10)
  t.strictSame(
    expiring.map(({ key, time_ms }) => [Buffer.from(key).toString(), time_ms]),
    [['temporary', KEYS['temporary']?.[5]]],
  )
}

/** A sum of all names, contents and times of change under a folder. */
async function sumOf(folder: string): Promise<string> {
  const sum = createHash('sha256')
  for (const name of ((await readdir(folder, { recursive: true })) as string[]).sort()) {
    const path = join(folder, name)
    const { mtimeMs, size } = await stat(path)
    const isFile = (await stat(path)).isFile()
    sum.update(`${name} ${mtimeMs} ${size}\n`).update(isFile ? await readFile(path) : '')
  }
  return sum.digest('hex')
}

async function formats(): Promise<number[]> {
  const names = await readdir(GOLDEN)
  const found = names.flatMap((name) => /^format-(\d+)$/.exec(name)?.[1] ?? [])
  return found.map(Number).sort((a, b) => a - b)
}

t.test('there is a golden folder of each format that was ever written', async (t) => {
  const wanted = Array.from(
    { length: FORMAT_ENABLED - FORMAT_OLDEST + 1 },
    (_, n) => FORMAT_OLDEST + n,
  )
  t.strictSame(await formats(), wanted)
})

for (const format of await formats()) {
  for (const [ordinal, disk] of DISKS.entries()) {
    t.test(`format ${format}, ${disk.name}`, async (t) => {
      const folder = await copyOf(t, join(GOLDEN, `format-${format}`, disk.name))
      const { storage, stored, notes } = await openDisk(configOf(folder, ordinal), log)
      t.teardown(() => storage.close())
      t.strictSame(notes, [], 'nothing was set aside')
      const incarnation = incarnationOf(ordinal)
      const owner = { ordinal, incarnation, clusterId: CLUSTER_ID, clusterName: 'db' }
      t.strictSame(storage.identity, owner)
      const { consensus } = stored
      t.strictSame(consensus.hardState, { term: 3, vote: disk.vote })
      t.equal(consensus.lastIndex, LAST)
      t.equal(consensus.base.index, disk.base)
      t.equal(consensus.applied, disk.applied)
      const held = consensus.memberships.at(-1)?.membership ?? consensus.base.membership
      t.strictSame(held, membershipOf(true))
      const entries = await storage.readEntries(disk.base + 1, 1 << 20)
      t.strictSame(entries, goldenLog(format).slice(disk.base), 'the log, entry by entry')
      await storage.scrub()
      await applyRest(storage)
      await checkState(t, storage)
      t.equal(await readFile(join(folder, 'format'), 'utf8'), `${format}\n`, 'and it stays that')
    })
  }

  t.test(`format ${format}, a snapshot`, async (t) => {
    const place = join(GOLDEN, `format-${format}`)
    const { meta, from, to, term } = decodeSnapshotHead(
      await readFile(join(place, 'snapshot-head')),
    )
    t.strictSame([from, to, term], [MEMBERS[0], MEMBERS[2], 3])
    t.strictSame(meta.membership, membershipOf(true))
    const stream = async function* () {
      yield await readFile(join(place, 'snapshot'))
    }
    const folder = await copyOf(t, join(place, 'db-0'))
    await rm(join(folder, 'db'), { recursive: true })
    const { storage } = await openDisk(configOf(folder, 2), log)
    t.teardown(() => storage.close())
    await storage.receiveSnapshot(meta, stream())
    const rest = goldenLog(format).slice(meta.index)
    const install = writeOf({ install: { meta, keepLog: false }, hardState: { term: 3, vote: '' } })
    await storage.write({ writes: [install, writeOf({ entries: rest })], changes: undefined })
    await applyRest(storage)
    await checkState(t, storage)
  })
}

t.test('this version writes what is checked in', async (t) => {
  const fresh = await mkdtemp(join(tmpdir(), 'ordinal-golden-'))
  t.teardown(() => rm(fresh, { recursive: true, force: true }))
  await writeGolden(fresh)
  const golden = await copyOf(t, join(GOLDEN, `format-${FORMAT_ENABLED}`))
  for (const name of ['snapshot', 'snapshot-head', 'db-0/format', 'db-0/cluster']) {
    t.strictSame(await readFile(join(fresh, name)), await readFile(join(golden, name)), name)
  }
  for (const { name } of DISKS) {
    t.strictSame(await rowsOf(join(fresh, name)), await rowsOf(join(golden, name)), name)
  }
})

/** Every row of the database, as hex. */
async function rowsOf(folder: string): Promise<string[]> {
  const db = new Level<Buffer, Buffer>(join(folder, 'db'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  })
  const rows = await db.iterator().all()
  await db.close()
  return rows.map(([key, value]) => `${key.toString('hex')} ${value.toString('hex')}`)
}

for (const [ordinal, { name }] of DISKS.entries()) {
  t.test(`${name} marked with a newer format is refused and left untouched`, async (t) => {
    const folder = await copyOf(t, join(GOLDEN, `format-${FORMAT_ENABLED}`, name))
    await writeFile(join(folder, 'format'), `${FORMAT_NEWEST + 1}\n`)
    // Whatever else would make it do something at the start.
    await writeFile(join(folder, 'condemned'), 'damaged\n')
    const before = await sumOf(folder)
    const found = `${folder} has storage format ${FORMAT_NEWEST + 1}`
    const message = `${found}; this version reads up to ${FORMAT_NEWEST}`
    const refused = { code: 'format-too-new', message }
    await t.rejects(openDisk(configOf(folder, ordinal), log), refused)
    t.equal(await sumOf(folder), before)
  })
}
