/** Calls of the API server: what comes back, in time, whatever it does. */

import t from 'tap'
import { ApiServer } from '../../../src/kubernetes/api-server.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { fixture, MountedSecret } from '../tls/folders.ts'
import { type FakeApiServer, SCALE_PATH, type Trouble } from './fake-api-server.ts'
import { apiServer } from './opened.ts'

const GET = { method: 'GET', path: SCALE_PATH, timeout_ms: 2000 } as const

function caller(t: { teardown(run: () => void): void }, api: FakeApiServer, folder?: string) {
  const accountFolder = folder ?? api.account.path
  const server = new ApiServer({ server: api.url, accountFolder, clock: systemClock })
  t.teardown(() => server.close())
  return server
}

t.test('over TLS it shows its token to whom the account’s CA vouches for', async (t) => {
  const api = await apiServer(t, { secure: true })
  const server = caller(t, api)
  t.match(await server.call(GET), { type: 'ok', object: { spec: { replicas: 3 } } })
  t.match(await server.call(GET), { type: 'ok' })
  t.equal(api.connections, 1, 'a connection is used again')
  const { path } = new MountedSecret(t, { token: 'token-1', 'ca.crt': fixture('ca-b.crt') })
  t.match(await caller(t, api, path).call(GET), { type: 'unreachable', why: /certificate/ })
  t.equal(api.requests.length, 2, 'a stranger is not shown the token')
})

t.test('a token that the kubelet has replaced is read again', async (t) => {
  const api = await apiServer(t)
  const server = caller(t, api)
  t.match(await server.call(GET), { type: 'ok' })
  api.tokens.delete('token-1')
  t.match(await server.call(GET), { type: 'refused', why: '401: Unauthorized' })
  api.tokens.add('token-2')
  api.account.replace({ token: 'token-2\n', 'ca.crt': fixture('ca-a.crt') })
  t.match(await server.call(GET), { type: 'ok' })
  t.same(
    api.requests.map(({ token }) => token),
    ['token-1', 'token-1', 'token-2'],
  )
})

t.test('a token that is replaced while its call is under way is tried again', async (t) => {
  const api = await apiServer(t)
  const server = caller(t, api)
  api.tokens.clear()
  api.tokens.add('token-2')
  const requested = api.requests.push.bind(api.requests)
  api.requests.push = (...items) => {
    if (api.requests.length === 0) {
      api.account.replace({ token: 'token-2', 'ca.crt': fixture('ca-a.crt') })
    }
    return requested(...items)
  }
  t.match(await server.call(GET), { type: 'ok' })
  t.equal(api.requests.length, 2)
})

const OUTCOMES: readonly (readonly [Trouble['does'], object])[] = [
  [401, { type: 'refused' }],
  [403, { type: 'refused', why: '403: as the test wants' }],
  [404, { type: 'absent' }],
  [409, { type: 'conflict' }],
  [422, { type: 'invalid' }],
  [429, { type: 'unreachable' }],
  [500, { type: 'unreachable' }],
  [503, { type: 'unreachable' }],
  ['break', { type: 'unreachable' }],
  ['junk', { type: 'unreachable', why: /no JSON/ }],
  ['flood', { type: 'unreachable', why: 'the answer is too long' }],
  [
    { status: 403, text: 'no JSON' },
    { type: 'refused', why: /no JSON/ },
  ],
  [{ status: 200, text: 'null' }, { type: 'unreachable' }],
]

t.test('each outcome has its meaning', async (t) => {
  const api = await apiServer(t)
  const server = caller(t, api)
  for (const [does, expected] of OUTCOMES) {
    api.troubles.splice(0, 1, { on: /GET/, does })
    t.match(await server.call(GET), expected, JSON.stringify(does))
  }
})

t.test('a call ends in time', async (t) => {
  const api = await apiServer(t)
  const server = caller(t, api)
  api.troubles.push({ on: /GET/, does: 'hang' })
  const why = 'no answer within 100 ms'
  // More than there are connections: those that wait for one end in time as well.
  const calls = Array.from({ length: 9 }, () => server.call({ ...GET, timeout_ms: 100 }))
  for (const answer of await Promise.all(calls)) t.same(answer, { type: 'unreachable', why })
  api.troubles.length = 0
  t.match(await server.call(GET), { type: 'ok' }, 'connections are free again')
})

t.test('a connection that broke while it was idle is no failure', async (t) => {
  const api = await apiServer(t)
  const server = caller(t, api)
  t.match(await server.call(GET), { type: 'ok' })
  api.troubles.push({ on: /GET/, does: 'break', times: 1 })
  t.match(await server.call(GET), { type: 'ok' })
  t.equal(api.requests.length, 3, 'it was sent twice')
  api.troubles.splice(0, 1, { on: /GET/, does: 'break', times: 2 })
  t.match(await server.call(GET), { type: 'unreachable' }, 'and not over and over')
})

t.test('nobody there, no account, and no Pod at all are one line each', async (t) => {
  const api = await apiServer(t)
  const server = caller(t, api)
  await api.vanish()
  t.match(await server.call(GET), { type: 'unreachable', why: /ECONNREFUSED|socket/ })
  const lost = caller(t, api, '/nonexistent')
  t.match(await lost.call(GET), { type: 'unreachable', why: /ENOENT.*token/ })
  const options = { server: undefined, accountFolder: '/nonexistent', clock: systemClock }
  const why = 'KUBERNETES_SERVICE_HOST is not set: is this a Pod?'
  t.same(await new ApiServer(options).call(GET), { type: 'unreachable', why })
})
