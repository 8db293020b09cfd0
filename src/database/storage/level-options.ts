/**
 * How the commands open LevelDB, and how they wait for another process to let go of it.
 *
 * Measured (2 cores, 300-byte values, synced batches of 32): a 32 MiB write buffer costs a fifth
 * less CPU a key than the default 4 MiB, 64 MiB no less than 32; compression buys nothing there.
 *
 * All replicas write the same bytes. With write buffers of one size they would fill them at one
 * time, and stall together while the tables are written and synced: then no majority is fast. With
 * a size of its own each has that moment by itself (64 clients: p99.9 of a PUT 84 ms, then 52).
 *
 * A compaction needs room for its output while its input is still there: about four write buffers
 * for the tables just written (that many make LevelDB compact them), and a dozen table files of
 * 2 MiB further down. A disk with less room than that fails a write, which ends the process; so the
 * watermark below which puts are refused must lie above four write buffers.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { ClusterError } from '../../shared/errors.ts'

const MIB = 1024 * 1024

/** Of neighbouring ordinals; the first is the largest. */
const WRITE_BUFFERS_MIB = [32, 26, 20, 29, 23] as const

/** Options for the `Level` that becomes the storage's database of this ordinal. */
export function levelOptions(ordinal: number) {
  const writeBuffer_MiB = WRITE_BUFFERS_MIB[ordinal % WRITE_BUFFERS_MIB.length] as number
  return {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: true,
    compression: false,
    writeBufferSize: writeBuffer_MiB * MIB,
    cacheSize: 32 * MIB,
  } as const
}

/**
 * Options for a `Level` that only asks for the lock: with them LevelDB takes it, finds that the
 * database exists (or that it does not), lets it go again and fails, without having read or
 * written any data.
 */
export const probeOptions = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  createIfMissing: false,
  errorIfExists: true,
} as const

/** Is this the error of a LevelDB whose lock another process holds? */
export function isLockError(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ((at as NodeJS.ErrnoException).code === 'LEVEL_LOCKED') return true
  }
  return false
}

/** Opens a database made with {@link probeOptions} and says whether another process holds it. */
export async function lockHeld(probe: {
  open(): Promise<void>
  close(): Promise<void>
}): Promise<boolean> {
  try {
    await probe.open()
  } catch (error) {
    return isLockError(error)
  }
  await probe.close()
  return false
}

/**
 * Calls `open` until no other process holds LevelDB's lock: a replica that is still stopping, or a
 * Pod whose end the kubelet has not noticed. Any other error is passed on at once. Rejects with
 * `storage-failed` when `wait_ms` have passed.
 */
export async function openWhenFree<T>(
  open: () => Promise<T>,
  options: {
    wait_ms: number
    retry_ms?: number
    signal?: AbortSignal
    /** Called once, when the first try finds the lock taken. */
    onWait?: () => void
  },
): Promise<T> {
  const { wait_ms, retry_ms = 100, signal, onWait } = options
  const until_ms = performance.now() + wait_ms
  for (let tries = 0; ; tries += 1) {
    try {
      return await open()
    } catch (error) {
      if (!isLockError(error)) throw error
      if (performance.now() > until_ms) {
        throw new ClusterError('storage-failed', 'another process holds the data folder', {
          cause: error,
        })
      }
      if (tries === 0) onWait?.()
      await pause(retry_ms, undefined, signal === undefined ? {} : { signal })
    }
  }
}

/** Waits until no other process holds the lock that `held` asks for; see {@link openWhenFree}. */
export async function waitUntilFree(
  held: () => Promise<boolean>,
  options: Parameters<typeof openWhenFree>[1],
): Promise<void> {
  await openWhenFree(async () => {
    if (await held()) throw Object.assign(new Error('locked'), { code: 'LEVEL_LOCKED' })
  }, options)
}
