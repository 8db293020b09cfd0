import t from 'tap'
import { checkHistory } from '../../../src/verifier/check-history.ts'
import { findCounterexample } from '../../../src/verifier/counterexample.ts'
import type { Operation } from '../../../src/verifier/history.ts'
import { type Random, randomOf } from '../../../src/verifier/random.ts'
import { isLinearizable } from './brute-force.ts'
import { makeHistory } from './model.ts'
import { lostPut, put, read, readNothing, remove } from './operations.ts'
import { seedOfRun } from './seed.ts'

const seed = seedOfRun()

/** A read that shows what two writes before it, one after the other, had replaced. */
function makeStale(operations: readonly Operation[], random: Random): readonly Operation[] {
  const done = operations.filter(({ outcome }) => outcome.type === 'written')
  const last = (key: string, before_us: number) =>
    done.findLast((one) => one.key === key && (one.return_us as number) < before_us)
  const from = random.below(operations.length)
  for (const [at, victim] of operations.entries()) {
    if (at < from || victim.action.type !== 'read' || victim.outcome.type !== 'found') continue
    const newer = last(victim.key, victim.call_us)
    const older = newer === undefined ? undefined : last(victim.key, newer.call_us)
    if (older?.action.type !== 'put' || older.outcome.type !== 'written') continue
    const { value } = older.action
    const { revision } = older.outcome
    const outcome = { type: 'found', value, revision } as const
    return operations.map((one) => (one === victim ? { ...victim, outcome } : one))
  }
  return operations
}

/** An acknowledged put, and a read after it that finds nothing, on a key that nobody deletes. */
function makeLost(operations: readonly Operation[], random: Random): readonly Operation[] {
  const reads = operations.filter(
    (one) =>
      one.action.type === 'read' &&
      one.outcome.type === 'found' &&
      operations.some(
        (other) =>
          other.key === one.key &&
          other.outcome.type === 'written' &&
          (other.return_us as number) < one.call_us,
      ),
  )
  if (reads.length === 0) return operations
  const victim = random.pick(reads)
  return operations.map((one) => (one === victim ? { ...one, outcome: { type: 'absent' } } : one))
}

t.test('the shortest story of a stale read: two writes and the read', async (t) => {
  const operations = [
    put(0, 'x', [0, 5], 1),
    read(3, 'x', [6, 8], 1),
    put(0, 'a', [10, 20], 2),
    read(3, 'a', [22, 24], 2),
    put(1, 'b', [30, 40], 3),
    read(2, 'b', [41, 45], 3),
    read(2, 'a', [2000, 2100], 2),
    put(1, 'c', [2200, 2300], 4),
  ]
  const { holds, findings } = checkHistory(operations)
  t.equal(holds, 'no')
  const finding = findings.find(({ type }) => type === 'not-linearizable')
  t.strictSame(finding?.operations, [operations[2], operations[4], operations[6]])
  t.strictSame(finding?.order, [operations[2], operations[4]])
  t.equal(finding?.culprit, operations[6])
  t.equal(
    finding?.explanation,
    'Client 2\'s read was answered "a" at revision 2, although put "b" (client 1), which had ' +
      'replaced that, was acknowledged 2.0 ms before the request was sent. The other answers are ' +
      'explained by the order put "a", put "b"; then the key holds "b", and this one fits at no ' +
      'place.',
  )
})

t.test('the shortest story of a lost write: the write and the read', async (t) => {
  const operations = [put(0, 'a', [0, 10], 1), read(1, 'a', [11, 12], 1), readNothing(1, [40, 50])]
  const { findings } = checkHistory(operations)
  t.strictSame(findings[0]?.operations, [operations[0], operations[2]])
  t.match(findings[0]?.explanation, /no such key, although put "a" .* nothing can have undone it/)
})

t.test('the shortest story of a delete that found nothing to delete', async (t) => {
  const operations = [remove(0, [0, 10], 1), put(0, 'a', [20, 30], 2)]
  const { findings } = checkHistory(operations)
  t.strictSame(findings[0]?.operations, [operations[0]])
  t.match(findings[0]?.explanation, /although the key cannot have existed/)
})

