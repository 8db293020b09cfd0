/**
 * From a data folder to a loaded storage: check, open, load. What is damaged is set aside, and the
 * replica starts again as a new incarnation that may only join. The folder is an interface, so that
 * a simulated disk goes through the same steps in the same order.
 */

import { randomUUID } from 'node:crypto'
import { Level } from 'level'
import type { Logger } from 'pino'
import type { Storage, StoredState } from '../database/replica/ports.ts'
import {
  databaseFolder,
  demandKnownFormat,
  type PreparedFolder,
  prepareFolder,
  setAside,
} from '../database/storage/folder.ts'
import type { Database } from '../database/storage/layout.ts'
import {
  levelOptions,
  lockHeld,
  openWhenFree,
  probeOptions,
  waitUntilFree,
} from '../database/storage/level-options.ts'
import { type OpenOptions, openStorage } from '../database/storage/open-storage.ts'
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

/** Where a replica's data lies. */
export interface DataPlace {
  /** All that comes before the database opens; waits until no other process holds it. */
  prepare(): Promise<PreparedFolder>
  open(): Promise<Database>
  setAside(reason: string): Promise<void>
  /** What the storage is told of its surroundings. */
  readonly surroundings: Omit<OpenOptions, 'identity'>
}

export type DiskOwner = {
  readonly ordinal: number
  /** The cluster's name. */
  readonly cluster: string
  readonly newIncarnation: () => string
}

/** Rejects with `storage-failed`, `format-too-new`, `wrong-replica`, `wrong-cluster`. */
export function openDisk(config: ReplicaConfig, log: Logger): Promise<OpenedDisk> {
  const { ordinal, cluster } = config
  const owner = { ordinal, cluster, newIncarnation: randomUUID }
  return openDiskAt(levelFolder(config, log), owner, log)
}

/** The same for any place. */
export async function openDiskAt(
  place: DataPlace,
  owner: DiskOwner,
  log: Pick<Logger, 'error'>,
): Promise<OpenedDisk> {
  try {
    return await attempt(place, owner, log)
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'data-damaged') throw error
    // Damage that showed only when the data was read: it is set aside by now.
    const disk = await attempt(place, owner, log)
    return { ...disk, notes: [`data was set aside: ${error.message}`] }
  }
}

async function attempt(
  place: DataPlace,
  owner: DiskOwner,
  log: Pick<Logger, 'error'>,
): Promise<OpenedDisk> {
  const prepared = await place.prepare()
  if (prepared.setAside !== undefined) {
    log.error({ reason: prepared.setAside, to: prepared.setAsideFolder }, 'data was set aside')
  }
  const db = await place.open()
  try {
    const storage = await openStorage(db, {
      ...place.surroundings,
      identity: {
        ordinal: owner.ordinal,
        clusterName: owner.cluster,
        newIncarnation: owner.newIncarnation,
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
      await place.setAside(error.message)
    }
    throw error
  }
}

/** A folder with LevelDB in it. */
function levelFolder(config: ReplicaConfig, log: Logger): DataPlace {
  const { data: folder, ballast_bytes } = config
  const path = databaseFolder(folder)
  const probe = () => lockHeld(new Level(path, probeOptions))
  const onWait = () => log.warn({ folder }, 'waiting for another process to let go of the disk')
  const patience = { wait_ms: LOCK_WAIT_MS, onWait }
  return {
    prepare: async () => {
      // Before the lock is asked for, which writes; prepareFolder asks again when it is free.
      await demandKnownFormat(folder)
      await waitUntilFree(probe, patience)
      const prepared = await prepareFolder({ folder, lockHeld: probe, ballast_bytes })
      if (prepared.ballastReleased) {
        log.warn({ folder }, 'the disk is full: the ballast was given up')
      }
      return prepared
    },
    open: async () => {
      const open = async () => {
        const level = new Level<Buffer, Buffer>(path, levelOptions(config.ordinal))
        await level.open()
        return level
      }
      return (await openWhenFree(open, patience)) as unknown as Database
    },
    setAside: (reason) => setAside(folder, reason),
    surroundings: { folder, ballast_bytes },
  }
}
