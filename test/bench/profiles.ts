/**
 * CPU profiles (`--profile`): Node writes one for each process that ends, named by its pid; here
 * they get the names of the processes. Chrome DevTools (Performance, "Load profile"), VS Code and
 * speedscope open them.
 */

import { existsSync } from 'node:fs'
import { mkdir, readdir, rename } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { ProcessRef } from './target.ts'

export const PROFILE_FOLDER = 'bench-profiles'

/** Makes the folder; the environment that makes Node processes, and their children, write there. */
export async function profileEnvironment(): Promise<Record<string, string>> {
  const folder = resolve(PROFILE_FOLDER)
  await mkdir(folder, { recursive: true })
  const inherited = process.env['NODE_OPTIONS'] ?? ''
  return { NODE_OPTIONS: `${inherited} --cpu-prof "--cpu-prof-dir=${folder}"`.trim() }
}

function freeName(folder: string, name: string): string {
  for (let number = 1; ; number++) {
    const file = join(folder, `${name}${number === 1 ? '' : `-${number}`}.cpuprofile`)
    if (!existsSync(file)) return file
  }
}

/** Names the profiles of `processes`, which have all ended. Returns the files. */
export async function nameProfiles(processes: readonly ProcessRef[]): Promise<string[]> {
  const folder = resolve(PROFILE_FOLDER)
  const files: string[] = []
  for (const file of await readdir(folder)) {
    // CPU.<date>.<time>.<pid>.<thread>.<sequence>.cpuprofile
    const pid = Number(/^CPU\.\d+\.\d+\.(\d+)\./.exec(file)?.[1])
    const owner = processes.find((one) => one.pid === pid)
    if (owner === undefined) continue
    const name = freeName(folder, owner.name)
    await rename(join(folder, file), name)
    files.push(name)
  }
  return files.sort()
}
