/**
 * One flipped byte at hundreds of places of a stopped replica's files. Either the next start
 * reports it, sets the data aside and goes on as a new incarnation that may only join; or all that
 * is read from the disk, absent keys too, is what was there before.
 *
 * Each flip goes through the very code that `ordinal replica` starts with (openDisk), in this
 * process, on a copy; damage-live.test.ts does a handful with whole replicas in their cluster.
 */

import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { openDisk } from '../../src/commands/open-disk.ts'
import type { Storage, StoredState } from '../../src/database/replica/ports.ts'
import { databaseFolder } from '../../src/database/storage/folder.ts'
import { readReplicaConfig } from '../../src/shared/config.ts'
import { startCluster } from '../cluster/harness.ts'
import { randomFrom, seedOfRun } from '../contracts/random.ts'
import { agreed, replicaNames } from './agreement.ts'
import { bitsOf, type Flip, flip, flipsIn, type Section, sectionsOf } from './file-sections.ts'
import { Client, Load } from './workload.ts'

const PLACES = Number(process.env['ORDINAL_PLACES'] ?? 24)
/** Each start moves what the log holds into a table of its own; the fourth merges them. */
const STARTS = 3
const CLIENTS = 16
const WRITES = 500
const LOAD_MS_MAX = 30_000
/** CRC, length and type of the record, sequence and count of its batch. */
const RECORD_HEAD_BYTES = 7 + 12
/** `MANIFEST-000007` and the end of its line. */
const CURRENT_BYTES = 16
const ENTRIES_BYTES = 64 * 1024 * 1024
const LIST_KEYS = 100_000

const seed = seedOfRun()
const random = randomFrom(seed)
t.comment(`ORDINAL_SEED=${seed}`)

/** Everything that a replica starts from, as text. */
type Picture = { readonly state: string; readonly entries: string; readonly records: string }

