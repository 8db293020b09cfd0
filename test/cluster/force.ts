/** `ordinal bootstrap --force`, as a person would call it. */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TestCluster } from './harness.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const run = promisify(execFile)

/** Makes a new cluster from one replica's data; resolves to what the command printed. */
export async function forceBootstrap(cluster: TestCluster, name: string): Promise<string> {
  const { client } = cluster.replicaUrls(name)
  const secret = join(cluster.dataFolder, 'peer-secret')
  // The test runner preloads code into every process that a test starts; `env -u` takes it out.
  const args = ['bootstrap', '--force', '--url', client, '--secret-file', secret]
  const { stdout } = await run('env', ['-u', 'NODE_OPTIONS', process.execPath, MAIN, ...args])
  return stdout
}
