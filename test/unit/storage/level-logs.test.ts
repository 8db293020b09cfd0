/** The check before open, on logs that LevelDB was writing when it was killed. */

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkLevelFiles } from '../../../src/database/storage/level-files/check.ts'
import { maskedCrc } from '../../../src/database/storage/level-files/format.ts'
import { logRecords } from '../../../src/database/storage/level-files/log-file.ts'
import { randomFrom, seedOfRun } from '../../contracts/random.ts'
import {
  copyStill,
  damageIn,
  filesOf,
  flipBit,
  killedLog,
  openLevel,
  temporaryFolder,
  writeBatch,
} from './made-database.ts'

const seed = seedOfRun()
t.comment(`ORDINAL_SEED=${seed}`)
const random = randomFrom(seed)

t.test('of two logs that are both needed, the first must end whole', async (t) => {
  const folder = await killedLog(t)
  const [first] = await filesOf(folder, /\.log$/)
  const path = join(folder, first ?? '')
  const second = join(folder, '000999.log')
  const sound = await readFile(path)
  const { content } = (await Array.fromAsync(logRecords(path))).at(-1) ?? {}
  if (content === undefined) throw new Error('the log is empty')
  const next = content.readUInt32LE(0) + content.readUInt32LE(8)
  await writeFile(second, recordOf(next))
  t.strictSame(await damageIn(folder), [])
  await writeFile(second, recordOf(next + 1))
  t.match(await damageIn(folder), [/^000999.log: batches are missing/])
  await writeFile(second, recordOf(next))
  await writeFile(path, sound.subarray(0, sound.length - 5))
  t.match(await damageIn(folder), [/^000999.log: batches follow/])
  await writeFile(second, '')
  t.strictSame(await damageIn(folder), [], 'a crash at open leaves an empty one behind it')
})

/** A log record with a batch of one delete, whose sequence is this. */
function recordOf(sequence: number): Buffer {
  const record = Buffer.from(`-------SSSSSSSSNNNN\0\x03key`, 'latin1')
  record.writeBigUInt64LE(BigInt(sequence), 7)
  record.writeUInt32LE(1, 15)
  record.writeUInt16LE(record.length - 7, 4)
  record.writeUInt8(1, 6)
  record.writeUInt32LE(maskedCrc(record.subarray(6)), 0)
  return record
}

t.test('every bit of the header of the last records is covered', async (t) => {
  const folder = await killedLog(t)
  const [log] = await filesOf(folder, /\.log$/)
  const path = join(folder, log ?? '')
  const sound = await readFile(path)
  const starts = lastRecordStarts(sound)
  t.ok(starts.length >= 3)
  for (const start of starts.slice(-3)) {
    for (let at = start; at < start + 7 + 12; at += 1) {
      // The length and the type are what decides how the rest is read: each of their bits.
      const bits = at >= start + 4 && at < start + 7 ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]
      for (const bit of bits) {
        await flipBit(path, at, bit)
        const damage = await checkLevelFiles(folder)
        await flipBit(path, at, bit)
        if (damage.length !== 1) t.fail(`byte ${at - start} bit ${bit} of ${start}`)
      }
    }
  }
})

/** Offsets of the physical records in the last block. */
function lastRecordStarts(log: Buffer): number[] {
  const starts: number[] = []
  let at = Math.floor((log.length - 1) / 32768) * 32768
  while (at + 7 <= log.length) {
    starts.push(at)
    at += 7 + log.readUInt16LE(at + 4)
  }
  return starts
}

t.test('a log that ends within its last record is sound', async (t) => {
  const folder = await killedLog(t)
  const [log] = await filesOf(folder, /\.log$/)
  const path = join(folder, log ?? '')
  const sound = await readFile(path)
  const last = lastRecordStarts(sound).at(-1) ?? 0
  for (let length = last; length < sound.length; length += length < last + 24 ? 1 : 37) {
    await writeFile(path, sound.subarray(0, length))
    const found = await damageIn(folder)
    if (found.length > 0) t.fail(`cut ${length - last} bytes into it: ${found[0]}`)
  }
  await writeFile(path, sound.subarray(0, last + 20))
  const db = await openLevel(folder)
  await writeBatch(db, 5000)
  await db.close()
  t.strictSame(await damageIn(folder), [], 'and after LevelDB opened it and wrote on')
})

t.test('a large last record cut anywhere, at the edges of blocks too, is sound', async (t) => {
  const folder = await temporaryFolder(t)
  const db = await openLevel(folder, { writeBufferSize: 8 << 20 })
  await writeBatch(db, 1)
  const [log] = await filesOf(folder, /\.log$/)
  const before = (await readFile(join(folder, log ?? ''))).length
  await writeBatch(db, 2, 150_000)
  const copy = await copyStill(t, folder)
  await db.close()
  const path = join(copy, log ?? '')
  const sound = await readFile(path)
  const cuts = new Set<number>([before, sound.length])
  for (let block = 32768; block < sound.length; block += 32768) {
    for (let at = -8; at <= 8; at += 1) cuts.add(block + at)
  }
  for (let chance = 0; chance < 100; chance += 1) {
    cuts.add(before + Math.floor(random() * (sound.length - before)))
  }
  for (const cut of cuts) {
    await writeFile(path, sound.subarray(0, cut))
    const found = await damageIn(copy)
    if (found.length > 0) t.fail(`cut at ${cut}: ${found[0]}`)
  }
  t.pass(`${cuts.size} cuts`)
})

t.test('a record that vanished from the middle of a log is found', async (t) => {
  const folder = await killedLog(t)
  const [log] = await filesOf(folder, /\.log$/)
  const path = join(folder, log ?? '')
  const sound = await readFile(path)
  const [first, second] = lastRecordStarts(sound).slice(-3)
  if (first === undefined || second === undefined) throw new Error('too few records')
  await writeFile(path, Buffer.concat([sound.subarray(0, first), sound.subarray(second)]))
  t.match(await damageIn(folder), [/batches are missing/])
  await writeFile(path, Buffer.concat([sound, Buffer.alloc(4096)]))
  t.equal((await damageIn(folder)).length, 1, 'zeros behind the end')
})
