/**
 * From a data folder to a loaded storage: check, open, load. What is damaged is set aside, and the
 * replica starts again as a new incarnation that may only join.
 */

import { randomUUID } from 'node:crypto'
import { Level } from 'level'
import type { Logger } from 'pino'
import type { Storage, StoredState } from '../database/replica/ports.ts'
import { databaseFolder, prepareFolder, setAside } from '../database/storage/folder.ts'
import type { Database } from '../database/storage/layout.ts'
import {
  levelOptions,
  lockHeld,
  openWhenFree,
  probeOptions,
  waitUntilFree,
} from '../database/storage/level-options.ts'
import { openStorage } from '../database/storage/open-storage.ts'
import type { ReplicaConfig } from '../shared/config.ts'
import { ClusterError } from '../shared/errors.ts'

/** A process that held this disk before may take this long to let go of it. */
const LOCK_WAIT_MS = 60_000

export type OpenedDisk = {
  readonly storage: Storage
  readonly stored: StoredState
  /** What people should know: that data was set aside, and why. */
  readonly notes: readonly string[]
}

/** Rejects with `storage-failed`, `format-too-new`, `wrong-replica`, `wrong-cluster`. */
export async function openDisk(config: ReplicaConfig, log: Logger): Promise<OpenedDisk> {
  try {
    return await attempt(config, log)
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'data-damaged') throw error
    // Damage that showed only when the data was read: it is set aside by now.
    const disk = await attempt(config, log)
    return { ...disk, notes: [`data was set aside: ${error.message}`] }
  }
}

async function attempt(config: ReplicaConfig, log: Logger): Promise<OpenedDisk> {
  const folder = config.data
  const path = databaseFolder(folder)
  const probe = () => lockHeld(new Level(path, probeOptions))
  const onWait = () => log.warn({ folder }, 'waiting for another process to let go of the disk')
  await waitUntilFree(probe, { wait_ms: LOCK_WAIT_MS, onWait })
  const prepared = await prepareFolder({
    folder,
    lockHeld: probe,
    ballast_bytes: config.ballast_bytes,
  })
  if (prepared.setAside !== undefined) {
    log.error({ reason: prepared.setAside, to: prepared.setAsideFolder }, 'data was set aside')
  }
  if (prepared.ballastReleased) log.warn({ folder }, 'the disk is full: the ballast was given up')
  const db = (await openWhenFree(
    async () => {
      const level = new Level<Buffer, Buffer>(path, levelOptions)
      await level.open()
      return level
    },
    { wait_ms: LOCK_WAIT_MS, onWait },
  )) as unknown as Database
  try {
    const storage = await openStorage(db, {
      folder,
      ballast_bytes: config.ballast_bytes,
      identity: {
        ordinal: config.ordinal,
        clusterName: config.cluster,
        newIncarnation: randomUUID,
        ...(prepared.formerClusterId === undefined ? {} : { clusterId: prepared.formerClusterId }),
      },
    })
    return {
      storage,
      stored: await storage.load(),
      notes: prepared.setAside === undefined ? [] : [`data was set aside: ${prepared.setAside}`],
    }
  } catch (error) {
    await db.close()
    if (error instanceof ClusterError && error.code === 'data-damaged') {
      log.error({ err: error }, 'the data is damaged and is set aside')
      await setAside(folder, error.message)
    }
    throw error
  }
}
