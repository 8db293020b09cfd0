/** The simulated disk does what it is for: without `sync`, it loses. */

import t from 'tap'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import { randomFrom, seedOfRun } from './random.ts'

const seed = seedOfRun()
t.comment(`ORDINAL_SEED=${seed}`)

async function numbersOn(disk: SimulatedDisk): Promise<number[]> {
  return (await disk.keys().all()).map((key) => key.readUInt32BE(0))
}

function numbered(number: number): Buffer {
  const key = Buffer.alloc(4)
  key.writeUInt32BE(number, 0)
  return key
}

async function write(disk: SimulatedDisk, number: number, sync: boolean): Promise<void> {
  const batch = disk.batch()
  batch.put(numbered(number), Buffer.from('value'))
  await batch.write({ sync } as object)
}

t.test('synced batches survive a crash; of the others, some', async (t) => {
  let disk = new SimulatedDisk({ random: randomFrom(seed) })
  await disk.open()
  for (let number = 0; number < 400; number += 1) await write(disk, number, number % 4 === 0)
  disk = await disk.crash()
  const kept = await numbersOn(disk)
  const synced = kept.filter((number) => number % 4 === 0)
  t.equal(synced.length, 100)
  t.ok(kept.length > 150 && kept.length < 350, `${kept.length} of 400`)
  const lost = 400 - kept.length
  t.ok(
    kept.some((number) => number % 4 !== 0 && number > lost),
    'later ones without earlier ones',
  )
  const again = await numbersOn(await disk.crash())
  t.strictSame(again, kept, 'what survived stays')
})

t.test('a batch under way at the crash never answers', async (t) => {
  const disk = new SimulatedDisk({ random: randomFrom(seed) })
  await disk.open()
  let answered = false
  void write(disk, 1, true).then(() => {
    answered = true
  })
  const next = await disk.crash()
  await write(next, 2, true)
  t.equal(answered, false)
  t.ok((await numbersOn(next)).includes(2))
})

t.test('after a refused write, what is acknowledged is lost', async (t) => {
  const disk = new SimulatedDisk({ random: () => 0.9 })
  await disk.open()
  await write(disk, 1, true)
  disk.fill()
  await t.rejects(write(disk, 2, true), { code: 'LEVEL_IO_ERROR' })
  disk.fill(false)
  await write(disk, 3, true)
  t.strictSame(await numbersOn(disk), [1, 3])
  t.strictSame(await numbersOn(await disk.crash()), [1])
})

t.test('bytes flip and records hide, for good', async (t) => {
  let disk = new SimulatedDisk({ random: randomFrom(seed) })
  await disk.open()
  for (let number = 0; number < 10; number += 1) await write(disk, number, true)
  const flipped = disk.flipByte()
  const hidden = disk.hide(numbered(flipped.readUInt32BE(0) === 3 ? 4 : 3))
  for (let crash = 0; crash < 2; crash += 1) {
    t.not(String(disk.getSync(flipped)), 'value')
    t.equal(disk.getSync(flipped)?.length, 5)
    t.equal(disk.getSync(hidden), undefined)
    t.equal((await numbersOn(disk)).length, 9)
    disk = await disk.crash()
  }
})
