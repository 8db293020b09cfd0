/**
 * A million keys: how long a restart of all takes until the first write, and what memory a replica
 * needs. Runs only when asked for (ORDINAL_MILLION=1), for it takes minutes; ORDINAL_KEYS sets
 * another number (a power of ten).
 */

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { startCluster, type TestCluster } from '../cluster/harness.ts'
import { agreed, metricOf, ownRow, replicaNames } from './agreement.ts'
import { keyOf, type LoaderResult } from './loader.ts'
import { Client } from './workload.ts'

const LOADER = fileURLToPath(new URL('./loader.ts', import.meta.url))
const KEYS = Number(process.env['ORDINAL_KEYS'] ?? 1_000_000)
const VALUE_BYTES = 256
const CONNECTIONS = 256
const LOAD_MS_MAX = 20 * 60_000
const TEST_MS_MAX = 30 * 60_000
const RESTART_MS_MAX = 120_000
const CHECKED = 2000
const MIB = 1024 * 1024

/** Resident memory of a process now and at its highest, MiB. */
function memoryOf(pid: number): { now: number; highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mebibytes = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024)
  return { now: mebibytes('VmRSS'), highest: mebibytes('VmHWM') }
}

async function describe(cluster: TestCluster, when: string): Promise<void> {
  for (const name of replicaNames(cluster)) {
    const { now, highest } = memoryOf(cluster.pid(name))
    const used = ((await metricOf(cluster, name, 'ordinal_disk_used_bytes')) / MIB).toFixed(0)
    const { role } = await ownRow(cluster, name)
    t.comment(`${when}: ${name} (${role}) ${now} MiB resident, at most ${highest}; ${used} on disk`)
  }
}

/** Time from `start_ms` to the first write that is acknowledged, ms. */
async function untilFirstWrite(cluster: TestCluster, start_ms: number): Promise<number> {
  const client = new Client(1)
  try {
    await cluster.waitFor(
      'a write is acknowledged',
      async () => {
        const url = `${cluster.url}/v1/kv/first?timeout=10s`
        return (await client.call(url, 'PUT', 'value')).status < 300
      },
      RESTART_MS_MAX,
    )
    return Math.round(performance.now() - start_ms)
  } finally {
    await client.close()
  }
}

async function absentKeys(cluster: TestCluster): Promise<string[]> {
  const client = new Client(16)
  const absent: string[] = []
  const check = async (at: number) => {
    const key = keyOf(Math.floor((at * KEYS) / CHECKED))
    const { status } = await client.call(`${cluster.url}/v1/kv/${key}`, 'GET')
    if (status !== 200) absent.push(`${key}: ${status}`)
  }
  try {
    await Promise.all(Array.from({ length: CHECKED }, (_, at) => check(at)))
    return absent
  } finally {
    await client.close()
  }
}

const options = {
  skip: process.env['ORDINAL_MILLION'] === '1' ? false : 'takes minutes: ORDINAL_MILLION=1',
  timeout: TEST_MS_MAX,
}
if (!options.skip) t.setTimeout(TEST_MS_MAX)

t.test(`${KEYS} keys of ${VALUE_BYTES} bytes, then a restart of all`, options, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ordinal-million-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const first = await startCluster({ dataFolder: folder })
  t.teardown(() => first.stop())
  await first.ready()
  const port = new URL(first.url).port
  const args = [LOADER, port, String(KEYS), String(VALUE_BYTES), String(CONNECTIONS)]
  const env = { ...process.env, NODE_OPTIONS: '' }
  const run = promisify(execFile)(process.execPath, args, { timeout: LOAD_MS_MAX, env })
  t.teardown(() => run.child.kill('SIGKILL'))
  const { acknowledged, again, duration_ms } = JSON.parse((await run).stdout) as LoaderResult
  const rate = Math.round((acknowledged / duration_ms) * 1000)
  t.comment(`${acknowledged} puts in ${duration_ms} ms, ${rate} a second, ${again} sent again`)
  t.equal(acknowledged, KEYS)
  await agreed(first, RESTART_MS_MAX)
  await describe(first, 'after the load')

  const killed_ms = performance.now()
  for (const name of replicaNames(first)) first.kill(name)
  t.comment(`first write ${await untilFirstWrite(first, killed_ms)} ms after all were killed`)
  await first.ready(RESTART_MS_MAX)
  await agreed(first, RESTART_MS_MAX)
  await describe(first, 'after kill -9 of all replicas')
  await first.stop()

  const start_ms = performance.now()
  const second = await startCluster({ dataFolder: folder })
  t.teardown(() => second.stop())
  const after_ms = await untilFirstWrite(second, start_ms)
  t.comment(`first write ${after_ms} ms after the start of all processes`)
  await second.ready(RESTART_MS_MAX)
  for (const name of replicaNames(second)) {
    t.equal(await metricOf(second, name, 'ordinal_keys'), KEYS + 1, `${name} holds all keys`)
  }
  t.strictSame(await absentKeys(second), [], `${CHECKED} of them were read`)
  await describe(second, 'after a restart of all')
})
