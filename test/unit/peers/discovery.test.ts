import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type Answer, decode, encode } from 'dns-packet'
import t from 'tap'
import { clusterDomainIn, DnsDiscovery, ordinalIn } from '../../../src/database/peers/discovery.ts'
import { DnsZone, type ZoneReplica } from '../../../src/local/dns-zone.ts'
import type { Teardown } from './replicas.ts'

const OPTIONS = {
  service: 'db-headless',
  namespace: 'default',
  clusterDomain: 'cluster.local',
  replicaName: 'db',
}
const ZONE = 'db-headless.default.svc.cluster.local'

async function zoneWith(
  test: Teardown,
  replicas: readonly ZoneReplica[],
): Promise<{ zone: DnsZone; servers: string[] }> {
  const zone = new DnsZone()
  test.teardown(() => zone.close())
  zone.set(replicas)
  const { host, port } = await zone.listen()
  return { zone, servers: [`${host}:${port}`] }
}

t.test('replicas are found by SRV, with ordinals, ports and addresses', async (t) => {
  const { servers } = await zoneWith(t, [
    { name: 'db-2', address: '127.0.0.3', port: 7002 },
    { name: 'db-0', address: '127.0.0.1', port: 7000 },
    { name: 'db-10', address: '::1', port: 7010 },
  ])
  const discovery = new DnsDiscovery({ ...OPTIONS, servers })
  t.same(await discovery.lookup(), [
    { ordinal: 0, host: '127.0.0.1', port: 7000, name: `db-0.${ZONE}` },
    { ordinal: 2, host: '127.0.0.3', port: 7002, name: `db-2.${ZONE}` },
    { ordinal: 10, host: '::1', port: 7010, name: `db-10.${ZONE}` },
  ])
})

t.test('each lookup asks again: what moved is found at its new place', async (t) => {
  const { zone, servers } = await zoneWith(t, [{ name: 'db-0', address: '127.0.0.1', port: 1 }])
  const discovery = new DnsDiscovery({ ...OPTIONS, servers })
  t.match(await discovery.lookup(), [{ host: '127.0.0.1', port: 1 }])
  zone.set([
    { name: 'db-0', address: '127.0.0.9', port: 2 },
    { name: 'db-1', address: '127.0.0.8', port: 3 },
  ])
  t.same(await discovery.lookup(), [
    { ordinal: 0, host: '127.0.0.9', port: 2, name: `db-0.${ZONE}` },
    { ordinal: 1, host: '127.0.0.8', port: 3, name: `db-1.${ZONE}` },
  ])
})

t.test('a denial is not remembered', async (t) => {
  const { zone, servers } = await zoneWith(t, [])
  const discovery = new DnsDiscovery({ ...OPTIONS, servers })
  await t.rejects(discovery.lookup(), { code: 'no-replica' })
  zone.set([{ name: 'db-0', address: undefined, port: 1 }])
  await t.rejects(discovery.lookup(), { code: 'no-replica' }, 'a name without an address')
  zone.set([{ name: 'db-0', address: '127.0.0.1', port: 1 }])
  t.same(await discovery.lookup(), [
    { ordinal: 0, host: '127.0.0.1', port: 1, name: `db-0.${ZONE}` },
  ])
})

t.test('a target without an address yet does not hide the others', async (t) => {
  const { servers } = await zoneWith(t, [
    { name: 'db-0', address: undefined, port: 1 },
    { name: 'db-1', address: '127.0.0.1', port: 2 },
    { name: 'other-0', address: '127.0.0.1', port: 3 },
    { name: 'db-x', address: '127.0.0.1', port: 4 },
  ])
  const discovery = new DnsDiscovery({ ...OPTIONS, servers })
  t.same(await discovery.lookup(), [
    { ordinal: 1, host: '127.0.0.1', port: 2, name: `db-1.${ZONE}` },
  ])
})

t.test('targets are told with and without addresses; names go by a rule', async (t) => {
  const { servers } = await zoneWith(t, [
    { name: 'db-1', address: undefined, port: 2 },
    { name: 'db-0', address: '127.0.0.1', port: 1 },
  ])
  const discovery = new DnsDiscovery({ ...OPTIONS, servers })
  t.equal(discovery.name, `_peer._tcp.${ZONE}.`)
  t.same(await discovery.targets(), [
    { ordinal: 0, name: discovery.nameOf(0), port: 1, host: '127.0.0.1' },
    { ordinal: 1, name: discovery.nameOf(1), port: 2, host: undefined },
  ])
})

