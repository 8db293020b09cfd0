import { once } from 'node:events'
import { maxHeaderSize } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyReply } from 'fastify'
import pino from 'pino'
import t, { type Test } from 'tap'
import { readBody } from '../../../src/shared/http/body.ts'
import { Face } from '../../../src/shared/http/face.ts'
import { createHttpServer } from '../../../src/shared/http/server.ts'
import { REFUSED_BODY_BYTES_MAX } from '../../../src/shared/limits.ts'
import { until } from '../api/fake-clock.ts'

/** A server with one route, `PUT /`, whose calls are answered by hand. */
async function stage(t: Pick<Test, 'teardown'>) {
  const face = new Face({ name: 'x', revision: () => 0 })
  const app = createHttpServer({ face, logger: pino({ level: 'silent' }) })
  const calls: FastifyReply[] = []
  app.put('/', (request, reply) => {
    calls.push(reply)
    readBody(request.raw, 1000, () => undefined)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  t.teardown(async () => {
    socket.destroy()
    await app.close()
  })
  await once(socket, 'connect')
  const state = { app, socket, calls, text: '' }
  socket.setEncoding('latin1').on('data', (text: string) => {
    state.text += text
  })
  return state
}

/** The document of the only answer. */
function problemOf(text: string): Record<string, unknown> {
  const [head = '', body = '', ...more] = text.split('\r\n\r\n')
  if (more.length > 0) throw new Error(`more than one answer: ${text}`)
  return { head, ...JSON.parse(body) }
}

const HEAD = 'PUT / HTTP/1.1\r\nHost: x\r\n'
const LARGE = `X-Large: ${'x'.repeat(maxHeaderSize)}\r\n\r\n`

t.test('a header that is too large is told so: 431', async (t) => {
  const stand = await stage(t)
  stand.socket.write(`${HEAD}${LARGE}`)
  await once(stand.socket, 'end')
  const problem = problemOf(stand.text)
  t.match(problem, { status: 431, code: 'header-too-large', outcome: 'not-applied', retry: false })
  t.match(problem['detail'], new RegExp(`at most ${maxHeaderSize} bytes`))
  t.match(problem['head'], /^HTTP\/1.1 431 Request Header Fields Too Large\r\n/)
  t.match(problem['head'], /\r\nContent-Type: application\/problem\+json/)
  t.match(problem['head'], /\r\nConnection: close/)
  t.equal(stand.calls.length, 0)
})

t.test('a request that does not come to its end is told so: 408', async (t) => {
  const stand = await stage(t)
  const connected = once(stand.app.server, 'connection')
  const slow = connect((stand.app.server.address() as AddressInfo).port, '127.0.0.1')
  const [server] = await connected
  slow.setEncoding('latin1').write('PUT / HTTP/1.1\r\n')
  // What Node says of such a request when it looks, every half a minute.
  const cause = Object.assign(new Error('timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
  stand.app.server.emit('clientError', cause, server)
  const problem = problemOf((await slow.toArray()).join(''))
  t.match(problem, { status: 408, code: 'request-timeout', outcome: 'not-applied', retry: true })
  t.match(problem['head'], /^HTTP\/1.1 408 Request Timeout\r\n/)
})

t.test('a body that is no HTTP is the fault of its request, and told so', async (t) => {
  const stand = await stage(t)
  stand.socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`)
  await until('it runs', () => stand.calls.length > 0)
  stand.socket.write('no size\r\n')
  await once(stand.socket, 'end')
  t.match(problemOf(stand.text), { status: 400, code: 'bad-request', outcome: 'not-applied' })
})

t.test('what is wrong behind a request is no answer to that request', async (t) => {
  for (const behind of ['nonsense\r\n\r\n', `${HEAD}${LARGE}`]) {
    const stand = await stage(t)
    stand.socket.write(`${HEAD}Content-Length: 1\r\n\r\nx${behind}`)
    await once(stand.socket, 'close')
    t.equal(stand.calls.length, 1, 'the request runs')
    t.equal(stand.text, '', 'it may take effect, and nothing else is said')
  }
})

t.test('a body that is too large is refused and read away, its connection stays', async (t) => {
  for (const length of ['chunked', 'announced']) {
    const stand = await stage(t)
    const size = 4 * 1024 * 1024
    const chunk = Buffer.alloc(64 * 1024)
    const head = length === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`
    stand.socket.write(`${HEAD}${head}\r\n\r\n`)
    for (let sent = 0; sent < size; sent += chunk.length) {
      if (length === 'chunked') stand.socket.write(`${chunk.length.toString(16)}\r\n`)
      if (!stand.socket.write(chunk)) await once(stand.socket, 'drain')
      if (length === 'chunked') stand.socket.write('\r\n')
      stand.calls[0]?.code(413).send()
      stand.calls.length = 0
    }
    if (length === 'chunked') stand.socket.write('0\r\n\r\n')
    stand.socket.write(`${HEAD}Content-Length: 1\r\n\r\nx`)
    await until('the next request is there', () => stand.calls.length > 0)
    stand.calls[0]?.code(201).send()
    await until('it is answered', () => stand.text.includes(' 201 '))
    t.match(stand.text, /^HTTP\/1.1 413 .*HTTP\/1.1 201 /s, length)
  }
})

t.test('a refused body that does not end is cut off', async (t) => {
  for (const length of ['chunked', 'announced']) {
    const stand = await stage(t)
    const chunk = Buffer.alloc(1024 * 1024)
    const endless = `Content-Length: ${2 * REFUSED_BODY_BYTES_MAX}`
    const head = length === 'chunked' ? 'Transfer-Encoding: chunked' : endless
    stand.socket.write(`${HEAD}${head}\r\n\r\n`)
    let closed = false
    let sent = 0
    stand.socket
      .on('error', () => undefined)
      .on('close', () => {
        closed = true
      })
    while (!closed && sent < 2 * REFUSED_BODY_BYTES_MAX) {
      if (length === 'chunked') stand.socket.write(`${chunk.length.toString(16)}\r\n`)
      if (!stand.socket.write(chunk)) {
        await new Promise((resolve) => stand.socket.once('drain', resolve).once('close', resolve))
      }
      if (length === 'chunked') stand.socket.write('\r\n')
      sent += chunk.length
      stand.calls.shift()?.code(413).send()
    }
    t.ok(closed, `${length}: cut off`)
    t.ok(sent >= REFUSED_BODY_BYTES_MAX, 'after as much as is allowed')
    t.match(stand.text, /^HTTP\/1.1 413 /, 'the refusal came first')
  }
})
