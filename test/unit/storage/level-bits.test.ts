/** The check before open, on files of LevelDB in which one bit was turned over. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkLevelFiles } from '../../../src/database/storage/level-files/check.ts'
import { removeOrphans } from '../../../src/database/storage/level-files/orphans.ts'
import { flip, flipsIn, sectionsOf } from '../../acceptance/file-sections.ts'
import { randomFrom, seedOfRun } from '../../contracts/random.ts'
import {
  contentsOfLevel,
  damageIn,
  filesOf,
  flipBit,
  killedCopies,
  onCopy,
} from './made-database.ts'

const seed = seedOfRun()
t.comment(`ORDINAL_SEED=${seed}`)
const random = randomFrom(seed)

/** Made once: each test works on its own copy. */
const killedCopy = killedCopies(t)

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
      const bit = Math.floor(random() * 8)
      await flipBit(path, at, bit)
      const damage = await checkLevelFiles(folder)
      if (damage.length > 0) {
        found += 1
        if (damage[0]?.file !== file) t.comment(`${file} at ${at}: ${damage[0]?.file}`)
      } else {
        harmless += 1
        t.comment(`${file} at ${at} of ${sound.length} is not found`)
        t.strictSame(await onCopy(t, folder, readable), expected, 'it reads as before')
      }
      await flipBit(path, at, bit)
    }
    t.ok(sound.equals(await readFile(path)), `${file} is as it was`)
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
