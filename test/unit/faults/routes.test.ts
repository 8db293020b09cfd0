import pino from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import { registerFaultMetrics } from '../../../src/database/faults/fault-metrics.ts'
import { registerFaultRoutes } from '../../../src/database/faults/fault-routes.ts'
import { Face } from '../../../src/shared/http/face.ts'
import { createHttpServer } from '../../../src/shared/http/server.ts'
import { stage } from './stage.ts'

function served(enabled: boolean) {
  const parts = stage()
  const face = new Face({ name: 'db-0', revision: () => 1 })
  const app = createHttpServer({ face, logger: pino({ level: 'silent' }) })
  const known: string[] = []
  const { board } = parts
  registerFaultRoutes(app, face, enabled ? { board, replicas: () => known } : undefined)
  const ask = async (
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    url: string,
    { payload, ...headers }: Record<string, string> = {},
  ) => {
    const answer = await app.inject({
      method,
      url,
      headers: { host: 'here:1', ...headers },
      ...(payload !== undefined && { payload }),
    })
    return { status: answer.statusCode, body: answer.json() }
  }
  return { ...parts, known, ask }
}

t.test('a fault is pressed, shown and ended', async (t) => {
  const { board, ask } = served(true)
  const pressed = await ask('POST', '/faults/isolate?for=10s&peers=db-1')
  t.match(pressed, {
    status: 200,
    body: { name: 'isolate', active: { parameters: { peers: 'db-1' } }, count: 1 },
  })
  const { since, until } = pressed.body.active
  t.equal(Date.parse(until) - Date.parse(since), 10_000)
  const all = await ask('GET', '/faults')
  t.equal(all.body.faults.length, 9)
  t.strictSame(
    all.body.faults.filter(({ active }: { active: unknown }) => active !== null).length,
    1,
  )
  t.match(await ask('GET', '/faults/isolate'), { status: 200, body: pressed.body })
  t.match(await ask('DELETE', '/faults/isolate'), { status: 200, body: { active: null } })
  t.equal(board.active('isolate'), undefined)
  await ask('POST', '/faults/lie')
  await ask('POST', '/faults/slow-disk')
  t.equal((await ask('DELETE', '/faults')).status, 200)
  t.strictSame(board.notes(), [])
})

t.test('what is wrong is refused, and nothing begins', async (t) => {
  const { board, ask } = served(true)
  t.match(await ask('POST', '/faults/flood'), {
    status: 404,
    body: { code: 'no-such-route', detail: /only kill, pause, isolate/ },
  })
  t.match(await ask('POST', '/faults/pause?for=1h'), { status: 400, body: { code: 'bad-request' } })
  t.match(await ask('PUT', '/faults/pause'), { status: 405, body: { allow: 'GET, POST, DELETE' } })
  t.match(await ask('POST', '/faults'), { status: 405, body: { allow: 'GET, DELETE' } })
  for (const origin of ['http://elsewhere.example', 'null', 'http://here:2']) {
    t.match(await ask('POST', '/faults/kill', { origin }), { status: 401 }, origin)
    t.match(await ask('DELETE', '/faults', { origin }), { status: 401 }, origin)
  }
  t.strictSame(board.notes(), [])
  t.equal((await ask('POST', '/faults/kill', { origin: 'http://here:1' })).status, 200)
})

t.test('a replica that nobody knows is refused, once the others are known', async (t) => {
  const { board, known, ask } = served(true)
  t.match(await ask('POST', '/faults/isolate?peers=db-77'), { status: 200 }, 'nobody is known yet')
  await ask('DELETE', '/faults')
  known.push('db-0', 'db-1', 'db-2')
  for (const [query, strangers] of [
    ['isolate?peers=db-77', 'db-77'],
    ['isolate?peers=db-1,db-3,9', 'db-3, 9'],
    ['slow-network?peers=3', '3'],
  ] as const) {
    t.match(
      await ask('POST', `/faults/${query}`),
      {
        status: 400,
        body: {
          code: 'bad-request',
          detail: `peers: there is no ${strangers}; known are db-0, db-1, db-2`,
        },
      },
      query,
    )
  }
  t.strictSame(board.notes(), [])
  for (const query of ['isolate', 'isolate?peers=all', 'isolate?peers=db-0,2', 'slow-disk']) {
    t.match(await ask('POST', `/faults/${query}`), { status: 200 }, query)
  }
})

t.test('a body is refused: parameters go into the query', async (t) => {
  const { board, ask } = served(true)
  const refused = { status: 400, body: { code: 'bad-request', detail: /into the query/ } }
  const payload = '{"for":"1s"}'
  t.match(await ask('POST', '/faults/pause', { payload }), refused)
  t.match(await ask('POST', '/faults/pause', { payload, 'content-type': 'text/plain' }), refused)
  t.match(await ask('DELETE', '/faults/pause', { payload }), refused)
  t.match(await ask('DELETE', '/faults', { payload }), refused)
  t.strictSame(board.notes(), [])
  t.match(await ask('POST', '/faults/pause', { 'content-length': '0' }), { status: 200 })
})

t.test('where faults are switched off each route says how to switch them on', async (t) => {
  const { ask } = served(false)
  for (const [method, url] of [
    ['GET', '/faults'],
    ['DELETE', '/faults'],
    ['POST', '/faults/kill'],
    ['GET', '/faults/anything'],
  ] as const) {
    t.match(
      await ask(method, url),
      { status: 404, body: { code: 'faults-disabled', detail: /ORDINAL_FAULTS=on/ } },
      `${method} ${url}`,
    )
  }
})

t.test('metrics tell which fault is active, and how often each was pressed', async (t) => {
  const { clock, board, press } = stage()
  const registry = new Registry()
  registerFaultMetrics(registry, board)
  press('lie', 'for=1s')
  press('lie', 'for=1s')
  t.match(await registry.metrics(), /^ordinal_fault_active\{fault="lie"\} 1$/m)
  await clock.advance(1000)
  const text = await registry.metrics()
  t.match(text, /^ordinal_fault_active\{fault="lie"\} 0$/m)
  t.match(text, /^ordinal_faults_total\{fault="lie"\} 2$/m)
  t.match(text, /^ordinal_faults_total\{fault="kill"\} 0$/m)
})
