/** Power failures: power-failure.c, compiled and put in front of the replicas' processes. */

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestCluster } from '../cluster/harness.ts'

const SOURCE = fileURLToPath(new URL('./power-failure.c', import.meta.url))
/** SIGRTMIN + 6. */
const FAILURE_SIGNAL = 40
/** What a replica's process exits with at a power failure. */
export const FAILURE_EXIT = 137

/** Why it cannot be used here; false: it can. */
export function powerUnavailable(): string | false {
  if (process.platform !== 'linux') return 'a preloaded library like this works on Linux only'
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' })
  } catch {
    return 'there is no C compiler (cc) to build the preloaded library with'
  }
  return false
}

/** Compiles the library into `folder`; its path. */
export function compilePower(folder: string): string {
  const library = join(folder, 'power-failure.so')
  execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl', '-lpthread'])
  return library
}

/** The words before a replica's command line (for `wrap`); API servers stay as they are. */
export function powered(options: {
  readonly library: string
  readonly dataFolder: string
  /** Syncing a write-ahead log does nothing and answers that all is well. */
  readonly dropLogSyncs?: boolean
  /** Replicas whose files keep a random part of what was not synced. */
  readonly keepPart?: readonly string[]
}): (name: string) => readonly string[] {
  const { library, dataFolder, dropLogSyncs = false, keepPart = [] } = options
  return (name) => {
    if (!name.startsWith('db-')) return []
    const folder = join(dataFolder, name)
    mkdirSync(folder, { recursive: true })
    return [
      'env',
      `LD_PRELOAD=${library}`,
      `POWER_FOLDER=${folder}`,
      `DROP_FSYNC=${Number(dropLogSyncs)}`,
      `KEEP_PART=${Number(keepPart.includes(name))}`,
    ]
  }
}

/** All replicas lose power at once; resolves when their processes have ended. */
export async function failPower(cluster: TestCluster, names: readonly string[]): Promise<void> {
  const before = cluster.events.length
  for (const name of names) process.kill(cluster.pid(name), FAILURE_SIGNAL)
  const ended = (name: string) =>
    cluster.events.slice(before).some((event) => event.type === 'exited' && event.name === name)
  await cluster.waitFor('all replicas have lost power', () => names.every(ended))
}
