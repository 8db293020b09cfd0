/** Small disks for replicas: tmpfs mounts, and fillers that leave as little room as one wants. */

import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

const BLOCK = Buffer.alloc(64 * 1024, 'filler ')
const FILLER = 'filler'

function mount(folder: string, size_bytes: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size_bytes}`, 'tmpfs', folder])
}

/** Why no small disks can be mounted here; false: they can. */
export function mountUnavailable(): string | false {
  if (process.platform !== 'linux') return 'small disks are made with tmpfs, on Linux only'
  const folder = mkdtempSync(join(tmpdir(), 'ordinal-mount-'))
  try {
    mount(folder, BLOCK.length)
    execFileSync('umount', [folder])
    return false
  } catch {
    return 'mounting a tmpfs is not permitted here'
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A data folder in which each of these replicas has a disk of its own, of this size. */
export function smallDisks(t: Test, names: readonly string[], size_bytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'ordinal-disks-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of names) {
    const disk = join(folder, name)
    mkdirSync(disk)
    mount(disk, size_bytes)
    t.teardown(() => execFileSync('umount', ['--lazy', disk]))
  }
  return folder
}

/** Bytes free in the folder. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** Lays a file down that leaves at most `left_bytes` free; 0: until the disk refuses a byte. */
export function fill(folder: string, left_bytes: number): void {
  const file = openSync(join(folder, FILLER), 'a')
  try {
    while (left_bytes === 0 || freeBytes(folder) > left_bytes) writeSync(file, BLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(file)
  }
}

/** Takes the filler away. */
export function empty(folder: string): void {
  rmSync(join(folder, FILLER), { force: true })
}
