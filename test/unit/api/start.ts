/** An API server over the toy cluster, linked and with its session open. */

import pino from 'pino'
import type { Test } from 'tap'
import { type Api, createApi } from '../../../src/api/create-api.ts'
import { FakeClock, until } from './fake-clock.ts'
import { FakeCluster } from './fake-cluster.ts'

export type Started = {
  readonly api: Api
  readonly clock: FakeClock
  readonly cluster: FakeCluster
  /** One figure of /metrics, by its name and labels as Prometheus writes them. */
  readonly figure: (name: string) => Promise<number>
}

export async function start(
  t: Pick<Test, 'teardown'>,
  options: { prepare?: (cluster: FakeCluster) => void; wait?: boolean } = {},
): Promise<Started> {
  const clock = new FakeClock()
  const cluster = new FakeCluster(clock)
  options.prepare?.(cluster)
  const api = createApi({
    name: 'api-0',
    clusterName: 'test',
    dialer: cluster.dialer,
    discovery: cluster.discovery,
    clock,
    logger: pino({ level: 'silent' }),
  })
  t.teardown(() => api.close())
  const figure = async (name: string): Promise<number> => {
    const { body } = await api.app.inject('/metrics')
    const line = body.split('\n').find((one) => one.startsWith(`${name} `))
    return line === undefined ? Number.NaN : Number(line.slice(name.length + 1))
  }
  if (options.wait !== false) {
    await until('a session is open', () => cluster.sessions.size === 1)
    await until('all are linked', () => cluster.replicas.every(({ link }) => link !== undefined))
    await clock.advance(0)
  }
  return { api, clock, cluster, figure }
}
