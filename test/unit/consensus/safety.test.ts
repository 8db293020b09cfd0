/**
 * Random schedules against what must always hold (the list in core.ts's header): loss, duplication,
 * reordering, partitions, crashes with lost writes, lost disks, snapshots, drains. After each
 * schedule the network heals, and then a leader must exist, all must converge, and the lowest
 * ordinal must lead.
 *
 * Run one again with ORDINAL_SEED=<seed>; ORDINAL_SCHEDULES=<n> runs more of them.
 */

import t from 'tap'
import { runSchedule } from './schedule.ts'

const given = process.env['ORDINAL_SEED']
const first = given === undefined ? Math.floor(Math.random() * 1e9) : Number(given)
const schedules = Number(process.env['ORDINAL_SCHEDULES'] ?? (given === undefined ? 60 : 1))

t.test(`${schedules} random schedules from ORDINAL_SEED=${first}`, (t) => {
  let elections = 0
  let commits = 0
  let reads = 0
  for (let seed = first; seed < first + schedules; seed += 1) {
    const result = runSchedule(seed)
    if (result.failure !== undefined) {
      t.fail(`ORDINAL_SEED=${seed}: ${result.failure}`)
      break
    }
    elections += result.elections
    commits += result.commits
    reads += result.reads
  }
  t.comment(`${elections} elections, ${commits} entries committed, ${reads} reads answered`)
  t.ok(elections >= schedules, 'leaders were elected')
  t.ok(commits >= schedules, 'entries were committed')
  t.ok(reads > 0, 'reads were answered')
  t.end()
})
