/** Requests that are no good HTTP, too many at once, or broken off. */

import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { API_REQUESTS_MAX, VALUE_BYTES_MAX } from '../../../src/shared/limits.ts'
import { ask, type Started, start } from './start.ts'

t.test('overload: refused at once, and served again afterwards', async (t) => {
  const started = await start(t)
  started.cluster.lead(-1)
  await started.clock.advance(300)
  const waiting = Array.from({ length: API_REQUESTS_MAX }, (_, index) =>
    ask(started, index % 2 === 0 ? 'PUT' : 'GET', '/v1/kv/a'),
  )
  const count = async () => started.figure('ordinal_api_requests')
  await started.clock.advance(1)
  t.equal(await count(), API_REQUESTS_MAX)
  const put = await ask(started, 'PUT', '/v1/kv/b')
  t.match(put.json(), { status: 503, code: 'overloaded', outcome: 'not-applied', retry: true })
  t.equal(put.headers['retry-after'], '1')
  const get = await ask(started, 'GET', '/v1/kv/b')
  t.equal(get.json().code, 'overloaded')
  t.notOk('outcome' in get.json())
  started.cluster.lead(0)
  const answers = await Promise.all(waiting)
  t.ok(answers.every(({ statusCode }) => statusCode < 300 || statusCode === 404))
  t.equal(await count(), 0)
  t.equal(await started.figure('ordinal_api_refused_requests_total'), 2)
})

t.test('overload: the bytes of values are bounded too', async (t) => {
  const started = await start(t)
  started.cluster.replica(0).holdWrites = true
  const payload = Buffer.alloc(VALUE_BYTES_MAX)
  const waiting = Array.from({ length: 64 }, () => ask(started, 'PUT', '/v1/kv/a', { payload }))
  await started.clock.advance(1)
  t.equal((await ask(started, 'PUT', '/v1/kv/b', { payload: 'x' })).json().code, 'overloaded')
  started.cluster.replica(0).release()
  await Promise.all(waiting)
  t.equal((await ask(started, 'PUT', '/v1/kv/b', { payload: 'x' })).statusCode, 201)
})

t.test('a client that leaves in the middle of its body leaves nothing behind', async (t) => {
  const started = await start(t)
  await started.api.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = started.api.app.addresses()[0] as { port: number }
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc')
  const held = async () => started.figure('ordinal_api_request_bytes')
  while ((await held()) !== 1000) await new Promise((resolve) => setImmediate(resolve))
  socket.destroy()
  while ((await held()) !== 0) await new Promise((resolve) => setImmediate(resolve))
  t.equal(await started.figure('ordinal_api_requests'), 0)
  t.equal(started.cluster.records.size, 0)
})

/** Sends a request as it is. Resolves to all of the answer. */
async function sendRaw(started: Started, head: readonly string[], body = ''): Promise<string> {
  const { port } = started.api.app.addresses()[0] as { port: number }
  const socket = connect(port, '127.0.0.1')
  socket.write(`${head.join('\r\n')}\r\nHost: x\r\nConnection: close\r\n\r\n${body}`)
  let answer = ''
  for await (const part of socket) answer += part
  return answer
}

t.test('PUT: a transfer coding other than chunked is refused', async (t) => {
  const started = await start(t)
  await started.api.app.listen({ port: 0, host: '127.0.0.1' })
  const put = (coding: string) =>
    sendRaw(
      started,
      ['PUT /v1/kv/a HTTP/1.1', `Transfer-Encoding: ${coding}`],
      '1\r\nx\r\n0\r\n\r\n',
    )
  const refused = await put('gzip, chunked')
  t.match(refused, /^HTTP\/1.1 415 /)
  t.match(refused, /"code":"unsupported-encoding".*"outcome":"not-applied"/)
  t.equal(started.cluster.records.size, 0)
  t.match(await put('Chunked'), /^HTTP\/1.1 201 /)
  t.equal((await ask(started, 'GET', '/v1/kv/a')).body, 'x')
})

t.test('absolute-form is taken as origin-form', async (t) => {
  const started = await start(t)
  await started.api.app.listen({ port: 0, host: '127.0.0.1' })
  await ask(started, 'PUT', '/v1/kv/http://b/v1/kv/c', { payload: 'hello' })
  const get = (path: string) => sendRaw(started, [`GET http://host:1${path} HTTP/1.1`])
  t.match(await get('/v1/kv/http://b/v1/kv/c?timeout=1s'), /^HTTP\/1.1 200 [\s\S]*hello$/)
  t.match(await get('/v1/key?name=http://b/v1/kv/c'), /^HTTP\/1.1 200 [\s\S]*hello$/)
  t.match(await get('/v1/kv?limit=1'), /^HTTP\/1.1 200 /)
  t.match(await get('/v1/kv/a'), /^HTTP\/1.1 404 [\s\S]*"not-found"/)
  t.match(await get(''), /^HTTP\/1.1 404 /)
})

t.test('bytes that are no HTTP get a problem, too', async (t) => {
  const started = await start(t)
  await started.api.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = started.api.app.addresses()[0] as { port: number }
  const socket = connect(port, '127.0.0.1')
  socket.write('nonsense\r\n\r\n')
  let answer = ''
  for await (const chunk of socket) answer += chunk
  t.match(answer, /^HTTP\/1.1 400 /)
  t.match(answer, /"code":"bad-request"/)
})

t.test(
  'probes: ready while any replica was heard; stopping is not ready, but serves',
  async (t) => {
    const started = await start(t, {
      wait: false,
      prepare: (cluster) => {
        for (const replica of cluster.replicas) replica.up = false
      },
    })
    t.equal((await ask(started, 'GET', '/readyz')).statusCode, 503)
    t.equal((await ask(started, 'GET', '/livez')).statusCode, 200)
    t.equal((await ask(started, 'GET', '/healthz')).statusCode, 200)
    started.cluster.lead(-1)
    started.cluster.replica(1).up = true
    await started.clock.advance(3000)
    t.equal((await ask(started, 'GET', '/readyz')).statusCode, 200, 'one is enough, leader or not')
    started.cluster.replica(1).die()
    await started.clock.advance(9000)
    t.equal((await ask(started, 'GET', '/readyz')).statusCode, 200)
    await started.clock.advance(1500)
    t.equal((await ask(started, 'GET', '/readyz')).statusCode, 503)
    for (const replica of started.cluster.replicas) replica.up = true
    started.cluster.lead(0)
    await started.clock.advance(3000)
    const drained = started.api.drain(4000)
    t.equal((await ask(started, 'GET', '/readyz')).statusCode, 503)
    const early = await ask(started, 'PUT', '/v1/kv/a')
    t.equal(early.statusCode, 201)
    t.not(early.headers['connection'], 'close')
    await started.clock.advance(2000)
    const late = await ask(started, 'PUT', '/v1/kv/a')
    t.equal(late.statusCode, 200)
    t.equal(late.headers['connection'], 'close')
    await started.clock.advance(2000)
    await drained
  },
)
