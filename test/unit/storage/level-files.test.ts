/**
 * The check before open, on folders that real LevelDB wrote: sound ones pass; files that are
 * missing, wrong or cut short are found.
 */

import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkLevelFiles } from '../../../src/database/storage/level-files/check.ts'
import {
  contentsOfLevel,
  copyStill,
  damageIn,
  filesOf,
  killedCopies,
  killedDatabase,
  onCopy,
  openLevel,
  temporaryFolder,
  writeBatch,
} from './made-database.ts'

/** Made once: each test works on its own copy. */
const killedCopy = killedCopies(t)

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
