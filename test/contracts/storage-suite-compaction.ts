/** The storage suite's part about deleting the beginning of the log. */

import type { Test } from 'tap'
import { membershipOf, writeOf } from './made-log.ts'
import { again, filled, type Suite } from './storage-suite.ts'

export async function compactionTests(t: Test, suite: Suite): Promise<void> {
  await t.test('the log starts behind the base, which keeps what must be known', async (t) => {
    const world = await suite.create(t)
    const { storage, log } = await filled(world)
    t.equal(await storage.compact(4), 4)
    t.strictSame(await storage.readEntries(4, 1e6), [])
    t.equal((await storage.readEntries(5, 1e6)).length, 7)
    const { consensus } = await (await again(world)).load()
    const { chain, term, time_ms } = log.at(4)
    t.match(consensus.base, { index: 4, chain, term, time_ms, nextRevision: 4 })
    t.strictSame(consensus.base.membership, membershipOf('0/a', '1/b', '2/c'))
    t.strictSame(consensus.memberships, [])
    t.strictSame(consensus.termRuns, [
      { index: 5, term: 1 },
      { index: 7, term: 2 },
    ])
  })

  await t.test('reading entries that a compaction takes at that moment is no damage', async (t) => {
    for (let turns = 0; turns < 12; turns += 1) {
      const { storage } = await filled(await suite.create(t))
      const compacted = storage.compact(6)
      for (let turn = 0; turn < turns; turn += 1) await new Promise(process.nextTick)
      const indexes = (await storage.readEntries(3, 1e6)).map(({ index }) => index)
      t.ok(indexes.length === 0 || indexes[0] === 3, `${turns} turns later: ${indexes}`)
      await compacted
    }
  })

  await t.test('nothing above the applied index is deleted', async (t) => {
    const world = await suite.create(t)
    const { storage } = await filled(world)
    t.equal(await storage.compact(9), 6)
    t.equal(await storage.compact(3), 6, 'and the base never goes back')
    t.equal((await (await again(world)).load()).consensus.base.index, 6)
  })

  await t.test('a long log is compacted in bounded steps', async (t) => {
    const world = await suite.create(t)
    const { storage, log, state } = await filled(world)
    const entries = log.commands(2, 10_000, 'x')
    await storage.write({ writes: [writeOf({ entries })], changes: state.take(log.at(10_011)) })
    const reached = await storage.compact(10_000)
    t.ok(reached > 6 && reached < 10_000, `one call stops at ${reached}`)
    let base = reached
    while (base < 10_000) base = await storage.compact(10_000)
    t.equal(base, 10_000)
    const { consensus } = await (await again(world)).load()
    t.equal(consensus.base.index, 10_000)
    t.equal(consensus.lastIndex, 10_011)
  })
}
