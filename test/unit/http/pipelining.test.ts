import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { readBody } from '../../../src/shared/http/body.ts'
import { inTurn } from '../../../src/shared/http/pipelining.ts'
import { VALUE_BYTES_MAX } from '../../../src/shared/limits.ts'
import { until } from '../api/fake-clock.ts'
import { type Started, start } from '../api/start.ts'

type Call = { readonly request: IncomingMessage; readonly response: ServerResponse }

/** A request as it goes over the wire. */
function wire(target: string, more: { headers?: readonly string[]; body?: string } = {}): string {
  const { headers = [], body } = more
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  return [`${target} HTTP/1.1`, 'Host: x', ...length, ...headers, '', body ?? ''].join('\r\n')
}

const CLOSE = { headers: ['Connection: close'] }

/** A client that sends bytes and keeps all that comes back. */
async function client(t: Pick<Test, 'teardown'>, port: number) {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => void socket.destroy())
  await once(socket, 'connect')
  const state = { socket, text: '', statuses: () => state.text.match(/HTTP\/1.1 \d+/g) ?? [] }
  socket.setEncoding('latin1').on('data', (text: string) => {
    state.text += text
  })
  return state
}

/** A server whose calls are answered by hand, or at once from when it is told to. */
async function stage(t: Pick<Test, 'teardown'>) {
  const calls: Call[] = []
  const state = { atOnce: false, served: undefined as Socket | undefined }
  const server = createServer(
    inTurn((request, response) => {
      calls.push({ request, response })
      if (state.atOnce) response.end(request.url)
    }),
  )
  server.on('connection', (socket) => {
    state.served = socket
  })
  t.teardown(() => void server.close().closeAllConnections())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const answer = (index: number): void => {
    const call = calls[index]
    if (call === undefined) throw new Error(`call ${index} has not begun`)
    call.response.end(call.request.url)
  }
  const begun = () => calls.map(({ request }) => request.url)
  return { state, answer, begun, calls, port, ...(await client(t, port)) }
}

t.test('pipelined writes run one after the other, and a read behind them last', async (t) => {
  const { socket, begun, answer } = await stage(t)
  let text = ''
  socket.on('data', (part) => {
    text += part
  })
  socket.write(`${wire('PUT /1')}${wire('DELETE /2')}${wire('GET /3', CLOSE)}`)
  await until('the first runs', () => begun().length > 0)
  t.same(begun(), ['/1'], 'all of the packet is parsed by now')
  answer(0)
  await until('the second runs', () => begun().length > 1)
  t.same(begun(), ['/1', '/2'])
  answer(1)
  await until('the third runs', () => begun().length > 2)
  answer(2)
  await once(socket, 'end')
  t.match(text, /\/1HTTP[\s\S]*\/2HTTP[\s\S]*\/3$/)
})

t.test('pipelined reads run beside each other; a write waits for them, reads for it', async (t) => {
  const { socket, begun, answer } = await stage(t)
  const targets = ['GET /1', 'HEAD /2', 'PUT /3', 'GET /4', 'GET /5']
  socket.write(targets.map((target) => wire(target)).join(''))
  await until('the reads run', () => begun().length > 0)
  t.same(begun(), ['/1', '/2'])
  answer(1)
  answer(0)
  await until('the write runs', () => begun().length > 2)
  t.same(begun().slice(2), ['/3'])
  answer(2)
  await until('the next read runs', () => begun().length > 3)
  answer(3)
  await until('the last one runs', () => begun().length > 4)
  answer(4)
  socket.write(`${wire('GET /6')}${wire('GET /7')}`)
  await until('others follow', () => begun().length > 5)
  t.same(begun().slice(5), ['/6', '/7'], 'beside each other again')
})

t.test('a connection that ends takes what waits on it along', async (t) => {
  const { socket, begun, calls, answer } = await stage(t)
  socket.write(`${wire('PUT /1')}${wire('PUT /2')}${wire('GET /3')}`)
  await until('the first runs', () => begun().length > 0)
  const [first] = calls
  const closed = once(first?.response as ServerResponse, 'close')
  socket.destroy()
  await until('the server sends in vain', () => {
    first?.response.write('x')
    return first?.response.destroyed === true
  })
  await closed
  answer(0)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(begun(), ['/1'])
})

