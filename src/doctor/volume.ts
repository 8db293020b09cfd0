/**
 * How a volume does: the own one by writing and syncing a file, others by what their replicas say
 * of their latest batches. Raft waits for two fsyncs a write; the campaigns of replicas are a round
 * trip and two fsyncs apart (DESIGN §3.3, 150 ms unless set), and etcd asks for 10 ms at most.
 */

import { randomUUID } from 'node:crypto'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { about, type Finding } from './finding.ts'

const SYNCS = 64
const SYNCS_MS_MAX = 5000
const BLOCK = Buffer.alloc(4096, 'o')
const MEDIAN_WARN_MS = 10
const WORST_WARN_MS = 100
const MEDIAN_MS_MAX = 100
const FASTER =
  'use a faster storage class; meanwhile raise ORDINAL_STAGGER and ORDINAL_ELECTION_TIMEOUT'

export type Volume = {
  readonly folder: string
  /** Less free space than that: puts are refused. */
  readonly freeMin_bytes: number
}

/** Writes and syncs a small file again and again. */
export async function checkOwnVolume(volume: Volume): Promise<readonly Finding[]> {
  const { folder, freeMin_bytes } = volume
  const finding = about('volume', folder)
  try {
    const times_ms = await syncTimes(folder)
    const { bavail, bsize } = await statfs(folder)
    return [timesFinding(folder, timesOf(times_ms)), spaceFinding(bavail * bsize)]
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return [finding.failed(`cannot be written: ${message}`, REMEDIES[code ?? ''] ?? FALLBACK)]
  }

  function spaceFinding(free_bytes: number): Finding {
    const text = `${mebibytes(free_bytes)} MiB free`
    if (free_bytes >= freeMin_bytes) return finding.ok(text)
    const remedy = 'grow the volume, or delete keys: puts are refused (507) below the limit'
    return finding.failed(`${text}, less than ${mebibytes(freeMin_bytes)} MiB`, remedy)
  }
}

const FALLBACK = 'look at the volume and its mount'
const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'the user of this process may not write there: set fsGroup, or the owner of the folder',
  ENOENT: 'is the volume mounted, and ORDINAL_DATA its path?',
  ENOSPC: 'the volume is full: grow it',
  EROFS: 'the volume is mounted read-only',
}

export type Times = {
  readonly batches: number
  readonly median_ms: number
  readonly worst_ms: number
}

/** What the times of a volume mean. */
export function timesFinding(name: string, times: Times): Finding {
  const finding = about('volume', name)
  const { batches, median_ms, worst_ms } = times
  const shown = (ms: number) => `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`
  const text = `fsync ${shown(median_ms)} (median of ${batches}), ${shown(worst_ms)} at worst`
  if (median_ms > MEDIAN_MS_MAX) {
    return finding.failed(`${text}: the median is above ${MEDIAN_MS_MAX} ms`, FASTER)
  }
  if (median_ms > MEDIAN_WARN_MS) {
    return finding.warning(`${text}: the median is above ${MEDIAN_WARN_MS} ms`, FASTER)
  }
  if (worst_ms > WORST_WARN_MS) {
    return finding.warning(`${text}: the worst is above ${WORST_WARN_MS} ms`, FASTER)
  }
  return finding.ok(text)
}

async function syncTimes(folder: string): Promise<number[]> {
  const path = join(folder, `.doctor-${randomUUID()}`)
  const file = await open(path, 'wx', 0o600)
  try {
    const times_ms: number[] = []
    const begin_ms = performance.now()
    while (times_ms.length < SYNCS && performance.now() - begin_ms < SYNCS_MS_MAX) {
      const from_ms = performance.now()
      await file.write(BLOCK)
      await file.datasync()
      times_ms.push(performance.now() - from_ms)
    }
    return times_ms
  } finally {
    await file.close()
    await rm(path)
  }
}

function timesOf(times_ms: readonly number[]): Times {
  const sorted = [...times_ms].sort((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? 0
  return {
    batches: sorted.length,
    median_ms: at(sorted.length >> 1),
    worst_ms: at(sorted.length - 1),
  }
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024)
}
