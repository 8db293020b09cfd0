/**
 * The folder's room: how much is free, how much is used, and the ballast.
 *
 * The ballast is a file of real bytes that is given up when the disk is full at start: LevelDB
 * writes when it opens, so without it a replica on a full disk could not even serve reads or be
 * repaired (DESIGN §6). It is laid down again when there is room for it and a margin.
 */

import { open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { BALLAST_BYTES, DISK_FREE_BYTES_MIN } from '../../shared/limits.ts'
import type { DiskSpace } from '../replica/ports.ts'

/** How long a measurement is good for. */
const SPACE_FRESH_MS = 3000
const WRITE_BYTES = 1024 * 1024

export function ballastFile(folder: string): string {
  return join(folder, 'ballast')
}

/** Bytes that processes without privileges may still write there. */
async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/** Bytes of the databases in the folder: the one in use, and the one set aside. */
async function usedBytes(folder: string): Promise<number> {
  let bytes = 0
  for (const place of [join(folder, 'db'), join(folder, 'set-aside', 'db')]) {
    const names = await readdir(place).catch(absent)
    for (const name of names ?? []) bytes += await sizeOf(join(place, name))
  }
  return bytes
}

/** Size of a file, 0 when LevelDB deleted it meanwhile. */
async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(absent))?.size ?? 0
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}

/** Is there so little room that LevelDB may fail to open, even without the ballast? */
export async function isAlmostFull(
  folder: string,
  ballast_bytes = BALLAST_BYTES,
): Promise<boolean> {
  return (await freeBytes(folder)) < 2 * ballast_bytes
}

/** Gives up the ballast when less than its size is free. True: it was given up now. */
export async function releaseBallastWhenFull(
  folder: string,
  ballast_bytes = BALLAST_BYTES,
): Promise<boolean> {
  if ((await freeBytes(folder)) >= ballast_bytes) return false
  const held = await sizeOf(ballastFile(folder))
  await rm(ballastFile(folder), { force: true })
  return held > 0
}

/** Measures the folder, at most every few seconds, and keeps the ballast laid down. */
export class FolderSpace {
  readonly #folder: string
  readonly #ballast_bytes: number
  readonly #margin_bytes: number
  #measured: { at_ms: number; space: Promise<DiskSpace> } | undefined
  #laying: Promise<void> | undefined
  #closed = false

  constructor(folder: string, ballast_bytes = BALLAST_BYTES) {
    this.#folder = folder
    this.#ballast_bytes = ballast_bytes
    // Room that must stay free besides, so that restoring it does not make the disk full again.
    this.#margin_bytes = Math.min(2 * DISK_FREE_BYTES_MIN, 4 * ballast_bytes)
  }

  space(): Promise<DiskSpace> {
    const now_ms = performance.now()
    if (this.#measured === undefined || now_ms - this.#measured.at_ms > SPACE_FRESH_MS) {
      this.#measured = { at_ms: now_ms, space: this.#measure() }
    }
    return this.#measured.space
  }

  async #measure(): Promise<DiskSpace> {
    const free_bytes = await freeBytes(this.#folder)
    const used_bytes = await usedBytes(this.#folder)
    this.#layInBackground(free_bytes)
    return { free_bytes, used_bytes }
  }

  #layInBackground(free_bytes: number): void {
    if (this.#laying !== undefined || this.#closed) return
    if (free_bytes < this.#ballast_bytes + this.#margin_bytes) return
    this.#laying = this.#lay().finally(() => {
      this.#laying = undefined
    })
  }

  /** Resolves when the ballast lies there, or there was no room; a failure is tried again later. */
  async #lay(): Promise<void> {
    const path = ballastFile(this.#folder)
    const held = await sizeOf(path)
    if (held >= this.#ballast_bytes) return
    const whole = await fill(path, this.#ballast_bytes)
    if (!whole) await rm(path, { force: true }).catch(absent)
  }

  /** Lays the ballast down now if there is room for it, and resolves when that is done. */
  async settle(): Promise<void> {
    this.#layInBackground(await freeBytes(this.#folder))
    await this.#laying
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#laying
  }
}

/** False when the disk did not take it. */
async function fill(path: string, bytes: number): Promise<boolean> {
  // Not zeros: a file system that compresses or leaves holes would keep no room for them.
  const block = Buffer.alloc(WRITE_BYTES)
  let seed = 0x2545f491
  for (let at = 0; at < block.length; at += 4) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    block.writeUInt32LE(seed, at)
  }
  try {
    await using file = await open(path, 'w')
    for (let at = 0; at < bytes; at += WRITE_BYTES) {
      await file.write(block, 0, Math.min(WRITE_BYTES, bytes - at))
    }
    await file.datasync()
    return true
  } catch {
    // No room after all, or a disk that will soon say more: tried again at a later measurement.
    return false
  }
}
