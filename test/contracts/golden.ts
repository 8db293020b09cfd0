/**
 * Writes golden data folders: what the three replicas of a cluster hold, by the real storage code,
 * in the format that this version writes. They are checked in under `test/golden/format-<n>` and
 * never written again, so that each later version shows that it reads them (golden.test.ts).
 *
 *     db-0   a log compacted up to 6, applied up to 10 of 12; tables and a write-ahead log
 *     db-1   the whole log, all of it applied; its vote in the newest term
 *     db-2   a snapshot of db-0 received and switched in (generation 2), and the two entries above
 *     snapshot, snapshot-head   that snapshot as it travelled
 *
 * `node test/contracts/golden.ts write` writes the folder of the present format, once.
 */

import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Level } from 'level'
import { type Entry, makeEntry, payloadOf } from '../../src/database/consensus/entry.ts'
import {
  encodeLeadRecord,
  encodeMembership,
  genesisEntry,
} from '../../src/database/consensus/membership.ts'
import {
  type HardState,
  type Membership,
  memberId,
  type SnapshotMeta,
} from '../../src/database/consensus/types.ts'
import { encodePayload, encodeSegment } from '../../src/database/kv/codec.ts'
import { KvState } from '../../src/database/kv/state.ts'
import type { Command, Segment } from '../../src/database/kv/types.ts'
import { encodeSnapshotHead } from '../../src/database/peers/hello-codec.ts'
import type { Storage } from '../../src/database/replica/ports.ts'
import { databaseFolder, prepareFolder } from '../../src/database/storage/folder.ts'
import { levelOptions } from '../../src/database/storage/level-options.ts'
import { openStorage } from '../../src/database/storage/open-storage.ts'
import { FORMAT_ENABLED } from '../../src/shared/formats.ts'
import { del, put } from '../unit/kv/support.ts'
import { writeOf } from './made-log.ts'

export const GOLDEN = fileURLToPath(new URL('../golden', import.meta.url))
export const CLUSTER_ID = '0c000000-0000-4000-8000-000000000001'
export const HISTORY = '0c000000-0000-4000-8000-000000000002'
export const START_MS = 1_700_000_000_000
const BALLAST_BYTES = 4096

export const incarnationOf = (ordinal: number) => `0${ordinal}000000-0000-4000-8000-000000000000`
const members = [0, 1, 2].map((ordinal) => memberId(ordinal, incarnationOf(ordinal)))
export const MEMBERS = members as [string, string, string]

export function membershipOf(opened: boolean): Membership {
  const lists = { voters: MEMBERS, learners: [], removed: [`2/${incarnationOf(9)}`] }
  return { clusterId: CLUSTER_ID, history: HISTORY, ...lists, opened }
}

const system = (...commands: Command[]): Segment => ({
  session: 0,
  floor: 0,
  commands: commands.map((command) => ({ sequence: 0, command })),
})

function inSession(
  session: number,
  place: { floor: number; from: number },
  ...commands: Command[]
): Segment {
  const numbered = commands.map((command, at) => ({ sequence: place.from + at, command }))
  return { session, floor: place.floor, commands: numbered }
}

/** What the two sessions are known by: the revisions that opened them. */
export const SESSIONS = [1, 10] as const

/** The commands of the entries 4 to 8 and 10 to 12; revisions count from 1. */
const SEGMENTS: readonly (readonly Segment[])[] = [
  [system({ type: 'open-session' })],
  [
    inSession(
      1,
      { floor: 0, from: 1 },
      put('greeting', 'hello'),
      put('empty', '', { contentType: 'application/octet-stream' }),
      put('ä/key', 'ö', { contentType: 'text/plain; charset=utf-8' }),
    ),
  ],
  [
    inSession(
      1,
      { floor: 0, from: 4 },
      put('greeting', 'hello again'),
      del('empty'),
      put('gone', 'soon', { ttl_ms: 1 }),
      put('greeting', 'no', { condition: { noneMatch: 'any' } }),
    ),
  ],
  [system({ type: 'expire', key: Buffer.from('gone'), revision: 7 }, { type: 'open-session' })],
  [
    inSession(
      10,
      { floor: 0, from: 1 },
      put('temporary', 'an hour', { ttl_ms: 3_600_000 }),
      {
        type: 'transaction',
        compare: [{ key: Buffer.from('greeting'), condition: { match: [5] } }],
        success: [put('transaction/a', 'A'), del('nothing')],
        failure: [put('transaction/b', 'B')],
      },
      put('binary', '\0\x01\x7f', { contentType: '' }),
    ),
  ],
  [inSession(1, { floor: 5, from: 8 }, put('counter', '1'))],
  [
    inSession(1, { floor: 5, from: 9 }, put('counter', '2', { condition: { match: [14] } })),
    inSession(10, { floor: 2, from: 5 }, put('gap', 'in the sequence')),
  ],
  [inSession(10, { floor: 2, from: 6 }, del('counter', { match: [99] }), put('last', 'entry'))],
]