async function pictureOf(storage: Storage, stored: StoredState): Promise<Picture> {
  const { hardState, base, lastIndex, applied } = stored.consensus
  const entries = await storage.readEntries(base.index + 1, ENTRIES_BYTES)
  const listed = await storage.list({ prefix: Buffer.alloc(0), after: undefined, limit: LIST_KEYS })
  // One by one as well: a list goes past the tables' filters, which decide what is absent.
  const records = listed.map(({ key, record }) => {
    const read = storage.records.get(key)
    return `${text(key)} ${text(record)} ${read === undefined ? 'absent' : text(read)}`
  })
  for (let number = 0; number < 200; number += 1) {
    const key = Buffer.from(`load/absent/${number}`)
    records.push(`${text(key)} ${storage.records.get(key) === undefined ? 'absent' : 'there'}`)
  }
  const state = { hardState, base, lastIndex, applied, meta: stored.meta, id: storage.identity }
  return {
    state: JSON.stringify([state, stored.sessions]),
    entries: entries.map(({ bytes }) => text(bytes)).join('\n'),
    records: records.join('\n'),
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

async function openFolder(folder: string, name: string) {
  const config = readReplicaConfig({
    ORDINAL_NAME: name,
    ORDINAL_DATA: folder,
    ORDINAL_BALLAST_BYTES: '0',
  })
  const disk = await openDisk(config, pino({ level: 'silent' }))
  try {
    const { identity } = disk.storage
    const picture = await pictureOf(disk.storage, disk.stored)
    return { notes: disk.notes, identity, lastIndex: disk.stored.consensus.lastIndex, picture }
  } finally {
    await disk.storage.close()
  }
}

/** Replicas' folders with tables, a MANIFEST of many edits and a log; and the last write. */
async function stoppedCluster(
  t: Test,
): Promise<{ folder: string; names: string[]; marker: string }> {
  const folder = join(t.testdir({}), 'data')
  const marker = `the-last-write-${seed}`
  let names: string[] = []
  for (let start = 1; start <= STARTS; start += 1) {
    const cluster = await startCluster({ dataFolder: folder })
    t.teardown(() => cluster.stop())
    await cluster.ready()
    names = replicaNames(cluster)
    const load = new Load({ url: cluster.url, clients: CLIENTS, prefix: `load/${start}` })
    t.teardown(() => load.close())
    load.start()
    await load.acknowledge(WRITES, LOAD_MS_MAX)
    await load.stop()
    if (start === STARTS) {
      const client = new Client(1)
      t.teardown(() => client.close())
      const last = await client.call(`${cluster.url}/v1/kv/last`, 'PUT', marker)
      t.equal(last.status, 201)
    }
    await agreed(cluster)
    await cluster.stop()
  }
  return { folder, names, marker }
}

type Verdict = 'reported' | 'unchanged'

/** Throws what is wrong. */
async function verdictOn(
  copy: string,
  name: string,
  before: Awaited<ReturnType<typeof openFolder>>,
): Promise<Verdict> {
  const after = await openFolder(copy, name)
  if (after.notes.length === 0) {
    for (const part of ['state', 'entries', 'records'] as const) {
      if (after.picture[part] !== before.picture[part]) throw new Error(`the ${part} changed`)
    }
    return 'unchanged'
  }
  if (!after.notes.some((note) => note.startsWith('data was set aside'))) {
    throw new Error(`notes: ${after.notes}`)
  }
  if (after.identity.incarnation === before.identity.incarnation) {
    throw new Error('set aside, and still the same incarnation')
  }
  if (after.identity.clusterId !== before.identity.clusterId) {
    throw new Error('set aside, and the cluster is forgotten: it may found another one')
  }
  if (after.lastIndex !== 0) throw new Error('set aside, and there is a log')
  if (!existsSync(join(copy, 'set-aside', 'db'))) throw new Error('set aside to nowhere')
  return 'reported'
}

t.test('one flipped byte anywhere is reported, or changes nothing', async (t) => {
  const { folder, names, marker } = await stoppedCluster(t)
  const copy = join(folder, 'copy')
  for (const name of names) {
    const source = join(folder, name)
    const copyFresh = () => {
      rmSync(copy, { recursive: true, force: true })
      cpSync(source, copy, { recursive: true })
    }
    copyFresh()
    const before = await openFolder(copy, name)
    t.strictSame(before.notes, [], `${name} is sound before`)
    // As an entry: a replica stopped within 50 ms of applying it has not stored it as a record yet.
    t.match(before.picture.entries, marker, `${name} holds the last write`)
    const sections = await sectionsOf(databaseFolder(source), marker)
    const wanted = ['name', 'last record', 'record of the last write', 'data', 'filter', 'footer']
    for (const part of wanted)
      t.ok(
        sections.some((one) => one.part === part),
        `there is a ${part}`,
      )
    for (const section of sections) {
      const counts = { reported: 0, unchanged: 0 }
      const wrong: string[] = []
      for (const place of placesIn(section, name === names[0])) {
        copyFresh()
        flip(databaseFolder(copy), place)
        try {
          counts[await verdictOn(copy, name, before)] += 1
        } catch (error) {
          wrong.push(`${describe(place)}: ${(error as Error).message}`)
        }
      }
      const what = `${name} ${section.file}, ${section.part}`
      t.strictSame(wrong, [], `${what}: ${counts.reported} reported, ${counts.unchanged} harmless`)
    }
  }
})

/**
 * The header of a log's last record decides whether it counts as cut short by a crash: there each
 * bit is tried. CURRENT, which is short, is tried whole.
 */
function placesIn(section: Section, thoroughly: boolean): Flip[] {
  const places = flipsIn(section, PLACES, random)
  if (!thoroughly) return places
  if (section.part === 'last record') return [...places, ...bitsOf(section, RECORD_HEAD_BYTES)]
  return section.part === 'name' ? [...places, ...bitsOf(section, CURRENT_BYTES)] : places
}

function describe({ file, at, mask }: Flip): string {
  return `${file} at ${at}, flipped by 0x${mask.toString(16)}`
}
