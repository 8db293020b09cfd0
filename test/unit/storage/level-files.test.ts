/** The check before open, on folders that real LevelDB wrote: sound ones pass, damage is found. */

import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkLevelFiles } from '../../../src/database/storage/level-files/check.ts'
import { maskedCrc } from '../../../src/database/storage/level-files/format.ts'
import { logRecords } from '../../../src/database/storage/level-files/log-file.ts'
import { removeOrphans } from '../../../src/database/storage/level-files/orphans.ts'
import { flip, flipsIn, sectionsOf } from '../../acceptance/file-sections.ts'
import { randomFrom, seedOfRun } from '../../contracts/random.ts'
import {
  contentsOfLevel,
  copyStill,
  filesOf,
  killedDatabase,
  killedLog,
  openLevel,
  temporaryFolder,
  writeBatch,
} from './made-database.ts'

const seed = seedOfRun()
t.comment(`ORDINAL_SEED=${seed}`)
const random = randomFrom(seed)

async function damageIn(folder: string): Promise<string[]> {
  return (await checkLevelFiles(folder)).map(({ file, what }) => `${file}: ${what}`)
}

async function onCopy<T>(t: Test, source: string, run: (copy: string) => Promise<T>): Promise<T> {
  const copy = await temporaryFolder(t)
  await cp(source, copy, { recursive: true })
  try {
    return await run(copy)
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** Made once: each test works on its own copy. */
const killed = killedDatabase(t)

async function killedCopy(t: Test): Promise<string> {
  const copy = await temporaryFolder(t)
  await cp(await killed, copy, { recursive: true })
  return copy
}

t.test('a folder without a database has no damage', async (t) => {
  const folder = await temporaryFolder(t)
  t.strictSame(await damageIn(folder), [])
  t.strictSame(await damageIn(join(folder, 'absent')), [])
})

t.test('sound databases have no damage, at every age', async (t) => {
  const folder = await temporaryFolder(t)
  for (let age = 0; age < 6; age += 1) {
    const db = await openLevel(folder)
    t.strictSame(await damageIn(await copyStill(t, folder)), [], `opened ${age} times`)
    for (let number = 0; number < 60 * age; number += 1) await writeBatch(db, number)
    t.strictSame(await damageIn(await copyStill(t, folder)), [], 'in use')
    await db.close()
    t.strictSame(await damageIn(folder), [], 'closed')
  }
})

t.test('a killed database has no damage, compressed tables included', async (t) => {
  for (const compression of [false, true]) {
    const folder = await killedDatabase(t, { compression })
    t.ok((await filesOf(folder, /\.ldb$/)).length > 1, 'it has tables')
    t.strictSame(await damageIn(folder), [])
  }
})

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

t.test('one flipped bit anywhere is found, or changes nothing that is read', async (t) => {
  const folder = await killedCopy(t)
  // A kill during a compaction leaves tables that nothing names: damage there harms nobody.
  await removeOrphans(folder)
  const expected = await onCopy(t, folder, contentsOfLevel)
  const files = await filesOf(folder, /^(CURRENT|MANIFEST.*|.*\.log|.*\.ldb)$/)
  t.ok(files.length > 4)
  let found = 0
  let harmless = 0
  for (const file of files) {
    const path = join(folder, file)
    const sound = await readFile(path)
    for (const at of positionsIn(sound.length)) {
      const flipped = Buffer.from(sound)
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at)
      await writeFile(path, flipped)
      const damage = await checkLevelFiles(folder)
      if (damage.length > 0) {
        found += 1
        if (damage[0]?.file !== file) t.comment(`${file} at ${at}: ${damage[0]?.file}`)
      } else {
        harmless += 1
        t.comment(`${file} at ${at} of ${sound.length} is not found`)
        t.strictSame(await onCopy(t, folder, readable), expected, 'it reads as before')
      }
    }
    await writeFile(path, sound)
  }
  t.comment(`${found} found, ${harmless} harmless, in ${files.length} files`)
  t.ok(found > 200)
  t.ok(harmless < found / 100)
  t.strictSame(await damageIn(folder), [], 'and sound again at the end')
})

/** What LevelDB gives out, or why it does not. */
async function readable(folder: string): Promise<Map<string, string> | string> {
  return contentsOfLevel(folder).catch((error: Error) => error.message)
}

/** Both ends in full, where headers and footers are, and chances between. */
function positionsIn(length: number): Set<number> {
  const positions = new Set<number>()
  for (let at = 0; at < Math.min(8, length); at += 1) positions.add(at)
  for (let at = Math.max(0, length - 52); at < length; at += 1) positions.add(at)
  for (let chance = 0; chance < 12; chance += 1) positions.add(Math.floor(random() * length))
  return positions
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
        const flipped = Buffer.from(sound)
        flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at)
        await writeFile(path, flipped)
        const damage = await checkLevelFiles(folder)
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

t.test('a table cut short, exchanged or missing is found', async (t) => {
  const folder = await killedCopy(t)
  const tables = await filesOf(folder, /\.ldb$/)
  const path = join(folder, tables[0] ?? '')
  const sound = await readFile(path)
  for (const length of [0, 10, 4096, sound.length - 48, sound.length - 1]) {
    await writeFile(path, sound.subarray(0, length))
    t.match(await damageIn(folder), [/bytes, not/])
  }
  await rm(path)
  t.match(await damageIn(folder), [/is missing/])
  await writeFile(path, sound)
  t.strictSame(await damageIn(folder), [])
})

t.test('one changed byte in any part of a table is found', async (t) => {
  const folder = await killedCopy(t)
  await removeOrphans(folder)
  const sections = (await sectionsOf(folder, '')).filter(({ file }) => file.endsWith('.ldb'))
  t.strictSame(new Set(sections.map(({ part }) => part)).size, 5)
  const file = sections[0]?.file
  for (const section of sections.filter((one) => one.file === file)) {
    for (const change of flipsIn(section, 6, random)) {
      flip(folder, change)
      t.match(await damageIn(folder), [file], `${section.part} at ${change.at}`)
      flip(folder, change)
    }
  }
  t.strictSame(await damageIn(folder), [])
})

/** A database whose only content is one table with these keys. */
async function oneTable(t: Test, prefix: string): Promise<string> {
  const folder = await temporaryFolder(t)
  for (let opened = 0; opened < 2; opened += 1) {
    const db = await openLevel(folder)
    const value = Buffer.from(`a value under ${prefix}`)
    if (opened === 0) for (const key of 'abcdef') await db.put(Buffer.from(prefix + key), value)
    await db.close()
  }
  return folder
}

t.test('a whole table of another database is found, for its size and without it', async (t) => {
  const folder = await oneTable(t, 'key/')
  const [table = ''] = await filesOf(folder, /\.ldb$/)
  t.strictSame(await damageIn(folder), [])
  const sound = await readFile(join(folder, table))
  for (const [prefix, what] of [
    ['kez/', /keys that the MANIFEST names/],
    ['longer/', /bytes, not/],
  ] as const) {
    await cp(join(await oneTable(t, prefix), table), join(folder, table))
    const size = (await readFile(join(folder, table))).length
    t.equal(size === sound.length, prefix === 'kez/')
    t.match(await damageIn(folder), [what])
  }
})

t.test('a MANIFEST cut anywhere is found, or nothing is lost by it', async (t) => {
  const folder = await killedCopy(t)
  const expected = await onCopy(t, folder, contentsOfLevel)
  const [manifest] = await filesOf(folder, /^MANIFEST/)
  const path = join(folder, manifest ?? '')
  const sound = await readFile(path)
  let accepted = 0
  for (let length = 0; length < sound.length; length += 13) {
    await writeFile(path, sound.subarray(0, length))
    if ((await checkLevelFiles(folder)).length > 0) continue
    accepted += 1
    t.strictSame(await onCopy(t, folder, contentsOfLevel), expected, `cut at ${length}`)
  }
  t.comment(`${accepted} cuts are harmless`)
  t.ok(accepted < sound.length / 26, 'most are found')
})

t.test('missing or wrong CURRENT, MANIFEST and log are found', async (t) => {
  const folder = await killedCopy(t)
  const [manifest] = await filesOf(folder, /^MANIFEST/)
  const [log] = await filesOf(folder, /\.log$/)
  for (const name of ['CURRENT', manifest ?? '', log ?? '']) {
    await rename(join(folder, name), join(folder, 'away'))
    t.equal((await damageIn(folder)).length, 1, `${name} is missing`)
    await rename(join(folder, 'away'), join(folder, name))
  }
  const current = await readFile(join(folder, 'CURRENT'))
  for (const text of ['', 'MANIFEST-000999\n', String(current).trim(), `${current}${current}`]) {
    await writeFile(join(folder, 'CURRENT'), text)
    t.equal((await damageIn(folder)).length, 1, JSON.stringify(text))
  }
  await writeFile(join(folder, 'CURRENT'), current)
  t.strictSame(await damageIn(folder), [])
})

t.test('files that nothing names are ignored, as LevelDB ignores them', async (t) => {
  const folder = await killedCopy(t)
  await writeFile(join(folder, '999999.ldb'), 'left behind')
  await writeFile(join(folder, '000001.log'), 'left behind')
  await writeFile(join(folder, 'MANIFEST-999999'), 'left behind')
  await writeFile(join(folder, '000777.dbtmp'), 'left behind')
  t.strictSame(await damageIn(folder), [])
})
