/**
 * All replicas lose power at once, under load: what was not synced is gone (power-failure.c), on
 * two of them but for a random part, and nothing acknowledged may be. Nor is a file that a power
 * failure cut short taken for a damaged one. The control loses its syncs on purpose, and the same
 * check must find acknowledged writes missing: else the check shows nothing.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startCluster, type TestCluster } from '../cluster/harness.ts'
import { randomFrom, seedOfRun } from '../contracts/random.ts'
import { agreed, ownRow, replicaNames } from './agreement.ts'
import { compilePower, FAILURE_EXIT, failPower, powered, powerUnavailable } from './power.ts'
import { Load } from './workload.ts'

const ROUNDS = Number(process.env['ORDINAL_ROUNDS'] ?? 5)
const CLIENTS = 32
/** Acknowledged in each round before the power fails. */
const WRITES = 800
/** Power failures while the replicas start, each within this time of the start. */
const FAILURES_AT_START = 10
const START_MS = 1500
const LOAD_MS_MAX = 30_000
/** Large values beside the small ones: LevelDB changes its log and writes tables meanwhile. */
const LARGE = { clients: 4, keys: 8, valueBytes: 64 * 1024, prefix: 'large' }

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
  // The control is to lose all of it, each time.
  const keepPart = options.dropLogSyncs ? [] : ['db-1', 'db-2']
  const cluster = await startCluster({
    dataFolder,
    wrap: powered({ ...options, dataFolder, keepPart }),
  })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  return cluster
}

/** Load, and in the middle of it no power; resolves when all replicas are back. */
async function lossUnderLoad(
  t: Test,
  cluster: TestCluster,
  loads: readonly [Load, ...Load[]],
): Promise<void> {
  for (const load of loads) load.start()
  await loads[0].acknowledge(WRITES, LOAD_MS_MAX)
  const before = cluster.events.length
  await failPower(cluster, replicaNames(cluster))
  const ends = cluster.events.slice(before).flatMap((one) => (one.type === 'exited' ? one.how : []))
  t.strictSame(new Set(ends), new Set([`exited with code ${FAILURE_EXIT}`]), 'the power failed')
  for (const load of loads) await load.stop()
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
    const large = new Load({ url: cluster.url, ...LARGE })
    t.teardown(() => large.close())
    for (let round = 1; round <= ROUNDS; round += 1) {
      await lossUnderLoad(t, cluster, [load, large])
      const missing = [...(await load.check()), ...(await large.check())]
      t.strictSame(missing, [], `round ${round}: nothing acknowledged is missing`)
      await agreed(cluster)
      for (const name of replicaNames(cluster)) {
        t.strictSame((await ownRow(cluster, name)).notes, [], `${name} finds nothing damaged`)
      }
    }
    const { acknowledged, unknown, refused } = load.counts
    t.comment(`${ROUNDS} power failures: ${acknowledged} writes acknowledged, ${unknown} unknown`)
    t.comment(`${refused} refused; ${large.counts.acknowledged} large ones acknowledged`)
    t.comment(`${load.keys.length + large.keys.length} keys checked after the last`)
  },
)

t.test('power fails again and again while all start: nothing is missing', { skip }, async (t) => {
  const seed = seedOfRun()
  const random = randomFrom(seed)
  t.comment(`ORDINAL_SEED=${seed}`)
  const folder = folderFor(t)
  const library = compilePower(folder)
  const cluster = await start(t, { folder, library, dropLogSyncs: false })
  const load = new Load({ url: cluster.url, clients: CLIENTS })
  t.teardown(() => load.close())
  const large = new Load({ url: cluster.url, ...LARGE })
  t.teardown(() => large.close())
  await lossUnderLoad(t, cluster, [load, large])
  const names = replicaNames(cluster)
  for (let failure = 1; failure <= FAILURES_AT_START; failure += 1) {
    const runs = (name: string) => cluster.process(name).pid !== null
    await cluster.waitFor('all replicas are started', () => names.every(runs))
    await delay(random() * START_MS)
    await failPower(cluster, names.filter(runs))
  }
  await cluster.ready()
  const missing = [...(await load.check()), ...(await large.check())]
  t.strictSame(missing, [], 'nothing acknowledged is missing')
  await agreed(cluster)
  for (const name of names) {
    t.strictSame((await ownRow(cluster, name)).notes, [], `${name} finds nothing damaged`)
  }
})

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
  await lossUnderLoad(t, cluster, [load])
  const missing = await load.check()
  t.comment(`without syncs ${missing.length} of ${load.keys.length} keys have lost writes`)
  t.ok(missing.length > 0, 'the check finds acknowledged writes missing')
})
