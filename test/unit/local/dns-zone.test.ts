import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import packets, { type DecodedPacket, type Packet, type RecordType } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { DnsZone } from '../../../src/local/dns-zone.ts'

const SERVICE = 'db-headless.default.svc.cluster.local'
const REPLICAS = [
  { name: 'db-0', address: '127.0.0.1', port: 7000 },
  { name: 'db-1', address: '::1', port: 7001 },
  { name: 'db-2', address: undefined, port: 7002 },
]

type Server = { zone: DnsZone; host: string; port: number }

async function serve(test: { teardown(run: () => unknown): void }): Promise<Server> {
  const zone = new DnsZone()
  test.teardown(() => zone.close())
  zone.set(REPLICAS)
  return { zone, ...(await zone.listen()) }
}

function query(name: string, type: RecordType, more: Packet = {}): Buffer {
  return packets.encode({
    type: 'query',
    id: 77,
    flags: packets.RECURSION_DESIRED,
    questions: [{ type, name }],
    ...more,
  })
}

async function askUdp({ host, port }: Server, bytes: Buffer): Promise<DecodedPacket> {
  const socket = createSocket('udp4')
  // A datagram may be lost, on loopback too when buffers are full.
  const again = setInterval(() => socket.send(bytes, port, host), 500)
  try {
    socket.send(bytes, port, host)
    const [answer] = (await once(socket, 'message')) as [Buffer]
    return packets.decode(answer)
  } finally {
    clearInterval(again)
    socket.close()
  }
}

function rcode(packet: DecodedPacket): number {
  return (packet.flags ?? 0) & 15
}

t.test('SRV, A and AAAA as a headless Service has them', async (t) => {
  const server = await serve(t)
  const srv = await askUdp(server, query(`_peer._tcp.${SERVICE}`, 'SRV'))
  t.equal(srv.id, 77)
  t.ok(srv.flag_qr && srv.flag_aa && srv.flag_rd)
  t.same(
    srv.answers?.map((answer) => (answer.type === 'SRV' ? answer.data : undefined)),
    REPLICAS.map(({ name, port }) => {
      return { priority: 0, weight: 100, port, target: `${name}.${SERVICE}` }
    }),
  )
  const a = await askUdp(server, query(`db-0.${SERVICE}`, 'A'))
  t.match(a.answers, [{ type: 'A', name: `db-0.${SERVICE}`, data: '127.0.0.1' }])
  const aaaa = await askUdp(server, query(`db-1.${SERVICE}`, 'AAAA'))
  t.match(aaaa.answers, [{ type: 'AAAA', data: '::1' }])
  const all = await askUdp(server, query(SERVICE, 'A'))
  t.match(all.answers, [{ type: 'A', data: '127.0.0.1' }])
})

t.test('the asker’s case is kept and makes no difference', async (t) => {
  const server = await serve(t)
  const name = `dB-0.${SERVICE.toUpperCase()}`
  const answer = await askUdp(server, query(name, 'A'))
  t.equal(answer.questions?.[0]?.name, name)
  t.match(answer.answers, [{ name, data: '127.0.0.1' }])
})

t.test('no such record is empty, no such name is denied, other zones are refused', async (t) => {
  const server = await serve(t)
  const cases: [string, RecordType, number][] = [
    [`db-0.${SERVICE}`, 'AAAA', 0],
    [`db-2.${SERVICE}`, 'A', 0],
    [`_tcp.${SERVICE}`, 'SRV', 0],
    ['svc.cluster.local', 'A', 0],
    [`db-7.${SERVICE}`, 'A', 3],
    ['other.default.svc.cluster.local', 'A', 3],
    ['xcluster.local', 'A', 5],
    ['example.org', 'A', 5],
  ]
  for (const [name, type, code] of cases) {
    const answer = await askUdp(server, query(name, type))
    t.equal(rcode(answer), code, `${name} ${type}`)
    t.same(answer.answers, [])
    const soa = code === 5 ? [] : [{ type: 'SOA', name: 'cluster.local' }]
    t.match(answer.authorities, soa)
    t.equal(answer.authorities?.length, soa.length)
  }
})

t.test('a long answer is cut over UDP, as far as the asker says, and whole over TCP', async (t) => {
  const server = await serve(t)
  const replicas = Array.from({ length: 9 }, (_, i) => {
    return { name: `db-${i}`, address: '127.0.0.1', port: i + 1 }
  })
  server.zone.set(replicas)
  const name = `_peer._tcp.${SERVICE}`
  const cut = await askUdp(server, query(name, 'SRV'))
  t.ok(cut.flag_tc)
  t.same(cut.answers, [])
  const opt = {
    type: 'OPT' as const,
    name: '.',
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  }
  const whole = await askUdp(server, query(name, 'SRV', { additionals: [opt] }))
  t.notOk(whole.flag_tc)
  t.equal(whole.answers?.length, 9)

  const socket = connect(server.port, server.host)
  t.teardown(() => socket.destroy())
  const message = query(name, 'SRV')
  const framed = Buffer.concat([Buffer.from([0, message.length]), message])
  // Two questions in one go, cut in an awkward place.
  socket.write(framed.subarray(0, 1))
  socket.write(Buffer.concat([framed.subarray(1), framed]))
  let received = Buffer.alloc(0)
  const length = (): number => (received.length < 2 ? 1e9 : 2 + received.readUInt16BE(0))
  while (received.length < 2 * length()) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    received = Buffer.concat([received, chunk])
  }
  t.equal(packets.decode(received.subarray(2, length())).answers?.length, 9)
  t.equal(packets.decode(received.subarray(length() + 2)).answers?.length, 9)
})

t.test('garbage harms nothing', async (t) => {
  const server = await serve(t)
  const given = process.env['ORDINAL_SEED']
  const seed = given === undefined ? Math.floor(Math.random() * 0x7fff_ffff) : Number(given)
  t.comment(`ORDINAL_SEED=${seed}`)
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  const valid = query(`_peer._tcp.${SERVICE}`, 'SRV')
  const change = fc.record({ at: fc.nat(valid.length - 1), value: fc.nat(255) })
  const mutated = fc.array(change, { maxLength: 5 }).map((changes) => {
    const copy = Buffer.from(valid)
    for (const { at, value } of changes) copy[at] = value
    return new Uint8Array(copy)
  })
  const garbage = fc.sample(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), {
    numRuns: 500,
    seed,
  })
  for (const bytes of garbage) {
    await new Promise((resolve) => socket.send(bytes, server.port, server.host, resolve))
  }
  const stream = connect(server.port, server.host)
  const ended = once(stream, 'close')
  stream.on('error', () => undefined)
  stream.write(Buffer.concat([Buffer.from([0, 9]), Buffer.from('not a DNS')]))
  await ended
  const answer = await askUdp(server, query(`db-0.${SERVICE}`, 'A'))
  t.equal(answer.answers?.length, 1)
})

t.test('an answer is never answered', async (t) => {
  const server = await serve(t)
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  const ids: number[] = []
  socket.on('message', (bytes) => ids.push(packets.decode(bytes).id ?? -1))
  const answer = packets.encode({ type: 'response', id: 1, questions: [] })
  socket.send(answer, server.port, server.host)
  socket.send(query(SERVICE, 'A', { id: 2 }), server.port, server.host)
  await once(socket, 'message')
  t.same(ids, [2])
})

t.test('closing frees the port, and closing twice is nothing', async (t) => {
  const { zone } = await serve(t)
  await zone.close()
  await zone.close()
  const { port } = await zone.listen()
  t.ok(port > 0)
})
