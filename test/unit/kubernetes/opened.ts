/** Kubernetes as a replica opens it, on a fake API server and a clock that runs fast. */

import type { Test } from 'tap'
import { type Kubernetes, openKubernetes } from '../../../src/kubernetes/kubernetes.ts'
import { type Clock, systemClock } from '../../../src/shared/clock.ts'
import { FakeApiServer, MARKER_PATH, NAMESPACE } from './fake-api-server.ts'

/** So many times faster than time. */
export const HASTE = 50

export const fastClock: Clock = {
  now_ms: () => systemClock.now_ms() * HASTE,
  wall_ms: () => systemClock.wall_ms(),
  after: (delay_ms, run) => systemClock.after(delay_ms / HASTE, run),
}

export type Line = { readonly level: 'info' | 'warn'; readonly message: string; details: object }

/** Keeps what is logged. */
export function keptLog() {
  const lines: Line[] = []
  const at = (level: Line['level']) => (details: object, message: string) => {
    lines.push({ level, message, details })
  }
  return { lines, info: at('info'), warn: at('warn') }
}

export type Opened = {
  readonly api: FakeApiServer
  readonly kubernetes: Kubernetes
  readonly lines: Line[]
}

/** A running API server with the objects of a release of three. */
export async function apiServer(
  t: Test,
  options: { secure?: boolean } = {},
): Promise<FakeApiServer> {
  const api = new FakeApiServer(t, options)
  api.scale({ replicas: 3 })
  api.put(MARKER_PATH, { kind: 'ConfigMap', metadata: {} })
  for (const name of ['db-0', 'db-1', 'db-2']) api.pod(name)
  await api.appear()
  return api
}

/** db-0's, closed at the end of the test. */
export function open(t: Test, api: FakeApiServer, pod = 'db-0', clock: Clock = fastClock): Opened {
  const log = keptLog()
  const options = {
    server: api.url,
    accountFolder: api.account.path,
    namespace: NAMESPACE,
    statefulSet: 'db',
    marker: 'db-marker',
    pod,
    clock,
  }
  const kubernetes = openKubernetes(options, log)
  t.teardown(() => kubernetes.close())
  return { api, kubernetes, lines: log.lines }
}
