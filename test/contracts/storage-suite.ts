/**
 * What the `Storage` port promises, as tests that any disk under it must pass. A world is one disk:
 * `restart` ends the process (on the simulated disk: the machine) and opens what is left.
 */

import type { Test } from 'tap'
import type { Storage } from '../../src/database/replica/ports.ts'
import type { Database } from '../../src/database/storage/layout.ts'
import { type OpenOptions, openStorage } from '../../src/database/storage/open-storage.ts'
import { contentsOf, MadeLog, MadeState, membershipOf, writeOf } from './made-log.ts'
import { compactionTests } from './storage-suite-compaction.ts'
import { damageTests } from './storage-suite-damage.ts'
import { readTests } from './storage-suite-reads.ts'
import { snapshotTests } from './storage-suite-snapshots.ts'

export type World = {
  readonly db: Database
  restart(): Promise<void>
}

export type Suite = { readonly name: string; create(t: Test): Promise<World> }

let incarnations = 0

export function identityOf(parts: Partial<OpenOptions['identity']> = {}): OpenOptions['identity'] {
  incarnations += 1
  const incarnation = `incarnation-${incarnations}`
  return { ordinal: 0, clusterName: 'db', newIncarnation: () => incarnation, ...parts }
}

export function openOn(
  world: World,
  parts: Partial<OpenOptions['identity']> = {},
): Promise<Storage> {
  return openStorage(world.db, { folder: undefined, identity: identityOf(parts) })
}

/** A restart, and the storage opened and loaded again. */
export async function again(world: World): Promise<Storage> {
  await world.restart()
  const storage = await openOn(world)
  await storage.load()
  return storage
}

/** A storage with a log of ten entries behind its membership, five of them applied. */
export async function filled(world: World) {
  const storage = await openOn(world)
  await storage.load()
  const log = new MadeLog()
  const state = new MadeState()
  log.membership(1, membershipOf('0/a', '1/b', '2/c'))
  log.commands(1, 5)
  log.commands(2, 5)
  for (const key of ['a', 'a/1', 'a/2', 'b', 'c']) state.put(key, `value of ${key}`)
  state.put('temporary', 'x', { expires_ms: 5000 })
  state.session(7, 'seven')
  await storage.write({
    writes: [writeOf({ hardState: { term: 2, vote: '1/b' }, entries: log.entries })],
    changes: state.take(log.at(6)),
  })
  return { storage, log, state }
}

export function storageSuite(t: Test, suite: Suite): void {
  t.test(`${suite.name}: identity`, (t) => identityTests(t, suite))
  t.test(`${suite.name}: writing and loading`, (t) => writeTests(t, suite))
  t.test(`${suite.name}: reading`, (t) => readTests(t, suite))
  t.test(`${suite.name}: compaction`, (t) => compactionTests(t, suite))
  t.test(`${suite.name}: snapshots`, (t) => snapshotTests(t, suite))
  t.test(`${suite.name}: damage`, (t) => damageTests(t, suite))
}

async function identityTests(t: Test, suite: Suite): Promise<void> {
  await t.test('an empty disk is formatted once and keeps its identity', async (t) => {
    const world = await suite.create(t)
    const first = await openOn(world, { ordinal: 3, newIncarnation: () => 'made-first' })
    const expected = { ordinal: 3, incarnation: 'made-first', clusterId: '', clusterName: 'db' }
    t.strictSame(first.identity, expected)
    await world.restart()
    t.strictSame((await openOn(world, { ordinal: 3 })).identity, expected)
  })

  await t.test('a fresh disk loads as nothing applied', async (t) => {
    const world = await suite.create(t)
    const { consensus, meta, sessions } = await (await openOn(world)).load()
    t.match(consensus, { lastIndex: 0, applied: 0, hardState: { term: 0, vote: '' }, tail: [] })
    t.strictSame(consensus.base.membership, undefined)
    t.equal(consensus.base.nextRevision, 1)
    t.match(meta, { applied: 0, revision: 0, keys: 0 })
    t.strictSame(sessions, [])
  })

  await t.test('a disk of another replica or cluster is refused untouched', async (t) => {
    const world = await suite.create(t)
    await openOn(world)
    const before = await world.db.iterator().all()
    await t.rejects(openOn(world, { ordinal: 1 }), { code: 'wrong-replica' })
    await t.rejects(openOn(world, { clusterName: 'other' }), { code: 'wrong-cluster' })
    t.strictSame(await world.db.iterator().all(), before)
  })

  await t.test('a cluster is adopted for good once there is log content', async (t) => {
    const world = await suite.create(t)
    const { storage } = await filled(world)
    await storage.adopt('cluster-1')
    t.equal(storage.identity.clusterId, 'cluster-1')
    await t.rejects(storage.adopt('cluster-2'), { name: 'InvariantError' })
    const later = await again(world)
    t.equal(later.identity.clusterId, 'cluster-1')
    await t.rejects(later.adopt('cluster-2'), { name: 'InvariantError' })
  })

  await t.test('a compacted log holds a cluster as well', async (t) => {
    const world = await suite.create(t)
    const { storage } = await filled(world)
    await storage.adopt('cluster-1')
    t.ok((await storage.compact(6)) > 0, 'there is a base')
    await t.rejects(storage.adopt('cluster-2'), { name: 'InvariantError' })
  })

  await t.test('an empty log may be of another cluster than it remembers', async (t) => {
    const world = await suite.create(t)
    const storage = await openOn(world, { clusterId: 'former' })
    await storage.load()
    await storage.adopt('cluster-2')
    t.equal(storage.identity.clusterId, 'cluster-2')
    t.equal((await again(world)).identity.clusterId, 'cluster-2')
  })

  await t.test('the successor of a set-aside disk belongs to its cluster', async (t) => {
    const world = await suite.create(t)
    const storage = await openOn(world, { clusterId: 'former' })
    t.equal(storage.identity.clusterId, 'former')
  })

  await t.test('forced bootstrap keeps the log under a new cluster', async (t) => {
    const world = await suite.create(t)
    const { storage, log } = await filled(world)
    await storage.adopt('cluster-1')
    const membership = { ...membershipOf('0/forced'), clusterId: 'cluster-2', history: 'h2' }
    await storage.forceBootstrap(membership, 'forced')
    const after = await again(world)
    t.match(after.identity, { clusterId: 'cluster-2', incarnation: 'forced', ordinal: 0 })
    const { consensus } = await after.load()
    t.equal(consensus.lastIndex, (log.last?.index ?? 0) + 1)
    t.strictSame(consensus.memberships.at(-1), { index: consensus.lastIndex, membership })
    t.equal(consensus.hardState.term, 3)
    t.equal(consensus.tail.at(-1)?.term, 3)
  })
}

