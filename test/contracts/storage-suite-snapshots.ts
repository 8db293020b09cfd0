/** The storage suite's part about snapshots: sent, received, switched in, and swept up after. */

import type { Test } from 'tap'
import type { SnapshotMeta } from '../../src/database/consensus/types.ts'
import type { Storage } from '../../src/database/replica/ports.ts'
import { contentsOf, MadeLog, MadeState, membershipOf, metaOf, writeOf } from './made-log.ts'
import { again, filled, openOn, type Suite, type World } from './storage-suite.ts'

async function chunksOf(storage: Storage) {
  const source = await storage.openSnapshot()
  const chunks = await Array.fromAsync(source.chunks())
  await source.close()
  return { meta: source.meta, chunks }
}

async function* streamOf(chunks: Iterable<Uint8Array>) {
  yield* chunks
}

const stateOf = async (storage: Storage) => {
  const { meta, sessions, records, expiring } = (await contentsOf(storage)) as Record<
    string,
    unknown
  >
  return { meta, sessions, records, expiring }
}

async function sweepAll(storage: Storage): Promise<void> {
  while (!(await storage.sweep()));
}

async function keysStartingWith(world: World, start: string): Promise<number> {
  const keys = await world.db.keys().all()
  return keys.filter((key) => key.toString('latin1').startsWith(start)).length
}

