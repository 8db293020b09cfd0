import { once } from 'node:events'
import { type AddressInfo, connect as connectPlain } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import pino from 'pino'
import t from 'tap'
import { SharedPort } from '../../../src/commands/shared-port.ts'
import { freePorts } from '../../../src/local/free-ports.ts'
import { readBody } from '../../../src/shared/http/body.ts'
import { Face } from '../../../src/shared/http/face.ts'
import { createHttpServer } from '../../../src/shared/http/server.ts'
import { SECRET_POLL_MS } from '../../../src/shared/limits.ts'
import { TlsFolder } from '../../../src/shared/tls-folder.ts'
import { FakeClock } from '../api/fake-clock.ts'
import { fixture, type Teardown, tlsContent, tlsSecret } from '../tls/folders.ts'

async function stage(t: Teardown) {
  const clock = new FakeClock()
  const secret = tlsSecret(t, 'leaf-a', 'ca-a')
  const tls = new TlsFolder({ folder: secret.path, clock })
  const face = new Face({ name: 'x', revision: () => 0 })
  const logger = pino({ level: 'silent' })
  const app = createHttpServer({ face, logger, tls })
  app.put('/size', (request, reply) => {
    readBody(request.raw, 100_000, (_error, body) => reply.send(`${body?.length}`))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  return { app, port: (app.server.address() as AddressInfo).port, secret, clock, logger }
}

/** A connection that has shown whom it trusts, and all it heard. */
async function open(t: Teardown, port: number, authority: string) {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'db-api.default.svc.cluster.local',
    ca: fixture(`${authority}.crt`),
  })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  const heard = { socket, text: '' }
  socket.setEncoding('latin1').on('data', (part: string) => {
    heard.text += part
  })
  return heard
}

const PUT = (body: string) =>
  `PUT /size HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`

async function answered(heard: { socket: TLSSocket; text: string }, end: string): Promise<void> {
  while (!heard.text.endsWith(end)) await once(heard.socket, 'data')
}

t.test('the client port speaks HTTPS, pipelined requests and large bodies too', async (t) => {
  const { port } = await stage(t)
  const heard = await open(t, port, 'ca-a')
  heard.socket.write(PUT('x') + PUT('y'.repeat(90_000)) + PUT(''))
  await answered(heard, '\r\n\r\n0')
  const bodies = heard.text.split('HTTP/1.1 200 OK').map((part) => part.split('\r\n\r\n')[1])
  t.same(bodies, [undefined, '1', '90000', '0'])
})

t.test('a replaced certificate is shown to new connections, old ones go on', async (t) => {
  const { port, secret, clock } = await stage(t)
  const old = await open(t, port, 'ca-a')
  secret.replace(tlsContent('leaf-b', 'ca-b'))
  await clock.advance(SECRET_POLL_MS)
  const fresh = await open(t, port, 'ca-b')
  await t.rejects(open(t, port, 'ca-a'), { code: /SELF_SIGNED|UNABLE_TO/ })
  for (const heard of [old, fresh]) {
    heard.socket.write(PUT('xx'))
    await answered(heard, '\r\n\r\n2')
  }
})

t.test('plain HTTP and noise end their connection and nothing else', async (t) => {
  const { port } = await stage(t)
  for (const noise of [PUT('x'), 'noise\r\n\r\n', '\x16\x03\x01\x00\x05hello']) {
    const socket = connectPlain(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(noise)
    socket.resume()
    if (!socket.closed) await once(socket, 'close')
  }
  const heard = await open(t, port, 'ca-a')
  heard.socket.write(PUT('xyz'))
  await answered(heard, '\r\n\r\n3')
  t.match(heard.text, /^HTTP\/1\.1 200 OK/)
})

t.test('the port that servers share speaks HTTPS as well', async (t) => {
  if (process.platform !== 'linux') return t.comment('only Linux shares ports')
  const { app, logger } = await stage(t)
  const [port = 0] = await freePorts(1)
  const options = { app, host: '127.0.0.1', port, ready: () => true, log: logger }
  const shared = new SharedPort(options)
  t.teardown(() => shared.close())
  const heard = await open(t, port, 'ca-a')
  heard.socket.write(PUT('four'))
  await answered(heard, '\r\n\r\n4')
  t.match(heard.text, /^HTTP\/1\.1 200 OK/)
})
