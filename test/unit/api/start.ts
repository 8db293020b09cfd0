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

/** Starts a PUT and hands back its answer to come. */
export function put(started: Started, key: string, extra: Record<string, string> = {}, query = '') {
  return started.api.app.inject({
    method: 'PUT',
    url: `/v1/kv/${key}${query}`,
    headers: extra,
    payload: key,
  })
}

/** A request past the socket, and its answer to come. */
export const ask = (
  started: Started,
  method: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST' | 'PATCH' | 'OPTIONS',
  url: string,
  more: { headers?: Record<string, string>; payload?: string | Buffer } = {},
) => started.api.app.inject({ method, url, ...more })

/** How many commands each frame of writes brought that this replica was sent. */
export const sizes = (started: Started, ordinal: number) =>
  started.cluster
    .replica(ordinal)
    .segments.filter(({ session }) => session !== 0)
    .map(({ commands }) => commands.length)
