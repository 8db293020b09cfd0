/**
 * The generator of `load.ts`, for machines without wrk, and for filling the stores, which wrk
 * cannot do (it ends by time, not by count).
 */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Drive, type DriveResult, type Generator, OVERRUN_MS_MAX } from './generator.ts'

const run = promisify(execFile)
const LOAD = fileURLToPath(new URL('./load.ts', import.meta.url))
/** Filling a store has no length in seconds. */
const FILL_MS_MAX = 10 * 60_000

/** What `load.ts` reads from a file. */
export type LoadPlan = Omit<Drive, 'requests'> & {
  readonly head: string
  readonly keys: readonly string[]
  readonly tails: readonly string[]
}

/** @param env what the generator's process gets beside the own environment. */
export function ownGenerator(folder: string, env: Readonly<Record<string, string>>): Generator {
  let count = 0
  return {
    name: 'own',
    about: `test/bench/load.ts on Node ${process.version}`,
    async drive({ requests, ...drive }, signal): Promise<DriveResult> {
      count += 1
      const planFile = join(folder, `load-${count}.json`)
      const plan: LoadPlan = { ...drive, ...requests }
      await writeFile(planFile, JSON.stringify(plan))
      const length_ms = drive.eachOnce ? FILL_MS_MAX : drive.seconds * 1000
      const { stdout } = await run(process.execPath, [LOAD, planFile], {
        signal,
        env: { ...process.env, ...env },
        timeout: length_ms + OVERRUN_MS_MAX,
        killSignal: 'SIGKILL',
      })
      return JSON.parse(stdout) as DriveResult
    },
  }
}
