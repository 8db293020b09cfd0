import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import pino from 'pino'
import t from 'tap'
import { ClientTokens } from '../../../src/shared/http/client-tokens.ts'
import { Face } from '../../../src/shared/http/face.ts'
import { createHttpServer } from '../../../src/shared/http/server.ts'
import { CLIENT_TOKENS_MAX, SECRET_POLL_MS, TOKENS_BYTES_MAX } from '../../../src/shared/limits.ts'
import { FakeClock } from '../api/fake-clock.ts'
import { MountedSecret, notices, type Teardown } from '../tls/folders.ts'

const mounted = (t: Teardown, tokens: string) => new MountedSecret(t, { tokens })

t.test('each line is a token, and nothing else is', async (t) => {
  const file = mounted(t, 'first\r\n\n  second  \n').file('tokens')
  const tokens = new ClientTokens({ file })
  t.equal(tokens.first, 'first')
  for (const good of ['Bearer first', 'Bearer second', 'bearer  first', 'Bearer first ']) {
    t.ok(tokens.accepts(good), good)
    t.ok(tokens.accepts(good), `${good}, remembered`)
  }
  const bad = ['Bearer firs', 'Bearer firstt', 'Bearer first second', 'Bearer ', 'Basic first', '']
  for (const header of [...bad, 'first', undefined]) t.notOk(tokens.accepts(header), String(header))
})

t.test('a file without tokens, or with something else, is a clear error', async (t) => {
  const many = Array.from({ length: CLIENT_TOKENS_MAX + 1 }, (_, number) => `t${number}`).join('\n')
  for (const text of ['', '\n\n', 'two words\n', 'tökén', many, 'x'.repeat(TOKENS_BYTES_MAX + 1)]) {
    const file = mounted(t, text).file('tokens')
    t.throws(() => new ClientTokens({ file }), { code: 'invalid-config' }, text.slice(0, 20))
  }
  t.throws(() => new ClientTokens({ file: '/nowhere/tokens' }), { code: 'invalid-config' })
})

t.test('tokens come and go with the file, the remembered ones too', async (t) => {
  const clock = new FakeClock()
  const { lines, log } = notices()
  const secret = mounted(t, 'old\n')
  const tokens = new ClientTokens({ file: secret.file('tokens'), clock, log })
  t.ok(tokens.accepts('Bearer old'))
  secret.replace({ tokens: 'old\nnew\n' })
  t.notOk(tokens.accepts('Bearer new'), 'within a second nobody looks')
  await clock.advance(SECRET_POLL_MS)
  t.ok(tokens.accepts('Bearer new') && tokens.accepts('Bearer old'), 'both')
  secret.replace({ tokens: 'new\n' })
  await clock.advance(SECRET_POLL_MS)
  t.notOk(tokens.accepts('Bearer old'))
  t.ok(tokens.accepts('Bearer new'))
  secret.replace({ tokens: '' })
  for (let turns = 0; turns < 3; turns += 1) {
    await clock.advance(SECRET_POLL_MS)
    t.ok(tokens.accepts('Bearer new'), 'an emptied file opens nothing and closes nothing')
    t.notOk(tokens.accepts('Bearer '))
  }
  const reread = 'client tokens reread'
  t.same(lines, [reread, reread, 'client tokens cannot be reread; the last ones stay'])
})

t.test('a client shows the first token that is in the file now', async (t) => {
  const clock = new FakeClock()
  const secret = mounted(t, 'old\nnew\n')
  const tokens = new ClientTokens({ file: secret.file('tokens'), clock })
  t.equal(tokens.first, 'old')
  secret.replace({ tokens: 'new\nold\n' })
  t.equal(tokens.first, 'old', 'within a second nobody looks')
  await clock.advance(SECRET_POLL_MS)
  t.equal(tokens.first, 'new')
})

async function guarded(t: Teardown, except: readonly string[] = []) {
  const face = new Face({ name: 'x', revision: () => 0 })
  const tokens = new ClientTokens({ file: mounted(t, 'good\n').file('tokens') })
  const guard = { accepts: (header: string | undefined) => tokens.accepts(header), except }
  const app = createHttpServer({ face, logger: pino({ level: 'silent' }), guard })
  for (const url of ['/livez', '/readyz', '/metrics', '/status', '/faults', '/own']) {
    app.get(url, async () => 'ok')
  }
  app.put('/v1/kv/*', async () => 'stored')
  t.teardown(() => app.close())
  return { app, face }
}

t.test('the probes are open, all else asks for a token', async (t) => {
  const { app, face } = await guarded(t, ['/own'])
  for (const url of ['/livez', '/readyz?verbose', '/own']) {
    t.equal((await app.inject(url)).statusCode, 200, url)
  }
  const headers = { authorization: 'Bearer good' }
  for (const url of ['/metrics', '/status', '/faults', '/nothing', '/v1/kv/a']) {
    const answer = await app.inject(url)
    t.equal(answer.statusCode, 401, url)
    t.equal(answer.headers['www-authenticate'], 'Bearer realm="ordinal"')
    t.match(answer.json(), { code: 'unauthorized', retry: false, detail: /a token is needed/ })
    t.not((await app.inject({ url, headers })).statusCode, 401, url)
  }
  const put = { method: 'PUT', url: '/v1/kv/a', payload: 'x' } as const
  const wrong = await app.inject({ ...put, headers: { authorization: 'Bearer bad' } })
  t.match(wrong.json(), { status: 401, outcome: 'not-applied', detail: /is not accepted/ })
  t.equal((await app.inject({ ...put, headers })).body, 'stored')
  t.equal(face.route('GET', '/status').byStatus.get(401), 1, 'refusals are counted by route')
})

t.test('a connection goes on after a refusal, body and all', async (t) => {
  const { app } = await guarded(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  const body = 'x'.repeat(200_000)
  const head = `PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n`
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part
  })
  socket.write(`${head}\r\n${body}`)
  while (!text.includes('"code":"unauthorized"')) await once(socket, 'data')
  socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  while (!text.endsWith('ok')) await once(socket, 'data')
  t.match(text, /^HTTP\/1\.1 401 .*HTTP\/1\.1 200 OK/s)
})
