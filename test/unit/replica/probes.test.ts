import pino from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import { createProbeServer } from '../../../src/database/replica/http/probes.ts'
import type { Readiness } from '../../../src/database/replica/readiness.ts'
import type { Replica } from '../../../src/database/replica/replica.ts'
import type { StopGuard } from '../../../src/database/replica/stop-guard.ts'

t.test('the metrics port: probes, HEAD too, and problems for all else', async (t) => {
  const app = await createProbeServer({
    name: 'db-0',
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
    readiness: { notLive: () => undefined, notReady: () => 'waits' } as unknown as Readiness,
    guard: { released: async () => 'there is no other voter' } as unknown as StopGuard,
    replica: { loop: undefined, views: { detail: () => ({ name: 'db-0' }) } } as unknown as Replica,
  })
  t.teardown(() => app.close())
  const ask = (url: string, method: 'GET' | 'HEAD' | 'PUT' = 'GET') => app.inject({ url, method })
  for (const url of ['/livez', '/healthz', '/startupz', '/metrics', '/status']) {
    t.equal((await ask(url)).statusCode, 200, url)
    t.equal((await ask(url, 'HEAD')).statusCode, 200, `HEAD ${url}`)
  }
  t.same((await ask('/readyz')).json(), { status: 'failed', reason: 'waits' })
  t.equal((await ask('/readyz')).statusCode, 503)
  t.same((await ask('/prestop')).json(), { status: 'ok', reason: 'there is no other voter' })
  const nothing = await ask('/nothing')
  t.equal(nothing.statusCode, 404)
  t.match(nothing.headers['content-type'], /^application\/problem\+json/)
  t.match(nothing.json(), { code: 'no-such-route', type: 'urn:ordinal:problem:no-such-route' })
  t.match((await ask('/status', 'PUT')).json(), { status: 404, outcome: 'not-applied' })
})
