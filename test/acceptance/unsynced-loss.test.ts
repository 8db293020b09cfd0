/**
 * All replicas lose power at once, under load: what was not synced is gone (power-failure.c), and
 * nothing acknowledged may be. The control loses its syncs on purpose, and the same check must
 * find acknowledged writes missing: else the check shows nothing.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startCluster, type TestCluster } from '../cluster/harness.ts'
import { agreed, replicaNames } from './agreement.ts'
import { compilePower, FAILURE_EXIT, failPower, powered, powerUnavailable } from './power.ts'
import { Load } from './workload.ts'

const ROUNDS = Number(process.env['ORDINAL_ROUNDS'] ?? 5)
const CLIENTS = 32
/** Acknowledged in each round before the power fails. */
const WRITES = 800
const LOAD_MS_MAX = 30_000

/** A folder on a real disk: there files have a birth time. */
function folderFor(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'ordinal-power-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function start(
  t: Test,
  options: { folder: string; library: string; dropLogSyncs: boolean },
): Promise<TestCluster> {
  const dataFolder = join(options.folder, 'data')
  const cluster = await startCluster({ dataFolder, wrap: powered({ ...options, dataFolder }) })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  return cluster
}

/** Load, and in the middle of it no power; resolves when all replicas are back. */
async function lossUnderLoad(t: Test, cluster: TestCluster, load: Load): Promise<void> {
  load.start()
  await load.acknowledge(WRITES, LOAD_MS_MAX)
  const before = cluster.events.length
  await failPower(cluster, replicaNames(cluster))
  const ends = cluster.events.slice(before).flatMap((one) => (one.type === 'exited' ? one.how : []))
  t.strictSame(new Set(ends), new Set([`exited with code ${FAILURE_EXIT}`]), 'the power failed')
  await load.stop()
  await cluster.ready()
}

const skip = powerUnavailable()

t.test(
  'power fails everywhere under load: nothing acknowledged is missing',
  { skip },
  async (t) => {
    const folder = folderFor(t)
    const library = compilePower(folder)
    const cluster = await start(t, { folder, library, dropLogSyncs: false })
    const load = new Load({ url: cluster.url, clients: CLIENTS })
    t.teardown(() => load.close())
    for (let round = 1; round <= ROUNDS; round += 1) {
      await lossUnderLoad(t, cluster, load)
      t.strictSame(await load.check(), [], `round ${round}: nothing acknowledged is missing`)
      await agreed(cluster)
    }
    const { acknowledged, unknown, refused } = load.counts
    t.comment(`${ROUNDS} power failures: ${acknowledged} writes acknowledged, ${unknown} unknown`)
    t.comment(`${refused} refused, ${load.keys.length} keys checked after each`)
  },
)

t.test('control: without syncs the same check finds writes missing', { skip }, async (t) => {
  const folder = folderFor(t)
  const library = compilePower(folder)
  // An honest start, so that only what comes after is at stake.
  const honest = await start(t, { folder, library, dropLogSyncs: false })
  const before = new Load({ url: honest.url, clients: CLIENTS, prefix: 'before' })
  t.teardown(() => before.close())
  before.start()
  await before.acknowledge(WRITES, LOAD_MS_MAX)
  await before.stop()
  await honest.stop()
  const cluster = await start(t, { folder, library, dropLogSyncs: true })
  const load = new Load({ url: cluster.url, clients: CLIENTS })
  t.teardown(() => load.close())
  await lossUnderLoad(t, cluster, load)
  const missing = await load.check()
  t.comment(`without syncs ${missing.length} of ${load.keys.length} keys have lost writes`)
  t.ok(missing.length > 0, 'the check finds acknowledged writes missing')
})