/** The log of the cluster, twelve entries in three terms. */
export function goldenLog(format = FORMAT_ENABLED): Entry[] {
  const log = [genesisEntry(membershipOf(false), START_MS)]
  const add = (term: number, type: Entry['type'], payload: Uint8Array, count = 0) => {
    const last = log.at(-1) as Entry
    const head = {
      index: last.index + 1,
      term,
      type,
      time_ms: last.time_ms + 10,
      firstRevision: last.firstRevision + last.count,
      count,
    }
    log.push(makeEntry(head, payload, last.chain, format))
  }
  const commands = (term: number, segments: readonly Segment[]) => {
    const count = segments.reduce((sum, segment) => sum + segment.commands.length, 0)
    add(term, 'commands', encodePayload(segments.map(encodeSegment)), count)
  }
  add(2, 'noop', encodeLeadRecord({ leader: MEMBERS[0], reason: 'lowest-ordinal' }))
  add(2, 'membership', encodeMembership(membershipOf(true)))
  for (const segments of SEGMENTS.slice(0, 5)) commands(2, segments)
  add(3, 'noop', encodeLeadRecord({ leader: MEMBERS[1], reason: 'stand-in' }))
  for (const segments of SEGMENTS.slice(5)) commands(3, segments)
  return log
}

async function openFolder(folder: string, ordinal: number): Promise<Storage> {
  await prepareFolder({ folder, lockHeld: async () => false, ballast_bytes: BALLAST_BYTES })
  const db = new Level<Buffer, Buffer>(databaseFolder(folder), levelOptions(0))
  await db.open()
  return await openStorage(db, {
    folder,
    ballast_bytes: BALLAST_BYTES,
    identity: { ordinal, clusterName: 'db', newIncarnation: () => incarnationOf(ordinal) },
  })
}

/** Applies the entries up to this index and writes what they change. */
async function applyUpTo(storage: Storage, entries: readonly Entry[], index: number) {
  const { meta, sessions } = await storage.load()
  const state = new KvState(storage.records, { meta, sessions })
  for (const entry of entries) {
    if (entry.index > state.applied && entry.index <= index) state.apply(entry, payloadOf(entry))
  }
  await storage.write({ writes: [], changes: state.takeChanges() })
}

async function append(storage: Storage, hardState: HardState, entries: readonly Entry[]) {
  await storage.write({ writes: [writeOf({ hardState, entries })], changes: undefined })
}

/** Only what a disk must have to be opened: no lock, none of LevelDB's own prose. */
async function tidy(folder: string): Promise<void> {
  await rm(join(folder, 'ballast'), { force: true })
  for (const name of await readdir(databaseFolder(folder))) {
    if (/^LO(CK|G)/.test(name)) await rm(join(databaseFolder(folder), name))
  }
}

async function writeFirst(folder: string, log: readonly Entry[]) {
  const before = await openFolder(folder, 0)
  await before.load()
  await before.adopt(CLUSTER_ID)
  await append(before, { term: 2, vote: MEMBERS[0] }, log.slice(0, 8))
  await applyUpTo(before, log, 8)
  await before.compact(6)
  await before.close()
  // Opened again, LevelDB has put into a table what its log held.
  const storage = await openFolder(folder, 0)
  await storage.load()
  await append(storage, { term: 3, vote: '' }, log.slice(8))
  await applyUpTo(storage, log, 10)
  const source = await storage.openSnapshot()
  const chunks = await Array.fromAsync(source.chunks())
  await source.close()
  await storage.close()
  return { meta: source.meta, chunks }
}

async function writeWhole(folder: string, log: readonly Entry[]) {
  const storage = await openFolder(folder, 1)
  await storage.load()
  await storage.adopt(CLUSTER_ID)
  await append(storage, { term: 3, vote: MEMBERS[1] }, log)
  await applyUpTo(storage, log, 12)
  await storage.close()
}

async function writeFollower(
  folder: string,
  log: readonly Entry[],
  { meta, chunks }: { meta: SnapshotMeta; chunks: readonly Uint8Array[] },
) {
  const storage = await openFolder(folder, 2)
  await storage.load()
  await storage.adopt(CLUSTER_ID)
  const stream = async function* () {
    yield* chunks
  }
  await storage.receiveSnapshot(meta, stream())
  const install = { meta, keepLog: false }
  const hardState = { term: 3, vote: '' }
  await storage.write({ writes: [writeOf({ install, hardState })], changes: undefined })
  await append(storage, hardState, log.slice(10))
  while (!(await storage.sweep()));
  await storage.close()
}

/** Writes the folders of one format into `folder`. */
export async function writeGolden(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const log = goldenLog()
  const snapshot = await writeFirst(join(folder, 'db-0'), log)
  await writeWhole(join(folder, 'db-1'), log)
  await writeFollower(join(folder, 'db-2'), log, snapshot)
  const [from, , to] = MEMBERS
  const head = encodeSnapshotHead({ from, to, term: 3, meta: snapshot.meta })
  await writeFile(join(folder, 'snapshot-head'), head)
  await writeFile(join(folder, 'snapshot'), Buffer.concat(snapshot.chunks))
  for (const ordinal of [0, 1, 2]) await tidy(join(folder, `db-${ordinal}`))
}

if (import.meta.main && process.argv[2] === 'write') {
  const folder = join(GOLDEN, `format-${FORMAT_ENABLED}`)
  if (existsSync(folder)) throw new Error(`${folder} is there, and golden folders stay as they are`)
  await writeGolden(folder)
  process.stdout.write(`${folder}\n`)
}
