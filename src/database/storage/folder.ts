/**
 * The data folder around the database: plain files that say what must be known before LevelDB
 * opens, or when it cannot be believed.
 *
 *   db/         LevelDB            format      the newest format (shared/formats.ts) of anything in
 *                                              db/: a disk that is too new is left alone
 *   ballast     see disk-space.ts  cluster     the cluster this disk belongs, or belonged, to
 *   condemned   why db/ must be set aside at the next start
 *   set-aside/  the last data that was set aside: db/ and a reason; one at most
 */

import { access, constants, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ClusterError } from '../../shared/errors.ts'
import { FORMAT_OLDEST } from '../../shared/formats.ts'
import { makeFolder } from '../../shared/make-folder.ts'
import type { Identity } from '../replica/ports.ts'
import { FolderSpace, isAlmostFull, releaseBallastWhenFull } from './disk-space.ts'
import { STORAGE_FORMAT } from './layout.ts'
import { checkLevelFiles, type Damage } from './level-files/check.ts'
import { removeOrphans } from './level-files/orphans.ts'
import type { Surroundings } from './storage.ts'

/** Where LevelDB's files lie. */
export function databaseFolder(folder: string): string {
  return join(folder, 'db')
}

export type PrepareOptions = {
  readonly folder: string
  /**
   * Does another process hold LevelDB's lock? The command answers with a probe (level-options.ts).
   * Asked again before anything is set aside: what another process writes looks like damage.
   */
  readonly lockHeld: () => Promise<boolean>
  /** Bytes of the ballast file, for tests; BALLAST_BYTES otherwise. */
  readonly ballast_bytes?: number
}

export type PreparedFolder = {
  /** Why data was set aside just now. */
  readonly setAside: string | undefined
  /** Where that data lies now. */
  readonly setAsideFolder: string | undefined
  /** The cluster that data set aside, now or earlier, belonged to; for `openStorage`. */
  readonly formerClusterId: string | undefined
  /** The disk was full and the ballast was given up. */
  readonly ballastReleased: boolean
}

/**
 * All that comes before LevelDB opens, once its lock is free (openWhenFree): the folder is
 * writable, the format known, condemned or damaged data set aside. Rejects with `invalid-config`
 * (folder), `format-too-new` (untouched), `storage-failed` (lock taken meanwhile). On a disk that
 * is almost full it also makes what room there is to make: the ballast, and files nothing names.
 */
export async function prepareFolder(options: PrepareOptions): Promise<PreparedFolder> {
  const { folder } = options
  await demandKnownFormat(folder)
  const ballastReleased = await releaseBallastWhenFull(folder, options.ballast_bytes)
  await raiseFormat(folder, FORMAT_OLDEST)
  const reason = await whySetAside(folder)
  const full = await isAlmostFull(folder, options.ballast_bytes)
  if ((reason !== undefined || full) && (await options.lockHeld())) {
    throw new ClusterError('storage-failed', `${folder} is in use by another process`)
  }
  if (reason !== undefined) await setAside(folder, reason)
  else if (full) await removeOrphans(databaseFolder(folder))
  return {
    setAside: reason,
    setAsideFolder: reason === undefined ? undefined : join(folder, 'set-aside'),
    formerClusterId: (await readCluster(folder))?.clusterId,
    ballastReleased,
  }
}

async function whySetAside(folder: string): Promise<string | undefined> {
  const note = await condemned(folder)
  if (note !== undefined) return note
  const damage = await checkLevelFiles(databaseFolder(folder))
  return damage.length === 0 ? undefined : describe(damage)
}

function describe(damage: readonly Damage[]): string {
  const shown = damage.slice(0, 3).map(({ file, what }) => `${file}: ${what}`)
  const more = damage.length > shown.length ? `; ${damage.length - shown.length} more` : ''
  return `damaged files: ${shown.join('; ')}${more}`
}

