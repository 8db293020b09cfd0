/** Starts a local cluster of fake children for a test, and stops it with the test. */

import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { LocalCluster } from '../../../src/local/cluster.ts'
import type { LocalEvent } from '../../../src/local/events.ts'
import { type LocalOptions, startLocal } from '../../../src/local/prepare.ts'
import { until } from '../../cluster/until.ts'

const SCRIPT = fileURLToPath(new URL('fake-child.ts', import.meta.url))

export const fakeCommand: NonNullable<LocalOptions['command']> = (plan) => [
  // The test runner preloads code into every process that a test starts; this takes it out.
  'env',
  '-u',
  'NODE_OPTIONS',
  process.execPath,
  SCRIPT,
  plan.kind,
]

export type FakeCluster = { readonly cluster: LocalCluster; readonly events: LocalEvent[] }

/** Options of a cluster of fakes, small and with short pauses. */
export function fakeOptions(more: Partial<LocalOptions> = {}): LocalOptions {
  return {
    replicas: 2,
    api: 2,
    port: 0,
    data: 'not-used',
    ephemeral: true,
    balancer: 'auto',
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] },
    command: fakeCommand,
    restart: { first_ms: 50, max_ms: 200, reset_ms: 60_000 },
    ...more,
  }
}

export async function startFakes(t: Test, more: Partial<LocalOptions> = {}): Promise<FakeCluster> {
  const events: LocalEvent[] = []
  const cluster = await startLocal(fakeOptions({ report: (e) => events.push(e), ...more }))
  t.teardown(async () => {
    if (!t.passing()) t.comment('what the cluster reported', events, cluster.view())
    await cluster.stop(1000)
  })
  return { cluster, events }
}

export async function allReady({ cluster }: FakeCluster): Promise<void> {
  await until('all are ready', () => cluster.view().processes.every(({ ready }) => ready))
  await until('a leader is known', () => cluster.leader !== undefined)
}