t.test('more replicas than a datagram holds are all found', async (t) => {
  const replicas = Array.from({ length: 40 }, (_, ordinal) => ({
    name: `db-${ordinal}`,
    address: '127.0.0.1',
    port: 7000 + ordinal,
  }))
  const { servers } = await zoneWith(t, replicas)
  const discovery = new DnsDiscovery({ ...OPTIONS, servers })
  const found = await discovery.lookup()
  t.equal(found.length, 40)
  t.same(found.at(-1), { ordinal: 39, host: '127.0.0.1', port: 7039, name: `db-39.${ZONE}` })
})

t.test('a server that is silent, or answers garbage, is no-replica soon', async (t) => {
  const silent = createSocket('udp4')
  const garbage = createSocket('udp4')
  t.teardown(() => {
    silent.close()
    garbage.close()
  })
  garbage.on('message', (_query, from) => {
    garbage.send(Buffer.from('this is no DNS'), from.port, from.address)
  })
  for (const socket of [silent, garbage]) {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const servers = [`127.0.0.1:${socket.address().port}`]
    const started_ms = performance.now()
    await t.rejects(new DnsDiscovery({ ...OPTIONS, servers }).lookup(), { code: 'no-replica' })
    t.ok(performance.now() - started_ms < 4000)
  }
})

/** A DNS server with these records, by name and type. */
async function serverWith(test: Teardown, records: Readonly<Record<string, Answer>>) {
  const socket = createSocket('udp4')
  test.teardown(() => socket.close())
  socket.on('message', (bytes, from) => {
    const query = decode(bytes)
    const [question] = query.questions ?? []
    const answer = records[`${question?.type} ${question?.name}`]
    const answers = answer === undefined ? [] : [answer]
    const known = Object.keys(records).some((key) => key.endsWith(` ${question?.name}`))
    const reply = { id: query.id, type: 'response', flags: known ? 0 : 3, answers } as const
    socket.send(encode({ ...reply, questions: query.questions ?? [] }), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return [`127.0.0.1:${socket.address().port}`]
}

t.test('another Service is found by the SRV record of its client port', async (t) => {
  const name = 'db-api.default.svc.cluster.local'
  const srv = (of: string, port: number): Answer => {
    const data = { port, target: of, priority: 0, weight: 100 }
    return { type: 'SRV', name: `_client._tcp.${of}`, data }
  }
  const empty = 'db-read.default.svc.cluster.local'
  const servers = await serverWith(t, {
    [`SRV _client._tcp.${name}`]: srv(name, 80),
    [`A ${name}`]: { type: 'A', name, data: '10.9.0.1' },
    [`SRV _client._tcp.${empty}`]: srv(empty, 80),
  })
  const discovery = new DnsDiscovery({ ...OPTIONS, servers })
  t.equal(discovery.serviceName('db-api'), name)
  t.same(await discovery.findService('db-api'), { name, host: '10.9.0.1', port: 80 })
  t.equal(await discovery.findService('db-leader'), undefined)
  t.same(await discovery.findService('db-read'), { name: empty, host: undefined, port: 80 })
})

t.test('ordinals are read from the names of this StatefulSet only', async (t) => {
  t.equal(ordinalIn('db-0.db-headless.default.svc.cluster.local', 'db'), 0)
  t.equal(ordinalIn('DB-12.db-headless', 'db'), 12)
  t.equal(ordinalIn('demo-db-3.demo-db-headless', 'demo-db'), 3)
  for (const name of ['db.x', 'db-.x', 'db-01.x', 'db-1a.x', 'xdb-1.x', 'db-0-1.x', '', 'db-1e3']) {
    t.equal(ordinalIn(name, 'db'), undefined, name)
  }
})

t.test('the cluster’s domain is that of the svc. entry of resolv.conf', async (t) => {
  const of = (...lines: string[]): string => clusterDomainIn(lines.join('\n'))
  const search = 'search default.svc.example.org svc.example.org example.org lan'
  t.equal(of('nameserver 10.96.0.10', search, 'options ndots:5'), 'example.org')
  t.equal(of('search svc.cluster.local.'), 'cluster.local')
  t.equal(of('search lan'), 'cluster.local')
  t.equal(of(search, 'search lan'), 'cluster.local', 'the last search line holds')
  t.equal(of('# search svc.x', 'search\tsvc.y\tz'), 'y')
  t.equal(of('search svc.'), 'cluster.local')
  t.equal(of(''), 'cluster.local')
})
