import t from 'tap'
import { checkHistory } from '../../../src/verifier/check-history.ts'
import type { Operation } from '../../../src/verifier/history.ts'
import { UNTOLD } from '../../../src/verifier/key-problem.ts'
import { judgeKey } from '../../../src/verifier/key-verdict.ts'
import { findOrder } from '../../../src/verifier/linearizability.ts'
import { buildKeyProblem } from '../../../src/verifier/problem-builder.ts'
import { randomOf } from '../../../src/verifier/random.ts'
import { isLinearizable } from './brute-force.ts'
import { disturb } from './disturbance.ts'
import { makeHistory } from './model.ts'
import { seedOfRun } from './seed.ts'
import { HISTORIES } from './small-histories.ts'

const LIMITS = { steps_max: 1_000_000, memory_bytes_max: 100_000_000 }
const search = (operations: readonly Operation[]) => findOrder(buildKeyProblem(operations), LIMITS)

for (const [name, [holds, operations]] of Object.entries(HISTORIES)) {
  t.test(name, async (t) => {
    const found = search(operations)
    t.equal(found.type, holds ? 'linearizable' : 'not-linearizable')
    t.equal(isLinearizable(operations), holds, 'so says the brute force')
    if (found.type === 'linearizable') t.ok(found.order.length <= operations.length)
  })
}

const seed = seedOfRun()

t.test(`random histories of a model hold (ORDINAL_SEED=${seed})`, async (t) => {
  for (let round = 0; round < 250; round++) {
    const random = randomOf(seed + round)
    const operations = makeHistory(random, {
      operations: 20 + random.below(150),
      processes: 1 + random.below(12),
      keys: 1 + random.below(3),
      unknown: random.pick([0, 0.05, 0.3]),
      deletes: random.pick([0, 0.1, 0.5]),
      conditions: random.pick([0, 0.3, 0.7]),
      staleReads: random.pick([0, 0.1, 0.4]),
      terse: random.pick([0, 0.3]),
    })
    const { holds, findings } = checkHistory(operations)
    if (holds === 'yes') continue
    t.equal(holds, 'yes', `round ${round}: ${findings[0]?.explanation}`)
    return
  }
  t.pass('all held')
})

t.test(`the search agrees with the brute force (ORDINAL_SEED=${seed})`, async (t) => {
  const counts = { linearizable: 0, 'not-linearizable': 0, undecided: 0 }
  const untold = { ...counts }
  for (let round = 0; round < 3000; round++) {
    const random = randomOf(seed + round)
    const made = makeHistory(random, {
      operations: 3 + random.below(6),
      processes: 2 + random.below(4),
      keys: 1,
      unknown: random.pick([0, 0.2, 0.4, 0.6]),
      deletes: random.pick([0, 0.2, 0.5]),
      conditions: random.pick([0, 0.3, 0.8]),
      reads: random.pick([0.3, 0.6]),
      staleReads: 0,
      terse: random.pick([0, 0.5]),
    })
    const once = random.chance(0.7) ? disturb(made, random) : made
    const operations = random.chance(0.5) ? disturb(once, random) : once
    const problem = buildKeyProblem(operations)
    const { type } = findOrder(problem, LIMITS)
    counts[type]++
    if (problem.blank === UNTOLD) untold[type]++
    const wanted = isLinearizable(operations) ? 'linearizable' : 'not-linearizable'
    const judged = judgeKey(operations, LIMITS).type
    if (type === wanted && (judged === 'linearizable') === (wanted === 'linearizable')) continue
    t.equal(type, wanted, `round ${round}: ${JSON.stringify(operations)}`)
    t.equal(judged === 'linearizable', wanted === 'linearizable', 'and the verdict on the key')
    return
  }
  t.ok(counts.linearizable > 250 && counts['not-linearizable'] > 40, JSON.stringify(counts))
  // Conditions on revisions that nobody was told.
  t.ok(untold.linearizable > 10 && untold['not-linearizable'] > 0, JSON.stringify(untold))
})

t.test('a search that meets its limits is undecided, and says why', async (t) => {
  const operations = makeHistory(randomOf(1), { operations: 200, processes: 8, keys: 1 })
  const few = findOrder(buildKeyProblem(operations), { ...LIMITS, steps_max: 20 })
  t.match(few, { type: 'undecided', reason: /more than 20 steps/ })
  const verdict = checkHistory(operations, { steps_max: 20 })
  t.equal(verdict.holds, 'undecided')
  t.match(verdict.undecided[0], /^the key k0: the search took more than/)
})

t.test('fifty thousand operations of 64 clients on one key', async (t) => {
  const random = randomOf(5)
  const options = { operations: 50_000, processes: 64, keys: 1, staleReads: 0, unknown: 0.001 }
  const operations = makeHistory(random, options)
  const verdict = checkHistory(operations)
  t.equal(verdict.holds, 'yes')
  t.ok(verdict.figures.steps < 100_000, `${verdict.figures.steps} steps`)
})
