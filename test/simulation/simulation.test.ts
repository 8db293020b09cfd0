/** A few whole clusters on simulated time, and that a seed says all there is to say. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { seedOfRun } from '../contracts/random.ts'
import { runSeed } from './run-seed.ts'
import { Coverage } from './situations.ts'

const FIXED = 16
/** Here a check or the budget of the faults was wrong, and the product was not. */
const MISJUDGED = [1645, 3981]
const FRESH = 6
const fresh = seedOfRun()
t.comment(`ORDINAL_SEED=${fresh}`)

async function holds(t: Test, seed: number, coverage: Coverage): Promise<void> {
  const result = await runSeed(seed)
  coverage.add(result.coverage)
  t.equal(result.failure, undefined, `seed ${seed}: npm run simulate -- --runs 1 --seed ${seed}`)
  t.ok(result.virtual_ms >= 60_000, 'a minute of virtual time')
  t.ok(result.operations >= 500, 'and 500 operations')
  t.ok(result.faults.length >= 3, 'and three faults')
}

t.test('a fixed set of seeds', async (t) => {
  const coverage = new Coverage()
  for (let seed = 1; seed <= FIXED; seed += 1) await holds(t, seed, coverage)
  for (const situation of ['leader-change', 'snapshot-installed', 'stored-result', 'hand-back']) {
    t.ok(coverage.share(situation) > 0, `${situation} occurred`)
  }
})

t.test('seeds that were misjudged', async (t) => {
  for (const seed of MISJUDGED) await holds(t, seed, new Coverage())
})

t.test('a few fresh seeds', async (t) => {
  for (let more = 0; more < FRESH; more += 1) {
    await holds(t, (fresh + more) >>> 0, new Coverage())
  }
})

t.test('one seed, one transcript: again, and in another process', async (t) => {
  const first = await runSeed(3, { transcript: true })
  const again = await runSeed(3)
  t.equal(again.hash, first.hash)
  const other = await runSeed(4)
  t.not(other.hash, first.hash)
  const from = JSON.stringify(new URL('run-seed.ts', import.meta.url).href)
  const program = `import(${from}).then(async (m) => console.log((await m.runSeed(3)).hash))`
  const { stdout } = spawnSync(process.execPath, ['-e', program], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    encoding: 'utf8',
  })
  t.equal(stdout.trim(), first.hash)
  t.match(first.transcript(), /FAULTS END/)
})

t.test('fewer faults of the same schedule can be run alone', async (t) => {
  const whole = await runSeed(5)
  const part = await runSeed(5, { keep: [0] })
  t.same(part.faults, whole.faults.slice(0, 1))
  t.equal(part.failure, undefined)
})