export async function snapshotTests(t: Test, suite: Suite): Promise<void> {
  await t.test('it carries the state of its moment while writing goes on', async (t) => {
    const from = await suite.create(t)
    const { storage, log, state } = await filled(from)
    for (let number = 0; number < 3000; number += 1) {
      state.put(`many/${number}`, Buffer.alloc(300, number))
    }
    await storage.write({ writes: [], changes: state.take(log.at(8)) })
    const expected = await stateOf(storage)
    const source = await storage.openSnapshot()
    t.strictSame(source.meta, metaOf(log.at(8), membershipOf('0/a', '1/b', '2/c')))

    const to = await suite.create(t)
    const receiver = await openOn(to)
    await receiver.load()
    const interrupted = async function* () {
      for await (const chunk of source.chunks()) {
        state.put('a', `changed ${chunk.length}`)
        state.delete('b')
        const entries = log.commands(2, 1)
        const last = entries[0] ?? log.at(1)
        await storage.write({ writes: [writeOf({ entries })], changes: state.take(last) })
        // The receiver's own writer goes on too.
        const hardState = { term: last.index, vote: '' }
        await receiver.write({ writes: [writeOf({ hardState })], changes: undefined })
        yield chunk
      }
    }
    await receiver.receiveSnapshot(source.meta, interrupted())
    await source.close()
    t.equal((await receiver.load()).meta.applied, 0, 'not switched in yet')
    const install = { meta: source.meta, keepLog: false }
    await receiver.write({ writes: [writeOf({ install })], changes: undefined })
    t.strictSame(await stateOf(receiver), expected)
    t.strictSame(await stateOf(await again(to)), expected)
    t.notSame(await stateOf(storage), expected)
  })

  await t.test('one is taken where the log begins at the applied index', async (t) => {
    const world = await suite.create(t)
    const { storage, log } = await filled(world)
    await storage.compact(6)
    const { meta } = await chunksOf(storage)
    t.strictSame(meta, metaOf(log.at(6), membershipOf('0/a', '1/b', '2/c')))
  })

  await t.test('none can be taken of an empty replica', async (t) => {
    const storage = await openOn(await suite.create(t))
    await storage.load()
    await t.rejects(storage.openSnapshot(), { code: 'bad-request' })
  })

  for (const keepLog of [true, false])
    await t.test(`switched in with keepLog ${keepLog}`, async (t) => {
      const from = await filled(await suite.create(t))
      from.state.put('new', 'from the snapshot')
      await from.storage.write({ writes: [], changes: from.state.take(from.log.at(9)) })
      const { meta, chunks } = await chunksOf(from.storage)
      const expected = await stateOf(from.storage)

      const to = await suite.create(t)
      const { storage } = await filled(to)
      await storage.receiveSnapshot(meta, streamOf(chunks))
      await storage.write({ writes: [writeOf({ install: { meta, keepLog } })], changes: undefined })
      const check = async (after: Storage) => {
        const { consensus } = await after.load()
        t.equal(consensus.lastIndex, keepLog ? 11 : 9)
        t.equal(consensus.tail.length, keepLog ? 2 : 0)
        t.equal(consensus.applied, 9)
        t.strictSame(consensus.base, meta)
        t.strictSame(await stateOf(after), expected)
      }
      await check(storage)
      const after = await again(to)
      await check(after)
      t.not(await keysStartingWith(to, 'g/\0\0\0\u0001/'), 0)
      await sweepAll(after)
      t.equal(await keysStartingWith(to, 'g/\0\0\0\u0001/'), 0, 'the old generation is gone')
      t.equal(await keysStartingWith(to, 'l/'), keepLog ? 2 : 0, 'and the old log')
      await check(await again(to))
    })

  await t.test('changes from before it are dropped, later ones belong to it', async (t) => {
    const from = await filled(await suite.create(t))
    const { meta, chunks } = await chunksOf(from.storage)
    const to = await suite.create(t)
    const storage = await openOn(to)
    await storage.load()
    const log = new MadeLog()
    const state = new MadeState()
    log.membership(1, membershipOf('0/a'))
    state.put('dropped', '')
    await storage.write({
      writes: [writeOf({ entries: log.entries, hardState: { term: 2, vote: '' } })],
      changes: undefined,
    })
    await storage.receiveSnapshot(meta, streamOf(chunks))
    const install = { meta, keepLog: false }
    await storage.write({ writes: [writeOf({ install })], changes: state.take(log.at(1)) })
    t.strictSame(await stateOf(await again(to)), await stateOf(from.storage))
  })

  await t.test('a broken stream changes nothing, and a whole one works after it', async (t) => {
    const from = await filled(await suite.create(t))
    for (let number = 0; number < 2000; number += 1) {
      from.state.put(`many/${number}`, Buffer.alloc(300, number))
    }
    await from.storage.write({ writes: [], changes: from.state.take(from.log.at(9)) })
    const { meta, chunks } = await chunksOf(from.storage)
    t.ok(chunks.length > 2)
    const flipped = chunks.map((chunk) => Buffer.from(chunk))
    flipped[1]?.writeUInt8((flipped[1].readUInt8(1000) ^ 1) & 0xff, 1000)

    const to = await suite.create(t)
    const { storage } = await filled(to)
    const before = await contentsOf(storage)
    const refused = { code: 'malformed-frame' }
    const broken = [chunks.slice(0, -1), chunks.toSpliced(1, 1), flipped, [...chunks, chunks[0]]]
    for (const stream of broken as Uint8Array[][]) {
      await t.rejects(storage.receiveSnapshot(meta, streamOf(stream)), refused)
      const install = writeOf({ install: { meta, keepLog: false } })
      const write = storage.write({ writes: [install], changes: undefined })
      await t.rejects(write, { name: 'InvariantError' }, 'nothing to switch in')
    }
    const other = { ...meta, index: meta.index - 1 }
    await t.rejects(storage.receiveSnapshot(other, streamOf(chunks)), refused)
    t.strictSame(await contentsOf(storage), before)
    await storage.receiveSnapshot(meta, streamOf(chunks))
    await storage.write({
      writes: [writeOf({ install: { meta, keepLog: false } })],
      changes: undefined,
    })
    t.strictSame(await stateOf(await again(to)), await stateOf(from.storage))
  })

  await t.test('one that was not switched in is swept after a restart', async (t) => {
    const from = await filled(await suite.create(t))
    from.state.put('new', '')
    await from.storage.write({ writes: [], changes: from.state.take(from.log.at(9)) })
    const { meta, chunks } = await chunksOf(from.storage)
    const to = await suite.create(t)
    const { storage } = await filled(to)
    const before = await contentsOf(storage)
    await storage.receiveSnapshot(meta, streamOf(chunks))
    await sweepAll(storage)
    t.not(await keysStartingWith(to, 'g/\0\0\0\u0002/'), 0, 'kept while it may be switched in')
    const after = await again(to)
    await sweepAll(after)
    t.equal(await keysStartingWith(to, 'g/\0\0\0\u0002/'), 0)
    t.strictSame(await contentsOf(after), before)
  })

  await t.test('a sweep under way leaves alone what begins to be received', async (t) => {
    const from = await filled(await suite.create(t))
    await from.storage.write({ writes: [], changes: from.state.take(from.log.at(9)) })
    const first = await chunksOf(from.storage)
    for (let number = 0; number < 50; number += 1) from.state.put(`many/${number}`, 'new')
    await from.storage.write({ writes: [], changes: from.state.take(from.log.at(11)) })
    const second = await chunksOf(from.storage)
    const expected = await stateOf(from.storage)
    const switchIn = (meta: SnapshotMeta) => ({
      writes: [writeOf({ install: { meta, keepLog: false } })],
      changes: undefined,
    })
    // However far the sweep has come by then.
    for (let turns = 0; turns < 12; turns += 1) {
      const { storage } = await filled(await suite.create(t))
      await storage.receiveSnapshot(first.meta, streamOf(first.chunks))
      await storage.write(switchIn(first.meta))
      // The old log and the old generation are swept, what is received now lies behind both.
      const swept = storage.sweep()
      for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
      await storage.receiveSnapshot(second.meta, streamOf(second.chunks))
      await swept
      await storage.write(switchIn(second.meta))
      t.strictSame(await stateOf(storage), expected, `${turns} turns later`)
    }
  })

  await t.test('closing the storage ends one that is being read', async (t) => {
    const { storage } = await filled(await suite.create(t))
    const source = await storage.openSnapshot()
    const chunks = source.chunks()[Symbol.asyncIterator]()
    t.notOk((await chunks.next()).done)
    await storage.close()
    await source.close()
  })

  await t.test('while one is open, compaction keeps the log above it', async (t) => {
    const { storage, log, state } = await filled(await suite.create(t))
    const source = await storage.openSnapshot()
    await storage.write({ writes: [], changes: state.take(log.at(11)) })
    t.equal(await storage.compact(11), 6)
    await source.close()
    t.equal(await storage.compact(11), 11)
  })
}
