/**
 * The folder of a local cluster:
 *
 *     data/db-0/ …      one folder a replica, as one PersistentVolumeClaim each
 *     data/logs/*.log   what the children print; `.log.1` is the part before
 *     data/peer-secret  what a Secret mounts on Kubernetes
 *     data/local.pid    who uses the folder now
 */

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ClusterError } from '../shared/errors.ts'
import { makeFolder } from '../shared/make-folder.ts'

const SECRET_BYTES = 32

export type DataFolder = {
  readonly path: string
  readonly logs: string
  readonly secretFile: string
  /** Replicas' folders that were there before, by name. */
  readonly found: readonly string[]
  /** Gives the folder free; removes it if it was temporary. */
  close(): Promise<void>
}

/** The process that uses the folder now, or undefined. */
async function owner(pidFile: string): Promise<number | undefined> {
  if (!existsSync(pidFile)) return undefined
  const pid = Number(await readFile(pidFile, 'utf8'))
  if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) return undefined
  try {
    process.kill(pid, 0)
    return pid
  } catch (error) {
    // EPERM: it lives, under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined
  }
}

async function prepare(path: string, ephemeral: boolean): Promise<DataFolder> {
  const logs = join(path, 'logs')
  const secretFile = join(path, 'peer-secret')
  const pidFile = join(path, 'local.pid')
  await makeFolder(logs)
  const other = await owner(pidFile)
  if (other !== undefined) {
    throw new ClusterError(
      'invalid-config',
      `the folder ${path} is in use by process ${other} (if it is no "ordinal local": ` +
        `remove ${pidFile})`,
    )
  }
  await writeFile(pidFile, `${process.pid}\n`)
  if (!existsSync(secretFile)) {
    await writeFile(secretFile, `${randomBytes(SECRET_BYTES).toString('hex')}\n`, { mode: 0o600 })
  }
  const found = (await readdir(path)).filter((name) => /^db-\d+$/.test(name))
  return {
    path,
    logs,
    secretFile,
    found,
    close: () => rm(ephemeral ? path : pidFile, { recursive: true, force: true, maxRetries: 3 }),
  }
}

/** Opens `path`, or a temporary folder. Rejects with `invalid-config` if it cannot be written. */
export async function openDataFolder(
  path: string,
  options: { ephemeral: boolean },
): Promise<DataFolder> {
  if (path === '' && !options.ephemeral) {
    throw new ClusterError('invalid-config', '--data names no folder: it is empty')
  }
  const absolute = resolve(path)
  try {
    if (!options.ephemeral) return await prepare(absolute, false)
    return await prepare(await mkdtemp(join(tmpdir(), 'ordinal-')), true)
  } catch (error) {
    if (error instanceof ClusterError) throw error
    const why = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new ClusterError(
      'invalid-config',
      `the folder ${absolute} cannot be written (${why}); choose another with --data`,
      { cause: error },
    )
  }
}
