/** Nothing is acknowledged that was not synced: the kernel's own count of it (strace). */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startCluster } from '../cluster/harness.ts'
import { agreed, metricOf, replicaNames } from './agreement.ts'
import { Load } from './workload.ts'

const CLIENTS = 32
const WRITES = 3000
const LOAD_MS_MAX = 60_000

function unavailable(): string | false {
  try {
    execFileSync('strace', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'strace is not installed'
  }
}

type Counts = { readonly log: number; readonly other: number; readonly failed: number }

/** From lines such as `12 fdatasync(17</data/db-0/db/000003.log>) = 0`. */
function countSyncs(trace: string): Counts {
  let log = 0
  let other = 0
  let failed = 0
  // A call that another thread's interrupts is shown in two parts; the first names the file.
  const open = new Map<string, string>()
  for (const line of trace.split('\n')) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (!/fdatasync|fsync/.test(text)) continue
    if (text.includes('<unfinished')) {
      open.set(thread, text)
      continue
    }
    const whole = text.startsWith('<...') ? `${open.get(thread)} ${text}` : text
    if (!/= 0$/.test(whole)) failed += 1
    else if (/fdatasync\(\d+<[^>]*\.log>/.test(whole)) log += 1
    else other += 1
  }
  return { log, other, failed }
}

t.test('each batch of each replica is synced', { skip: unavailable() }, async (t) => {
  const traces = t.testdir({})
  const traceOf = (name: string) => join(traces, `${name}.trace`)
  const cluster = await startCluster({
    wrap: (name) =>
      name.startsWith('db-')
        ? // -D: the replica stays the supervisor's own child, and strace stands beside it.
          ['strace', '-D', '-f', '-y', '-e', 'trace=fdatasync,fsync', '-o', traceOf(name)]
        : [],
  })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const load = new Load({ url: cluster.url, clients: CLIENTS })
  t.teardown(() => load.close())
  load.start()
  await load.acknowledge(WRITES, LOAD_MS_MAX)
  await load.stop()
  t.equal(load.counts.refused + load.counts.unknown, 0, 'every write was acknowledged')
  await agreed(cluster)
  const names = replicaNames(cluster)
  const figures = new Map<string, { batches: number; entries: number; commands: number }>()
  for (const name of names) {
    figures.set(name, {
      batches: await metricOf(cluster, name, 'ordinal_batches_total'),
      entries: await metricOf(cluster, name, 'ordinal_entries_applied_total'),
      commands: await metricOf(cluster, name, 'ordinal_commands_applied_total'),
    })
  }
  const { acknowledged } = load.counts
  await cluster.stop()
  for (const name of names) {
    const { log, other, failed } = countSyncs(readFileSync(traceOf(name), 'utf8'))
    const { batches = 0, entries = 0, commands = 0 } = figures.get(name) ?? {}
    t.comment(
      `${name}: ${log} fdatasync of write-ahead logs (and ${other} of other files), ` +
        `${batches} batches, ${entries} entries, ${commands} commands; ` +
        `${acknowledged} writes acknowledged, ${(acknowledged / log).toFixed(1)} a fdatasync`,
    )
    t.equal(failed, 0, `${name}: every sync succeeded`)
    t.ok(batches > 0 && commands >= acknowledged, `${name} took part`)
    t.ok(log >= batches, `${name}: at least one fdatasync a batch`)
  }
})
