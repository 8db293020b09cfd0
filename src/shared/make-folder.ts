/** Folders, made with those above them. */

import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a folder and those above it; rejects as `mkdir` does. `mkdir`'s own `recursive` never ends
 * where a folder that is there cannot have any in it and calls that ENOENT, as `/proc` does.
 */
export async function makeFolder(path: string): Promise<void> {
  const absent: string[] = []
  for (let above = path; !(await isThere(above)); above = dirname(above)) absent.push(above)
  for (const folder of absent.reverse()) await mkdir(folder)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
