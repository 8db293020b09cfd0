/** The storage suite's part about damage that LevelDB itself would not notice. */

import type { Test } from 'tap'
import type { Storage } from '../../src/database/replica/ports.ts'
import { logKey } from '../../src/database/storage/layout.ts'
import { contentsOf } from './made-log.ts'
import { again, filled, openOn, type Suite, type World } from './storage-suite.ts'

const damaged = { code: 'data-damaged' }

/** One whole pass of the scrub, wherever it stands: it reads a bounded part each time. */
async function scrubAll(storage: Storage): Promise<void> {
  for (let pass = 0; pass < 20; pass += 1) await storage.scrub()
}

async function flip(world: World, key: Buffer, at: number): Promise<() => Promise<void>> {
  const value = world.db.getSync(key)
  if (value === undefined || value.length === 0) throw new Error('nothing to flip')
  const altered = Buffer.from(value)
  altered.writeUInt8(altered.readUInt8(at % value.length) ^ 0x10, at % value.length)
  await world.db.put(key, altered)
  return () => world.db.put(key, value)
}

export async function damageTests(t: Test, suite: Suite): Promise<void> {
  await t.test(
    'a flipped bit in any stored value is found by reading and by the scrub',
    async (t) => {
      const world = await suite.create(t)
      const { storage } = await filled(world)
      await scrubAll(storage)
      const keys = await world.db.keys().all()
      t.ok(keys.length > 20)
      for (const [number, key] of keys.entries()) {
        const mend = await flip(world, key, 3 * number)
        const name = JSON.stringify(key.toString('latin1'))
        await t.rejects(scrubAll(storage), damaged, `the scrub finds ${name}`)
        await t.rejects(openOn(world).then(contentsOf), damaged, `reading finds ${name}`)
        await mend()
        await scrubAll(storage)
      }
      await contentsOf(await openOn(world))
    },
  )

  await t.test('a damaged record is never given out', async (t) => {
    const world = await suite.create(t)
    const { storage } = await filled(world)
    const keys = await world.db.keys().all()
    const key = keys.find((key) => key.toString('latin1').endsWith('k/a/1'))
    if (key === undefined) throw new Error('no such record')
    await flip(world, key, 40)
    t.throws(() => storage.records.get(Buffer.from('a/1')), damaged)
    await t.rejects(storage.list({ prefix: Buffer.alloc(0), after: undefined, limit: 9 }), damaged)
    t.type(storage.records.get(Buffer.from('a/2')), Buffer)
  })

  await t.test('a record under another key is damage', async (t) => {
    const world = await suite.create(t)
    const { storage } = await filled(world)
    const keys = await world.db.keys().all()
    const [one, other] = keys.filter((key) => key.toString('latin1').includes('k/a/'))
    if (one === undefined || other === undefined) throw new Error('no such records')
    await world.db.put(one, world.db.getSync(other) ?? Buffer.alloc(0))
    t.throws(() => storage.records.get(Buffer.from('a/1')), damaged)
  })

  await t.test(
    'a log entry that vanished is damage, from the middle and from the end',
    async (t) => {
      for (const index of [1, 3, 6]) {
        const world = await suite.create(t)
        const { storage } = await filled(world)
        await world.db.del(logKey(index))
        await t.rejects(storage.load(), damaged, `entry ${index}`)
        await t.rejects(
          openOn(world).then((again) => again.load()),
          damaged,
        )
      }
    },
  )

  await t.test('an entry of another log is damage', async (t) => {
    const world = await suite.create(t)
    const { storage, log } = await filled(world)
    log.cut(8)
    const [entry] = log.commands(2, 1, 'another payload')
    await world.db.put(logKey(8), Buffer.from(entry?.bytes ?? ''))
    await t.rejects(storage.load(), damaged)
    await t.rejects(scrubAll(storage), damaged)
  })

  await t.test('an applied index that the log does not reach is damage', async (t) => {
    const world = await suite.create(t)
    const { storage } = await filled(world)
    for (let index = 6; index <= 11; index += 1) await world.db.del(logKey(index))
    await t.rejects(storage.load(), damaged)
  })

  await t.test('data without an identity is not formatted over', async (t) => {
    const world = await suite.create(t)
    await filled(world)
    await world.db.del(Buffer.from('m/identity'))
    await t.rejects(openOn(world), damaged)
  })

  await t.test('the scrub reads all of a sound disk, again and again', async (t) => {
    const world = await suite.create(t)
    const { storage, log, state } = await filled(world)
    for (let number = 0; number < 300; number += 1) {
      state.put(`large/${number}`, Buffer.alloc(20_000, number))
    }
    await storage.write({ writes: [], changes: state.take(log.at(8)) })
    await scrubAll(storage)
    const after = await again(world)
    await scrubAll(after)
    const keys = await world.db.keys().all()
    const last = keys.findLast((key) => key.toString('latin1').includes('large/'))
    await flip(world, last ?? Buffer.alloc(0), 10_000)
    await t.rejects(scrubAll(after), damaged)
  })
}
