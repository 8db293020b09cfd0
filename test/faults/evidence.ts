/** What a failed run leaves behind for whoever has to understand it. */

import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestCluster } from '../cluster/harness.ts'
import type { Taken } from './nemesis.ts'

/** Copies logs and data, and writes down the plan as it was taken. */
export function saveEvidence(
  folder: string,
  what: { cluster: TestCluster; taken: readonly Taken[]; report: string },
): void {
  const { cluster, taken, report } = what
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'report.txt'), report)
  writeFileSync(join(folder, 'plan.json'), `${JSON.stringify(taken, undefined, 1)}\n`)
  writeFileSync(join(folder, 'events.json'), `${JSON.stringify(cluster.events, undefined, 1)}\n`)
  cpSync(cluster.dataFolder, join(folder, 'data'), {
    recursive: true,
    filter: (path) => !/\/(LOCK|ballast)$/.test(path),
  })
}
