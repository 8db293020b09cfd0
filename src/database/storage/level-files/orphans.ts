/**
 * Files that nothing names: outputs of a compaction that was cut short, logs and MANIFESTs that a
 * later edit replaced. LevelDB deletes them when it has opened; on a full disk it does not get that
 * far, because it writes first. So they are deleted before, by the same rule
 * (db_impl.cc, DeleteObsoleteFiles). Only for files that checkLevelFiles found sound.
 */

import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readManifest } from './manifest.ts'

/** Deletes them; resolves to their names. No process may have the database open. */
export async function removeOrphans(folder: string): Promise<string[]> {
  const names: string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (!names.includes('CURRENT')) return []
  const current = (await readFile(join(folder, 'CURRENT'), 'latin1')).trimEnd()
  const { logNumber, previousLog, tables } = await readManifest(join(folder, current))
  const orphans = names.filter((name) => {
    const { number, kind } = parse(name)
    switch (kind) {
      case 'log':
        return number < logNumber && number !== previousLog
      case 'ldb':
      case 'sst':
        return !tables.has(number)
      case 'dbtmp':
        return true
      case 'MANIFEST':
        return number < parse(current).number
      default:
        return false
    }
  })
  for (const name of orphans) await rm(join(folder, name))
  return orphans
}

function parse(name: string): { number: number; kind: string } {
  const [, numbered, kind] = /^(\d+)\.(\w+)$/.exec(name) ?? []
  if (numbered !== undefined && kind !== undefined) return { number: Number(numbered), kind }
  const [, manifest] = /^MANIFEST-(\d+)$/.exec(name) ?? []
  return manifest === undefined
    ? { number: 0, kind: name }
    : { number: Number(manifest), kind: 'MANIFEST' }
}