t.test('while one waits no more is read, and later all of it is', async (t) => {
  const answered = await stage(t)
  const { socket, state, begun, answer, statuses } = answered
  const padding = { headers: [`X-Padding: ${'x'.repeat(8000)}`] }
  const count = 400
  for (let sent = 0; sent < count; sent++) socket.write(wire(`PUT /${sent}`, padding))
  await until('the first runs', () => begun().length > 0)
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
  const read = state.served?.bytesRead ?? 0
  t.ok(read > 0 && read <= 128 * 1024, `${read} bytes of ${count * 8000} are read`)
  state.atOnce = true
  answer(0)
  await until('all are answered', () => statuses().length === count)
  t.same(
    begun(),
    Array.from({ length: count }, (_, index) => `/${index}`),
  )
})

t.test('bodies arrive whole, however long they had to wait', async (t) => {
  const bodies: Buffer[] = []
  const server = createServer(
    inTurn((request, response) => {
      readBody(request, VALUE_BYTES_MAX, (_error, body) => {
        bodies.push(body ?? Buffer.alloc(0))
        setImmediate(() => response.end())
      })
    }),
  )
  t.teardown(() => void server.close().closeAllConnections())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { socket } = await client(t, (server.address() as AddressInfo).port)
  const sizes = [1, 300_000, 0, VALUE_BYTES_MAX, 70_000, 3]
  const sent = sizes.map((size, index) => String(index).repeat(size))
  for (const body of sent) socket.write(wire('PUT /', { body }))
  socket.write(wire('GET /', CLOSE))
  await once(socket, 'end')
  t.strictSame(bodies.map(String), [...sent, ''])
})

/** Sends all in one packet on a connection of its own. Resolves to the answers. */
async function exchange(started: Started, t: Pick<Test, 'teardown'>, requests: string) {
  const { port } = started.api.app.addresses()[0] as { port: number }
  const one = await client(t, port)
  one.socket.write(requests)
  return { ...one, all: once(one.socket, 'end').then(() => one.text) }
}

t.test('two PUTs in one packet: the second value stays, revisions rise', async (t) => {
  const started = await start(t)
  await started.api.app.listen({ port: 0, host: '127.0.0.1' })
  const leader = started.cluster.replica(0)
  const second = { headers: CLOSE.headers, body: 'second' }
  const both = `${wire('PUT /v1/kv/a', { body: 'first' })}${wire('PUT /v1/kv/a', second)}`
  leader.holdWrites = true
  const before = leader.segments.length
  const { all } = await exchange(started, t, both)
  await until('the leader has the first', () => leader.segments.length > before)
  const held = leader.segments.slice(before).flatMap(({ commands }) => commands)
  t.equal(held.length, 1, 'the second is not sent before the first is answered')
  leader.release()
  const revisions = [...(await all).matchAll(/"revision":(\d+)/g)].map(([, one]) => Number(one))
  t.equal(revisions.length, 2)
  t.ok((revisions[0] as number) < (revisions[1] as number), `${revisions}`)
  const record = started.cluster.records.get('a')
  t.equal(String(record?.value), 'second')
  t.equal(record?.version, 2)
})

t.test('a PUT and a GET in one packet: the GET reads what was put', async (t) => {
  const started = await start(t)
  await started.api.app.listen({ port: 0, host: '127.0.0.1' })
  const leader = started.cluster.replica(0)
  leader.holdWrites = true
  const before = leader.segments.length
  const put = wire('PUT /v1/kv/a', { body: 'hello' })
  const { all } = await exchange(started, t, `${put}${wire('GET /v1/kv/a', CLOSE)}`)
  await until('the leader has the write', () => leader.segments.length > before)
  t.same(
    started.cluster.replicas.flatMap(({ reads }) => reads),
    [],
    'nothing is read yet',
  )
  leader.release()
  t.match(await all, /^HTTP\/1.1 201 [\s\S]*HTTP\/1.1 200 [\s\S]*\r\n\r\nhello$/)
})