async function writeTests(t: Test, suite: Suite): Promise<void> {
  await t.test('all parts of a write are there after a restart', async (t) => {
    const world = await suite.create(t)
    const { storage, log } = await filled(world)
    const before = await contentsOf(storage)
    const after = await again(world)
    t.strictSame(await contentsOf(after), before)
    const { consensus, meta, sessions } = await after.load()
    t.strictSame(consensus.hardState, { term: 2, vote: '1/b' })
    t.equal(consensus.lastIndex, 11)
    t.equal(consensus.applied, 6)
    t.strictSame(consensus.termRuns, [
      { index: 1, term: 1 },
      { index: 7, term: 2 },
    ])
    t.strictSame(consensus.memberships, [
      { index: 1, membership: membershipOf('0/a', '1/b', '2/c') },
    ])
    t.strictSame(
      consensus.tail.map(({ bytes }) => Buffer.from(bytes)),
      log.entries.map(({ bytes }) => Buffer.from(bytes)),
    )
    t.equal(meta.keys, 6)
    t.strictSame(
      sessions.map(({ id, bytes }) => [id, String(bytes)]),
      [[7, 'seven']],
    )
  })

  await t.test('a truncated suffix is gone, its memberships too', async (t) => {
    const world = await suite.create(t)
    const { storage, log } = await filled(world)
    const added = log.membership(2, membershipOf('0/a'))
    await storage.write({ writes: [writeOf({ entries: [added] })], changes: undefined })
    t.equal((await storage.load()).consensus.memberships.length, 2)
    log.cut(10)
    const entries = log.commands(3, 1)
    await storage.write({
      writes: [writeOf({ truncateFrom: 10, entries, hardState: { term: 3, vote: '' } })],
      changes: undefined,
    })
    const { consensus } = await (await again(world)).load()
    t.equal(consensus.lastIndex, 10)
    t.equal(consensus.memberships.length, 1)
    t.strictSame(consensus.termRuns.at(-1), { index: 10, term: 3 })
  })

  await t.test('several writes of one call take effect in their order', async (t) => {
    const world = await suite.create(t)
    const { storage, log } = await filled(world)
    const first = log.commands(2, 3)
    log.cut(13)
    const second = log.commands(3, 4)
    await storage.write({
      writes: [
        writeOf({ id: 1, entries: first, hardState: { term: 2, vote: '' } }),
        writeOf({ id: 2, truncateFrom: 13, entries: second, hardState: { term: 3, vote: 'v' } }),
      ],
      changes: undefined,
    })
    const { consensus } = await (await again(world)).load()
    t.equal(consensus.lastIndex, 16)
    t.strictSame(consensus.hardState, { term: 3, vote: 'v' })
    t.equal(consensus.tail.find(({ index }) => index === 13)?.term, 3)
  })

  await t.test('deleted records, expiries and sessions are gone', async (t) => {
    const world = await suite.create(t)
    const { storage, log, state } = await filled(world)
    state.delete('a/1')
    state.delete('temporary')
    state.session(7, undefined)
    state.session(8, 'eight')
    await storage.write({ writes: [], changes: state.take(log.at(8)) })
    const after = await again(world)
    t.equal(after.records.get(Buffer.from('a/1')), undefined)
    t.strictSame(await after.expiring(1e9, 10), [])
    const { sessions } = await after.load()
    t.strictSame(
      sessions.map(({ id }) => id),
      [8],
    )
  })

  await t.test('a second write before the first is synced is a programmer error', async (t) => {
    const world = await suite.create(t)
    const { storage } = await filled(world)
    const write = { writes: [writeOf({ hardState: { term: 4, vote: '' } })], changes: undefined }
    const first = storage.write(write)
    await t.rejects(storage.write(write), { name: 'InvariantError' })
    await first
    await storage.write(write)
  })

  await t.test('a gap in the log and applying beyond it are programmer errors', async (t) => {
    const world = await suite.create(t)
    const { storage, log, state } = await filled(world)
    const before = await contentsOf(storage)
    const [, later] = log.commands(2, 2)
    if (later === undefined) throw new Error('no entry')
    const gap = { writes: [writeOf({ entries: [later] })], changes: undefined }
    await t.rejects(storage.write(gap), { name: 'InvariantError' })
    const beyond = { writes: [], changes: state.take(later) }
    await t.rejects(storage.write(beyond), { name: 'InvariantError' })
    t.strictSame(await contentsOf(await again(world)), before)
  })
}