async function demandWritable(folder: string): Promise<void> {
  try {
    await makeFolder(resolve(folder))
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const { message } = error as Error
    throw new ClusterError('invalid-config', `cannot write to the data folder: ${message}`, {
      cause: error,
    })
  }
}

/**
 * Rejects with `invalid-config` (folder) or `format-too-new`. It is asked before anything else, the
 * lock too: LevelDB writes files of its own where one asks for it.
 */
export async function demandKnownFormat(folder: string): Promise<void> {
  await demandWritable(folder)
  const format = await readFormat(folder)
  if (format > STORAGE_FORMAT) {
    throw new ClusterError(
      'format-too-new',
      `${folder} has storage format ${format}; this version reads up to ${STORAGE_FORMAT}`,
    )
  }
}

/** 0: nothing is there. A note that cannot be read rules out nothing that this version knows. */
async function readFormat(folder: string): Promise<number> {
  const text = await readText(join(folder, 'format'))
  if (text === undefined) return 0
  const format = Number.parseInt(text, 10)
  return Number.isNaN(format) ? STORAGE_FORMAT : format
}

/** Announces, synced, that the disk takes what has this format. It is never lowered. */
async function raiseFormat(folder: string, format: number): Promise<void> {
  const wanted = `${Math.max(format, await readFormat(folder))}\n`
  const path = join(folder, 'format')
  if ((await readText(path)) !== wanted) await writeText(path, wanted)
}

/** Why this data must be set aside, as `condemn` noted; undefined: it need not. */
export async function condemned(folder: string): Promise<string | undefined> {
  return (await readText(join(folder, 'condemned')))?.trim()
}

/**
 * Moves the database out of the way, in steps that a crash may cut anywhere: the data stays either
 * in use (and is set aside at the next start) or set aside.
 */
export async function setAside(folder: string, reason: string): Promise<void> {
  // The note first: with the database half gone, the reason would no longer be found by checking.
  await writeText(join(folder, 'condemned'), `${reason}\n`)
  const place = join(folder, 'set-aside')
  if (await exists(databaseFolder(folder))) {
    await rm(place, { recursive: true, force: true })
    await mkdir(place)
    await writeText(join(place, 'reason'), `${reason}\n`)
    await rename(databaseFolder(folder), join(place, 'db'))
    await syncFolder(place)
    await syncFolder(folder)
  }
  await rm(join(folder, 'condemned'))
  await syncFolder(folder)
}

/** The cluster that the data in this folder belongs, or belonged, to. */
export async function readCluster(
  folder: string,
): Promise<{ clusterId: string; clusterName: string } | undefined> {
  const text = await readText(join(folder, 'cluster'))
  if (text === undefined) return undefined
  const [clusterId, clusterName] = text.split('\n')
  if (clusterId === undefined || clusterId === '' || clusterName === undefined) return undefined
  return { clusterId, clusterName }
}

/** What an open storage needs of its folder. */
export async function openSurroundings(
  folder: string,
  ballast_bytes: number | undefined,
): Promise<Surroundings> {
  const space = new FolderSpace(folder, ballast_bytes)
  return {
    format: await readFormat(folder),
    raiseFormat: (format) => raiseFormat(folder, format),
    space: () => space.space(),
    condemn: (reason) => writeText(join(folder, 'condemned'), `${reason}\n`),
    rememberCluster: (identity) => rememberCluster(folder, identity),
    close: () => space.close(),
  }
}

async function rememberCluster(folder: string, identity: Identity): Promise<void> {
  const { clusterId, clusterName } = identity
  const path = join(folder, 'cluster')
  if (clusterId === '') {
    await rm(path, { force: true })
    return
  }
  const wanted = `${clusterId}\n${clusterName}\n`
  if ((await readText(path)) !== wanted) await writeText(path, wanted)
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(ignoreAbsent)) !== undefined
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(ignoreAbsent)
}

/** Replaces a small file as a whole, synced: it has the old text or the new one, never a part. */
async function writeText(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w')
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  await syncFolder(join(path, '..'))
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}
