/** Each route of an API server: what it takes, and each status that it answers. */

import t from 'tap'
import { CONTENT_TYPE_BYTES_MAX, VALUE_BYTES_MAX } from '../../../src/shared/limits.ts'
import { until } from './fake-clock.ts'
import { ask, start } from './start.ts'

type Headers = Record<string, string>

const etagOf = (answer: { headers: Record<string, unknown> }) => String(answer.headers['etag'])

t.test('PUT: 201 for a new key, 200 for an old one, with revision and ETag', async (t) => {
  const started = await start(t)
  const first = await ask(started, 'PUT', '/v1/kv/greeting', { payload: 'hello' })
  t.equal(first.statusCode, 201)
  const { revision } = first.json()
  t.same(first.json(), { key: 'greeting', revision, created: true })
  t.equal(etagOf(first), `"h1-${revision}"`)
  t.equal(first.headers['ordinal-revision'], String(revision))
  t.equal(first.headers['ordinal-served-by'], 'api-0, db-0')
  const second = await ask(started, 'PUT', '/v1/kv/greeting', { payload: 'again' })
  t.equal(second.statusCode, 200)
  t.same(second.json(), { key: 'greeting', revision: revision + 1, created: false })
})

t.test('PUT: any content type comes back; none and curl’s default become octets', async (t) => {
  const started = await start(t)
  for (const [sent, stored] of [
    ['text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
    ['application/json', 'application/json'],
    ['banana', 'banana'],
    ['application/x-www-form-urlencoded', 'application/octet-stream'],
    [undefined, 'application/octet-stream'],
  ] as const) {
    const headers: Headers = sent === undefined ? {} : { 'content-type': sent }
    const payload = Buffer.from('{"a": 1}\0\xff', 'latin1')
    const put = await ask(started, 'PUT', '/v1/kv/typed', { headers, payload })
    t.ok(put.statusCode < 300, `${sent}`)
    const got = await ask(started, 'GET', '/v1/kv/typed')
    t.equal(got.headers['content-type'], stored)
    t.same(got.rawPayload, payload)
  }
  const long = { 'content-type': `a/${'b'.repeat(CONTENT_TYPE_BYTES_MAX)}` }
  t.equal((await ask(started, 'PUT', '/v1/kv/typed', { headers: long })).statusCode, 400)
})

t.test('PUT: empty values, the largest one, and one byte more', async (t) => {
  const started = await start(t)
  t.equal((await ask(started, 'PUT', '/v1/kv/empty')).statusCode, 201)
  const empty = await ask(started, 'GET', '/v1/kv/empty')
  t.equal(empty.headers['content-length'], '0')
  const largest = Buffer.alloc(VALUE_BYTES_MAX, 'x')
  t.equal((await ask(started, 'PUT', '/v1/kv/large', { payload: largest })).statusCode, 201)
  t.same((await ask(started, 'GET', '/v1/kv/large')).rawPayload, largest)
  const payload = Buffer.alloc(VALUE_BYTES_MAX + 1)
  const over = await ask(started, 'PUT', '/v1/kv/large', { payload })
  t.match(over.json(), { status: 413, code: 'value-too-large', outcome: 'not-applied' })
})

t.test('PUT: Content-Encoding, Content-Range and bad parameters are refused', async (t) => {
  const started = await start(t)
  const encoded = await ask(started, 'PUT', '/v1/kv/a', { headers: { 'content-encoding': 'gzip' } })
  t.match(encoded.json(), { status: 415, code: 'unsupported-encoding', outcome: 'not-applied' })
  const identity = { 'content-encoding': 'identity' }
  t.equal((await ask(started, 'PUT', '/v1/kv/a', { headers: identity })).statusCode, 201)
  const part = { 'content-range': 'bytes 0-1/2' }
  t.equal((await ask(started, 'PUT', '/v1/kv/a', { headers: part })).statusCode, 400)
  for (const query of [
    'ttl=0s',
    'ttl=5',
    'tll=5s',
    'timeout=61s',
    'timeout=0ms',
    'ttl=1s&ttl=2s',
    '__proto__=1',
  ]) {
    const answer = await ask(started, 'PUT', `/v1/kv/a?${query}`)
    t.match(answer.json(), { status: 400, code: 'bad-request', outcome: 'not-applied' }, query)
  }
})

t.test('PUT: ttl is stored with the key', async (t) => {
  const started = await start(t)
  await ask(started, 'PUT', '/v1/kv/a?ttl=30s')
  const record = started.cluster.records.get('a')
  t.equal(record?.expires_ms, started.clock.wall_ms() + 30_000)
  const got = await ask(started, 'GET', '/v1/kv/a')
  t.equal(got.headers['ordinal-expires'], new Date(record?.expires_ms ?? 0).toISOString())
})

t.test('conditions: of PUT and DELETE', async (t) => {
  const started = await start(t)
  const put = (headers: Headers) => ask(started, 'PUT', '/v1/kv/a', { headers, payload: 'x' })
  const absent = await put({ 'if-match': '*' })
  t.match(absent.json(), { status: 412, code: 'precondition-failed', outcome: 'not-applied' })
  t.equal(absent.json().revision, 0)
  const created = await put({ 'if-none-match': '*' })
  t.equal(created.statusCode, 201)
  const again = await put({ 'if-none-match': '*' })
  t.equal(again.statusCode, 412)
  t.equal(etagOf(again), etagOf(created), 'the present tag')
  t.equal((await put({ 'if-match': `W/${etagOf(created)}` })).statusCode, 412, 'weak never matches')
  t.equal((await put({ 'if-match': '"h0-2"' })).statusCode, 412, 'another history')
  const updated = await put({ 'if-match': `"x", ${etagOf(created)}` })
  t.equal(updated.statusCode, 200, 'a list')
  t.equal((await put({ 'if-none-match': `"x", ${etagOf(updated)}` })).statusCode, 412)
  t.equal((await put({ 'if-none-match': etagOf(created) })).statusCode, 200)
  t.equal((await put({ 'if-match': 'unquoted' })).statusCode, 400)
  const remove = (headers: Headers) => ask(started, 'DELETE', '/v1/kv/a', { headers })
  t.equal((await remove({ 'if-match': etagOf(updated) })).statusCode, 412)
  t.equal((await remove({ 'if-match': '*' })).statusCode, 200)
  t.equal((await remove({ 'if-match': '*' })).statusCode, 412)
})

t.test('DELETE: 200, then 404; without a key never anything', async (t) => {
  const started = await start(t)
  await ask(started, 'PUT', '/v1/kv/a')
  const gone = await ask(started, 'DELETE', '/v1/kv/a')
  t.equal(gone.statusCode, 200)
  t.match(gone.json(), { key: 'a', deleted: true })
  const absent = await ask(started, 'DELETE', '/v1/kv/a')
  t.match(absent.json(), { status: 404, code: 'not-found', outcome: 'not-applied' })
  await ask(started, 'PUT', '/v1/kv/b')
  for (const url of [
    '/v1/kv',
    '/v1/kv/',
    '/v1/kv?prefix=b',
    '/v1/kv/?x',
    '/v1/key',
    '/v1/key?name=',
  ]) {
    for (const method of ['DELETE', 'PUT'] as const) {
      const answer = await ask(started, method, url)
      t.equal(answer.statusCode, 400, `${method} ${url}`)
      t.equal(answer.json().outcome, 'not-applied')
    }
  }
  t.equal(started.cluster.records.size, 1)
})

t.test('GET: fields of a value, 304, 404, HEAD; ranges are ignored', async (t) => {
  const started = await start(t)
  const put = await ask(started, 'PUT', '/v1/kv/a', {
    payload: '<script>alert(1)</script>',
    headers: { 'content-type': 'text/html' },
  })
  const got = await ask(started, 'GET', '/v1/kv/a', { headers: { range: 'bytes=0-1' } })
  t.equal(got.statusCode, 200)
  t.match(got.headers, {
    etag: put.headers['etag'],
    'content-type': 'text/html',
    'content-length': '25',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
    'ordinal-version': '1',
  })
  const head = await ask(started, 'HEAD', '/v1/kv/a')
  t.equal(head.statusCode, 200)
  t.equal(head.body, '')
  t.equal(head.headers['content-length'], '25')
  t.equal(head.headers['etag'], put.headers['etag'])
  const get = (headers: Headers) => ask(started, 'GET', '/v1/kv/a', { headers })
  const same = await get({ 'if-none-match': `W/${etagOf(put)}` })
  t.equal(same.statusCode, 304)
  t.equal(same.body, '')
  t.equal(etagOf(same), etagOf(put))
  t.equal((await get({ 'if-none-match': '*' })).statusCode, 304)
  t.equal((await get({ 'if-none-match': '"h0-2"' })).statusCode, 200)
  t.equal((await get({ 'if-match': '"h0-2"' })).statusCode, 412)
  t.equal((await get({ 'if-match': etagOf(put) })).statusCode, 200)
  const none = await ask(started, 'GET', '/v1/kv/none', { headers: { 'if-match': '*' } })
  t.match(none.json(), { status: 404, code: 'not-found' })
  t.notOk('outcome' in none.json())
  t.equal(none.headers['ordinal-served-by']?.toString().startsWith('api-0, db-'), true)
  t.equal((await ask(started, 'HEAD', '/v1/kv/none')).statusCode, 404)
  for (const query of [
    'consistency=none',
    'maxStale=5s',
    'minRevision=x',
    'consistency=stale&maxStale=0s',
  ]) {
    t.equal((await ask(started, 'GET', `/v1/kv/a?${query}`)).statusCode, 400, query)
  }
})

t.test('unknown paths and methods are problems, 405 says what is allowed', async (t) => {
  const started = await start(t)
  const nothing = await ask(started, 'GET', '/nothing')
  t.match(nothing.json(), { status: 404, code: 'no-such-route', type: /^urn:/ })
  t.match(nothing.headers['content-type'], /application\/problem\+json/)
  t.ok(nothing.headers['ordinal-revision'])
  t.equal(nothing.headers['ordinal-served-by'], 'api-0')
  const posted = await ask(started, 'POST', '/v1/kv/a', { payload: 'x' })
  t.match(posted.json(), { status: 405, code: 'method-not-allowed', outcome: 'not-applied' })
  t.equal(posted.headers['allow'], 'GET, HEAD, PUT, DELETE')
  t.equal((await ask(started, 'PATCH', '/v1/kv')).headers['allow'], 'GET, HEAD')
  t.equal((await ask(started, 'PUT', '/v1/cluster')).statusCode, 405)
  t.equal((await ask(started, 'HEAD', '/v1/cluster')).statusCode, 200)
  t.equal((await ask(started, 'HEAD', '/readyz')).body, '')
  t.equal((await ask(started, 'DELETE', '/readyz')).statusCode, 405)
  t.equal((await ask(started, 'PUT', '/v2/kv/a', { payload: 'x' })).json().outcome, 'not-applied')
})

t.test('the metrics port answers like the client port, with the probes alone', async (t) => {
  const { api } = await start(t)
  t.teardown(() => api.probes.close())
  for (const url of ['/livez', '/healthz', '/startupz', '/readyz', '/metrics']) {
    t.equal((await api.probes.inject(url)).statusCode, 200, url)
  }
  for (const url of ['/nothing', '/v1/kv/a']) {
    const answer = await api.probes.inject(url)
    t.match(answer.headers['content-type'], /^application\/problem\+json/)
    t.match(answer.json(), { status: 404, code: 'no-such-route' })
  }
})

t.test('metrics: requests are counted by route and status', async (t) => {
  const started = await start(t)
  await ask(started, 'PUT', '/v1/kv/a')
  await ask(started, 'PUT', '/v1/kv/a')
  await ask(started, 'GET', '/v1/kv/none')
  await ask(started, 'GET', '/v1/nothing')
  const labels = (method: string, route: string, status: number) =>
    `ordinal_api_requests_total{method="${method}",route="${route}",status="${status}"}`
  t.equal(await started.figure(labels('PUT', '/v1/kv/{key}', 201)), 1)
  t.equal(await started.figure(labels('PUT', '/v1/kv/{key}', 200)), 1)
  t.equal(await started.figure(labels('GET', '/v1/kv/{key}', 404)), 1)
  t.equal(await started.figure(labels('GET', 'none', 404)), 1)
  t.equal(await started.figure('ordinal_api_sessions_opened_total'), 1)
})

t.test('whoami: says which server answered, without any replica', async (t) => {
  const started = await start(t, { wait: false })
  const answer = await ask(started, 'GET', '/v1/whoami')
  t.match(answer.json(), { name: 'api-0', tier: 'api', cluster: 'test' })
  await until('linked', () => started.cluster.replica(0).link !== undefined)
})