t.test('the shortest story of a condition on a revision that the key never had', async (t) => {
  const condition = { type: 'revision', revision: 7 } as const
  const operations = [put(0, 'a', [0, 10], 1), put(0, 'b', [20, 30], 2, { if: condition })]
  const { findings } = checkHistory(operations)
  t.match(
    findings[0]?.explanation,
    /the key cannot have been at revision 7: no put that may have left it there was sent by then/,
  )
})

t.test('a write of unknown outcome stays in the story where it matters', async (t) => {
  const operations = [
    put(0, 'a', [0, 10], 1),
    lostPut(1, 'b', [20]),
    read(2, 'b', [40, 50], 2),
    read(3, 'a', [60, 70], 1),
  ]
  const { findings } = checkHistory(operations)
  const [finding] = findings
  t.equal(finding?.type, 'not-linearizable')
  t.equal(finding?.culprit, operations[3])
  t.ok(finding?.operations.includes(operations[1] as Operation))
})

for (const [name, corrupt, most] of [
  ['a stale value', makeStale, 4],
  ['a lost write', makeLost, 4],
] as const) {
  t.test(
    `${name} in a random history is found and told shortly (ORDINAL_SEED=${seed})`,
    async (t) => {
      let broken = 0
      for (let round = 0; round < 150; round++) {
        const random = randomOf(seed + round)
        const operations = makeHistory(random, {
          operations: 30 + random.below(300),
          processes: 2 + random.below(10),
          keys: 1 + random.below(2),
          unknown: random.pick([0, 0.03]),
          deletes: corrupt === makeLost ? 0 : 0.1,
        })
        const wrong = corrupt(operations, random)
        if (wrong === operations) continue
        broken++
        const { holds, findings } = checkHistory(wrong)
        const finding = findings.find(({ type }) => type === 'not-linearizable')
        if (holds === 'no' && finding !== undefined && finding.operations.length <= most) continue
        t.fail(`round ${round}: ${holds}, ${JSON.stringify(finding?.operations)}`)
        return
      }
      t.ok(broken > 50, `${broken} histories were broken`)
    },
  )
}

t.test('what is told of a wrong history is wrong by itself', async (t) => {
  let told = 0
  for (let round = 0; round < 150; round++) {
    const random = randomOf(seed + round)
    const options = { operations: 60, processes: 5, keys: 1, unknown: 0, deletes: 0.1 }
    const wrong = makeStale(makeHistory(random, options), random)
    const { findings } = checkHistory(wrong)
    const finding = findings.find(({ type }) => type === 'not-linearizable')
    if (finding === undefined) continue
    told++
    // What it shows began with no key where no put was sent before.
    const from_us = Math.min(...finding.operations.map(({ call_us }) => call_us))
    const mayExist = wrong.some((one) => one.action.type === 'put' && one.call_us < from_us)
    const explained = isLinearizable(finding.operations, mayExist ? 'any' : 'absent')
    t.notOk(explained, JSON.stringify(finding.operations))
    const others = finding.operations.filter((one) => one !== finding.culprit)
    t.strictSame(
      finding.order?.filter((one) => !others.includes(one)),
      [],
      'the order holds nothing that is not shown',
    )
  }
  t.ok(told > 50, `${told} were told`)
})

t.test('no counterexample is found in a history that holds, wherever one looks', async (t) => {
  for (let round = 0; round < 150; round++) {
    const random = randomOf(seed + round)
    const operations = makeHistory(random, {
      operations: 10 + random.below(60),
      processes: 1 + random.below(8),
      keys: 1,
      unknown: random.pick([0, 0.05, 0.3]),
      deletes: random.pick([0, 0.1, 0.5]),
      conditions: random.pick([0, 0.3, 0.7]),
    })
    const suspects = [random.pick(operations), random.pick(operations)]
    const limits = { steps_max: 100_000, memory_bytes_max: 100_000_000 }
    const { found } = findCounterexample(operations, suspects, limits)
    if (found === undefined) continue
    t.fail(`round ${round}: ${JSON.stringify(found)}`)
    return
  }
  t.pass('none was found')
})
