/** Real LevelDB folders with everything in them that the check before open must understand. */

import { cp, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import type { Test } from 'tap'
import { checkLevelFiles } from '../../../src/database/storage/level-files/check.ts'

const KEYS = 2250

export type LevelSettings = { compression?: boolean; writeBufferSize?: number }

export async function temporaryFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ordinal-level-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export async function openLevel(
  folder: string,
  settings: LevelSettings = {},
): Promise<Level<Buffer, Buffer>> {
  const level = new Level<Buffer, Buffer>(folder, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    compression: false,
    writeBufferSize: 256 * 1024,
    ...settings,
  })
  await level.open()
  return level
}

/**
 * One batch: a few small puts, or one value of `size` bytes. Synced, so that compaction keeps up
 * and few tables are left.
 */
export async function writeBatch(
  db: Level<Buffer, Buffer>,
  number: number,
  size = 0,
): Promise<void> {
  const batch = db.batch()
  if (size > 0) batch.put(Buffer.from(`large/${number}`), Buffer.alloc(size, `${number} `))
  for (let at = 0; at < 8; at += 1) {
    // Keys are written again and again, and some deleted, so that compaction has work.
    const key = Buffer.from(`key/${(number * 8 + at) % KEYS}`)
    if (at === 7) batch.del(key)
    else batch.put(key, Buffer.from(`value ${number} of ${key} `.repeat(20)))
  }
  await batch.write({ sync: true } as object)
}

/**
 * A database with tables on several levels, a MANIFEST of many edits, and a log with a tail, as a
 * process that was killed leaves it: copied while it is open and nothing is under way.
 */
export async function killedDatabase(t: Test, settings: LevelSettings = {}): Promise<string> {
  const source = await temporaryFolder(t)
  const db = await openLevel(source, { writeBufferSize: 128 * 1024, ...settings })
  for (let number = 0; number < 320; number += 1) {
    await writeBatch(db, number, number % 50 === 10 ? 70_000 : 0)
  }
  const copy = await copyStill(t, source)
  await db.close()
  return copy
}

/** Copies of one killed database, as many as are asked for. */
export function killedCopies(t: Test): (t: Test) => Promise<string> {
  const killed = killedDatabase(t)
  return async (t) => {
    const copy = await temporaryFolder(t)
    await cp(await killed, copy, { recursive: true })
    return copy
  }
}

/** A database that is one log and nothing else yet, killed. */
export async function killedLog(t: Test): Promise<string> {
  const source = await temporaryFolder(t)
  const db = await openLevel(source, { writeBufferSize: 8 << 20 })
  for (let number = 0; number < 40; number += 1) {
    await writeBatch(db, number, number === 20 ? 70_000 : 0)
  }
  const copy = await copyStill(t, source)
  await db.close()
  return copy
}

/** A copy made at a moment when no compaction changed the files. */
export async function copyStill(t: Test, source: string): Promise<string> {
  while (true) {
    const before = await listing(source)
    const target = await temporaryFolder(t)
    try {
      await cp(source, target, { recursive: true, filter: (path) => !path.endsWith('/LOCK') })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
      throw error
    }
    if ((await listing(source)) === before) return target
  }
}

async function listing(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => !/^LO/.test(name)).sort()
  const sizes = await Promise.all(
    names.map(async (name) => (await readFile(join(folder, name)).catch(() => '')).length),
  )
  return JSON.stringify([names, sizes])
}

/** All that LevelDB gives out of this folder; it is opened as the product opens it. */
export async function contentsOfLevel(folder: string): Promise<Map<string, string>> {
  const db = await openLevel(folder)
  try {
    const rows = await db.iterator().all()
    const contents = new Map<string, string>()
    for (const [key, value] of rows) contents.set(String(key), value.toString('latin1'))
    // Gets go through the filters, which iterators do not read.
    for (let number = 0; number < KEYS + 100; number += 1) {
      const key = `key/${number}`
      const value = db.getSync(Buffer.from(key))
      if (value?.toString('latin1') !== contents.get(key)) contents.set(`get ${key}`, 'differs')
    }
    return contents
  } finally {
    await db.close()
  }
}

/** Turns one bit of a file over, in place; the same again puts it right. */
export async function flipBit(path: string, at: number, bit: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    const { bytesRead } = await file.read(byte, 0, 1, at)
    if (bytesRead !== 1) throw new Error(`${path} has no byte ${at}`)
    byte.writeUInt8(byte.readUInt8(0) ^ (1 << bit), 0)
    await file.write(byte, 0, 1, at)
  } finally {
    await file.close()
  }
}

/** The last name in order with this ending or beginning. */
export async function filesOf(folder: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(folder)).filter((name) => pattern.test(name)).sort()
}

/** What the check before open finds, a line each. */
export async function damageIn(folder: string): Promise<string[]> {
  return (await checkLevelFiles(folder)).map(({ file, what }) => `${file}: ${what}`)
}

/** Runs it on a copy of `source`, which is deleted then. */
export async function onCopy<T>(
  t: Test,
  source: string,
  run: (copy: string) => Promise<T>,
): Promise<T> {
  const copy = await temporaryFolder(t)
  await cp(source, copy, { recursive: true })
  try {
    return await run(copy)
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}
