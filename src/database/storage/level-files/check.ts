/**
 * Our own look at LevelDB's files, before LevelDB opens them (DESIGN §6). Measured: one flipped
 * byte in the write-ahead log makes fsynced batches vanish at open, and the log with them; one in a
 * table makes keys read as absent. LevelDB stores CRCs for all of it and does not look.
 *
 *   CURRENT ──names──► MANIFEST ──names──► tables, and the first log that is needed
 *
 * Files that nothing names (left by a crash) are ignored, as LevelDB ignores them. Must run while
 * no process has the database open.
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Damage, DamageFound } from './format.ts'
import { type Manifest, readManifest } from './manifest.ts'
import { checkTable } from './table.ts'
import { checkWriteAheadLog, type LogEnd } from './write-ahead-log.ts'

export type { Damage } from './format.ts'

/** Findings are listed up to this number; one is enough to set the data aside. */
const DAMAGES_MAX = 100

/** All damage in a LevelDB folder; [] for a sound one, or for one that holds no database yet. */
export async function checkLevelFiles(folder: string): Promise<Damage[]> {
  const files = await listFiles(folder)
  if (!files.includes('CURRENT')) return checkUnborn(files)
  const findings = new Findings()
  const current = await findings.look('CURRENT', () => readCurrent(folder, files))
  if (current === undefined) return findings.damages
  const manifest = await findings.look(current, () => readManifest(join(folder, current)))
  if (manifest === undefined) return findings.damages
  await checkLogs(folder, { files, manifest, findings })
  await checkTables(folder, { files, manifest, findings })
  return findings.damages
}

class Findings {
  readonly damages: Damage[] = []

  /** What `check` found out, or undefined when it found damage. */
  async look<T>(file: string, check: () => Promise<T>): Promise<T | undefined> {
    try {
      return await check()
    } catch (error) {
      if (error instanceof DamageFound) this.add({ file, what: error.message })
      else if (isReadError(error)) this.add({ file, what: `cannot be read: ${error.code}` })
      else throw error
      return undefined
    }
  }

  add(damage: Damage): void {
    if (this.damages.length < DAMAGES_MAX) this.damages.push(damage)
  }
}

/** The disk itself gave up on a sector, or a file went away. */
function isReadError(error: unknown): error is NodeJS.ErrnoException {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EIO' || code === 'ENOENT' || code === 'EBADMSG' || code === 'EUCLEAN'
}

async function listFiles(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

/** Without CURRENT, LevelDB would make a new database over what is there. */
function checkUnborn(files: readonly string[]): Damage[] {
  // A crash while the database was made for the first time leaves no more than these.
  const data = files.find((name) => /\.(ldb|sst|log)$/.test(name) || isLaterManifest(name))
  return data === undefined ? [] : [{ file: 'CURRENT', what: `is missing, and there is ${data}` }]
}

function isLaterManifest(name: string): boolean {
  return name.startsWith('MANIFEST-') && Number(name.slice('MANIFEST-'.length)) !== 1
}

async function readCurrent(folder: string, files: readonly string[]): Promise<string> {
  const text = await readFile(join(folder, 'CURRENT'), 'latin1')
  if (!/^MANIFEST-\d{6,}\n$/.test(text)) throw new DamageFound('does not name a MANIFEST')
  const name = text.trimEnd()
  if (!files.includes(name)) throw new DamageFound(`names ${name}, which is not there`)
  return name
}

type Scope = {
  readonly files: readonly string[]
  readonly manifest: Manifest
  readonly findings: Findings
}

async function checkLogs(folder: string, { files, manifest, findings }: Scope): Promise<void> {
  const { logNumber, previousLog, lastSequence } = manifest
  const logs = files
    .filter((name) => /^\d+\.log$/.test(name))
    .map((name) => ({ name, number: Number.parseInt(name, 10) }))
    .filter(({ number }) => number >= logNumber || (number === previousLog && previousLog !== 0))
    .sort((one, other) => one.number - other.number)
  // Made before the MANIFEST that names it was synced, and kept as long as it is named.
  if (logNumber !== 0 && !logs.some(({ number }) => number === logNumber)) {
    findings.add({ file: fileName(logNumber, 'log'), what: 'is missing' })
    return
  }
  const end: LogEnd = { next: undefined, torn: false }
  for (const { name } of logs) {
    const sound = await findings.look(name, async () => {
      await checkWriteAheadLog(join(folder, name), { end, first_max: lastSequence + 1 })
      return true
    })
    if (sound === undefined) return
  }
}

async function checkTables(folder: string, { files, manifest, findings }: Scope): Promise<void> {
  const present = new Set(files)
  for (const row of manifest.tables.values()) {
    const name = [fileName(row.number, 'ldb'), fileName(row.number, 'sst')].find((candidate) =>
      present.has(candidate),
    )
    if (name === undefined) {
      findings.add({ file: fileName(row.number, 'ldb'), what: 'is missing' })
      continue
    }
    await findings.look(name, () => checkTable(join(folder, name), row))
  }
}

function fileName(number: number, extension: string): string {
  return `${String(number).padStart(6, '0')}.${extension}`
}
