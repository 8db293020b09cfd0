import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { SNAPSHOT_PATH } from '../../../src/database/peers/identity.ts'
import { secretFile, startReplica, TableDiscovery } from './replicas.ts'

const IDENTITY = {
  'ordinal-role': 'replica',
  'ordinal-name': 'db-1',
  'ordinal-cluster': 'demo',
  'ordinal-cluster-id': '',
  'ordinal-number': '1',
  'ordinal-incarnation': 'one',
  'ordinal-target': '0',
}

async function start(test: Parameters<typeof startReplica>[0], secret?: string) {
  const discovery = new TableDiscovery()
  const file = secret === undefined ? {} : { secretFile: secretFile(test, secret) }
  return startReplica(test, { ordinal: 0, discovery, ...file })
}

/** Sends bytes and reads to the end. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk.toString()
  })
  socket.write(text)
  await once(socket, 'close')
  return answer
}

function upgrade(headers: Record<string, string>, path = '/peer/v1/link'): string {
  const all = { connection: 'Upgrade', upgrade: 'ordinal-link', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\nhost: x\r\n${lines.join('')}\r\n`
}

t.test('everything but the two paths is a problem document', async (t) => {
  const { port } = await start(t)
  const origin = `http://127.0.0.1:${port}`
  const other = await fetch(`${origin}/v1/kv/x`)
  t.equal(other.status, 404)
  t.equal(other.headers.get('content-type'), 'application/problem+json')
  t.match(await other.json(), { code: 'no-such-route', status: 404 })
  const get = await fetch(`${origin}${SNAPSHOT_PATH}`)
  t.match(await get.json(), { code: 'method-not-allowed', status: 405 })
  t.match(await raw(port, upgrade({}, '/other')), /^HTTP\/1.1 404 .*"no-such-route"/s)
  t.match(await raw(port, upgrade({ upgrade: 'websocket' })), /^HTTP\/1.1 404 /)
})

t.test('a snapshot needs the secret, an identity and a body that is one', async (t) => {
  const { port } = await start(t, 'secret\n')
  const post = async (headers: Record<string, string>, body = 'x'): Promise<unknown> => {
    const url = `http://127.0.0.1:${port}${SNAPSHOT_PATH}`
    return (await fetch(url, { method: 'POST', headers, body })).json()
  }
  const authorization = 'Bearer secret'
  t.match(await post(IDENTITY), { code: 'unauthorized', status: 401 })
  t.match(await post({ authorization }), { code: 'malformed-frame', status: 400 })
  const target = { ...IDENTITY, authorization, 'ordinal-target': '3' }
  t.match(await post(target), { code: 'wrong-replica', status: 409 })
  const twin = { ...IDENTITY, authorization, 'ordinal-number': '0' }
  t.match(await post(twin), { code: 'wrong-replica', status: 409 })
  const good = { ...IDENTITY, authorization }
  t.match(await post(good), { code: 'malformed-frame', status: 400 })
  t.match(await post(good, '\xff'.repeat(100_000)), { code: 'malformed-frame', status: 400 })
})

t.test('an upgrade with broken headers is refused and ends', async (t) => {
  const { port } = await start(t)
  const broken: Record<string, string>[] = [
    {},
    { ...IDENTITY, 'ordinal-role': 'king' },
    { ...IDENTITY, 'ordinal-number': '1.5' },
    { ...IDENTITY, 'ordinal-number': '-2' },
    { ...IDENTITY, 'ordinal-name': '%' },
  ]
  for (const headers of broken) {
    t.match(await raw(port, upgrade(headers)), /^HTTP\/1.1 400 .*"malformed-frame"/s)
  }
  const { 'ordinal-target': _target, ...untargeted } = IDENTITY
  t.match(await raw(port, upgrade(untargeted)), /^HTTP\/1.1 409 .*"wrong-replica"/s)
})

t.test('garbage on a link ends that link and nothing else', async (t) => {
  const replica = await start(t)
  for (const garbage of ['\x7f\xff\xff\xff\x01', '\0\0\0\x03\x02ab', '\0\0\0\x02\x01\x09']) {
    const answer = await raw(replica.port, `${upgrade(IDENTITY)}${garbage}`)
    t.match(answer, /^HTTP\/1.1 101 .*ordinal-name: db-0/s)
  }
  t.equal(replica.hellos.length, 0)
  t.equal(replica.messages.length, 0)
})
