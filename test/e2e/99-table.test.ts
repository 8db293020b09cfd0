/** The last file of the run: what each scenario cost, in one table. */

import t from 'tap'
import { rows } from './cluster/table.ts'

const all = rows()
const width = Math.max(0, ...all.map(({ scenario }) => scenario.length))

t.test('every scenario held', { skip: all.length === 0 && 'no scenario was run' }, async (t) => {
  for (const { scenario, passed, text, took_s } of all) {
    const verdict = passed ? 'ok  ' : 'FAIL'
    t.comment(`${verdict}  ${scenario.padEnd(width)}  ${String(took_s).padStart(4)} s  ${text}`)
  }
  t.same(
    all.filter(({ passed }) => !passed).map(({ scenario }) => scenario),
    [],
  )
})
