/**
 * A million operations are checked in less than a minute on one core: by 64 clients on one key, and
 * on a thousand keys; and one wrong answer among them is found, and told by a few operations.
 */

import t from 'tap'
import { checkHistory } from '../../src/verifier/check-history.ts'
import type { Operation } from '../../src/verifier/history.ts'
import { randomOf } from '../../src/verifier/random.ts'
import { makeHistory } from '../unit/verifier/model.ts'

const OPERATIONS = 1_000_000
const MS_MAX = 60_000

/** In the middle of the history a read that shows what was replaced long before. */
function makeStale(operations: readonly Operation[]): Operation[] {
  const at = operations.findIndex(
    ({ action, outcome }, place) =>
      place > OPERATIONS / 2 && action.type === 'read' && outcome.type === 'found',
  )
  const victim = operations[at] as Operation
  const older = operations.findLast(
    ({ key, outcome }, place) =>
      place < at - 10_000 && key === victim.key && outcome.type === 'written',
  )
  if (older?.action.type !== 'put' || older.outcome.type !== 'written') throw new Error('no put')
  const { value } = older.action
  const { revision } = older.outcome
  return operations.with(at, { ...victim, outcome: { type: 'found', value, revision } })
}

for (const keys of [1, 1000]) {
  t.test(`a million operations on ${keys} key(s)`, { timeout: 600_000 }, async (t) => {
    const operations = makeHistory(randomOf(7), {
      operations: OPERATIONS,
      processes: 64,
      keys,
      unknown: 0.0005,
      staleReads: 0,
    })
    for (const [name, history] of [
      ['right', operations],
      ['wrong', makeStale(operations)],
    ] as const) {
      const start_ms = performance.now()
      const { holds, findings } = checkHistory(history)
      const taken_ms = performance.now() - start_ms
      t.ok(taken_ms < MS_MAX, `${name}: ${Math.round(taken_ms)} ms`)
      t.equal(holds, name === 'right' ? 'yes' : 'no')
      if (name === 'wrong') t.ok((findings[0]?.operations.length ?? 0) <= 4)
    }
  })
}
