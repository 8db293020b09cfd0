import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import t from 'tap'
import { createDialer } from '../../../src/database/peers/link-dialer.ts'
import { PeerSecret } from '../../../src/database/peers/secret.ts'
import type { LinkIdentity } from '../../../src/shared/link.ts'
import {
  connected,
  secretFile,
  startCluster,
  startReplica,
  TableDiscovery,
  type TestReplica,
  until,
} from './replicas.ts'

const API: LinkIdentity = {
  role: 'api',
  name: 'api-0',
  clusterName: 'demo',
  clusterId: '',
  ordinal: -1,
  incarnation: 'api',
}

function peerOf(replica: TestReplica, ordinal: number) {
  return replica.transport.peers().find((peer) => peer.ordinal === ordinal)
}

t.test('three replicas say hello and exchange messages both ways', async (t) => {
  const { replicas } = await startCluster(t, 3)
  for (const from of replicas) {
    for (const to of replicas) {
      if (from === to) continue
      t.same(peerOf(from, to.hello.ordinal)?.hello, to.hello)
      from.send(to, 10 * from.hello.ordinal + to.hello.ordinal)
    }
  }
  await until('two messages each', () => replicas.every(({ messages }) => messages.length === 2))
  t.same(
    replicas.map(({ messages }) => messages.map(({ term }) => term).sort((a, b) => a - b)),
    [
      [10, 20],
      [1, 21],
      [2, 12],
    ],
  )
  t.same(
    replicas.flatMap(({ refusals, unreachable }) => [...refusals, ...unreachable]),
    [],
  )
})

t.test('messages to one peer arrive in the order they were sent', async (t) => {
  const { replicas } = await startCluster(t, 2)
  const [a, b] = replicas as [TestReplica, TestReplica]
  for (let term = 0; term < 1000; term += 1) a.send(b, term)
  await until('all arrive', () => b.messages.length === 1000)
  t.ok(b.messages.every(({ term }, index) => term === index))
})

t.test('a message for another incarnation of the same ordinal is not sent', async (t) => {
  const { replicas } = await startCluster(t, 2)
  const [a, b] = replicas as [TestReplica, TestReplica]
  a.transport.send({
    type: 'vote-reply',
    granted: true,
    from: a.member,
    to: '1/another',
    term: 1,
  })
  a.send(b, 2)
  await until('the other arrives', () => b.messages.length > 0)
  t.same(
    b.messages.map(({ term }) => term),
    [2],
  )
})

t.test('a message from somebody else than the link is of is not delivered', async (t) => {
  const { replicas } = await startCluster(t, 2)
  const [a, b] = replicas as [TestReplica, TestReplica]
  const rest = { type: 'vote-reply', granted: true, to: b.member } as const
  a.transport.send({ ...rest, from: '2/somebody', term: 1 })
  a.send(b, 2)
  await until('the honest one arrives', () => b.messages.length > 0)
  t.same(
    b.messages.map(({ term }) => term),
    [2],
  )
})

t.test('a changed hello is told on the links that are up', async (t) => {
  const { replicas } = await startCluster(t, 3)
  const [a, b, c] = replicas as [TestReplica, TestReplica, TestReplica]
  a.transport.announce({ ...a.hello, clusterId: 'cluster-1' })
  for (const other of [b, c]) {
    await until('the id is heard', () => peerOf(other, 0)?.hello?.clusterId === 'cluster-1')
  }
  t.ok(connected(a, b) && connected(b, a))
})

t.test('a replica that adopts another cluster is refused from then on', async (t) => {
  const { replicas } = await startCluster(t, 2)
  const [a, b] = replicas as [TestReplica, TestReplica]
  a.transport.announce({ ...a.hello, clusterId: 'cluster-1' })
  await until('b heard', () => peerOf(b, 0)?.hello?.clusterId === 'cluster-1')
  b.transport.announce({ ...b.hello, clusterId: 'cluster-2' })
  await until('links are down', () => !connected(a, b) && !connected(b, a))
  await until('b knows', () => b.refusals.some(({ code }) => code === 'wrong-cluster'))
  await until('the problem is named', () => /cluster/.test(peerOf(a, 1)?.problem ?? ''))
  a.send(b, 1)
  b.send(a, 1)
  t.equal(a.messages.length + b.messages.length, 0)
})

t.test('a replica of a cluster with another name is refused', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery })
  const b = await startReplica(t, { ordinal: 1, discovery, clusterName: 'other' })
  discovery.set(0, a.port)
  discovery.set(1, b.port)
  await until('both were refused', () => a.refusals.length > 0 && b.refusals.length > 0)
  t.equal(a.refusals[0]?.code, 'wrong-cluster')
  t.equal(b.refusals[0]?.code, 'wrong-cluster')
  t.same([...a.hellos, ...b.hellos], [])
  t.match(peerOf(a, 1)?.problem, /"other"/)
})

t.test('replicas of two clusters of one name are told apart by their ids', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery, clusterId: 'one' })
  const b = await startReplica(t, { ordinal: 1, discovery, clusterId: 'two' })
  discovery.set(0, a.port)
  discovery.set(1, b.port)
  await until('both were refused', () => a.refusals.length > 0 && b.refusals.length > 0)
  t.equal(a.refusals[0]?.code, 'wrong-cluster')
  t.notOk(connected(a, b) || connected(b, a))
})

t.test('a removed incarnation is refused, and told', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, {
    ordinal: 0,
    discovery,
    handlers: { onHello: () => 'removed-replica' },
  })
  const b = await startReplica(t, { ordinal: 1, discovery })
  discovery.set(0, a.port)
  discovery.set(1, b.port)
  await until('b knows', () => b.refusals.length > 0)
  t.equal(b.refusals[0]?.code, 'removed-replica')
  b.send(a, 1)
  a.send(b, 1)
  await until('refused again after a pause', () => b.refusals.length > 2)
  t.equal(a.messages.length + b.messages.length, 0)
})

t.test('another replica behind a recycled address is not taken for the one meant', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery, address: '' })
  const c = await startReplica(t, { ordinal: 2, discovery, address: '' })
  // DNS still gives db-1's old address, which is db-2's now.
  discovery.set(1, c.port)
  await until('the dial is refused', () => peerOf(a, 1)?.problem !== undefined)
  t.match(peerOf(a, 1)?.problem, /db-2, ordinal 2/)
  t.notOk(peerOf(a, 1)?.connected)
  t.same(c.hellos, [])
  discovery.set(2, c.port)
  await until('under its own name it is reached', () => connected(a, c))
})

t.test('a wrong secret is refused; the previous one is accepted', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, {
    ordinal: 0,
    discovery,
    secretFile: secretFile(t, 'new\nold\n'),
  })
  const b = await startReplica(t, { ordinal: 1, discovery, secretFile: secretFile(t, 'old\n') })
  const c = await startReplica(t, { ordinal: 2, discovery, secretFile: secretFile(t, 'wrong\n') })
  const d = await startReplica(t, { ordinal: 3, discovery })
  for (const replica of [a, b, c, d]) discovery.set(replica.hello.ordinal, replica.port)
  await until('a and b are linked both ways', () => connected(a, b) && connected(b, a))
  for (const stranger of [c, d]) {
    await until('it is refused', () =>
      stranger.refusals.some(({ code }) => code === 'unauthorized'),
    )
    t.notOk(connected(stranger, a))
  }
  t.same(
    a.hellos.map(({ ordinal }) => ordinal).filter((ordinal) => ordinal === 2),
    [],
  )
})

t.test('a secret that changes on disk is used at the next dial', async (t) => {
  const discovery = new TableDiscovery()
  const file = secretFile(t, 'first\n')
  const a = await startReplica(t, { ordinal: 0, discovery, secretFile: secretFile(t, 'right\n') })
  const b = await startReplica(t, { ordinal: 1, discovery, secretFile: file })
  discovery.set(0, a.port)
  discovery.set(1, b.port)
  await until('b is refused', () => b.refusals.length > 0)
  writeFileSync(file, 'right\n')
  await until('both are linked', () => connected(a, b) && connected(b, a))
  t.equal(peerOf(b, 0)?.problem, undefined)
})

t.test('a broken link is told and made again', async (t) => {
  const { replicas, discovery } = await startCluster(t, 2)
  const [a, b] = replicas as [TestReplica, TestReplica]
  await b.close()
  await until('a knows', () => a.unreachable.includes(b.member))
  await until('a has no link', () => !connected(a, b))
  const again = await startReplica(t, { ordinal: 1, discovery, incarnation: 'second' })
  discovery.set(1, again.port)
  await until('both linked', () => connected(a, again) && connected(again, a))
  a.send(b, 1)
  a.send(again, 2)
  await until('the new incarnation hears', () => again.messages.length > 0)
  t.same(
    again.messages.map(({ term }) => term),
    [2],
  )
})

t.test('one direction is enough when the hello carries no address', async (t) => {
  // b finds a; a knows b by nothing but the link that b dialed.
  const forA = new TableDiscovery()
  const forB = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery: forA })
  forA.set(0, a.port)
  forB.set(0, a.port)
  const b = await startReplica(t, { ordinal: 1, discovery: forB, address: '' })
  await until('b is linked', () => connected(b, a))
  await until('a heard b', () => a.hellos.length > 0)
  a.send(b, 1)
  b.send(a, 2)
  await until('both arrive', () => a.messages.length === 1 && b.messages.length === 1)
  t.notOk(connected(a, b))
  t.match(peerOf(a, 1)?.problem, /does not know/)
  await b.close()
  await until('a is told', () => a.unreachable.includes(b.member))
})

t.test('the address in a hello is dialed while discovery lags', async (t) => {
  const forA = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery: forA })
  const forB = new TableDiscovery()
  forB.set(0, a.port)
  const b = await startReplica(t, { ordinal: 1, discovery: forB })
  await until('a dialed b by the address it told', () => connected(a, b))
  t.equal(peerOf(a, 1)?.address?.port, b.port)
})

t.test('a peer found late is linked by itself', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery })
  await until('lookups fail', () => discovery.lookups > 2)
  const b = await startReplica(t, { ordinal: 1, discovery })
  discovery.set(0, a.port)
  discovery.set(1, b.port)
  await until('linked', () => connected(a, b) && connected(b, a))
  t.equal(a.transport.peers().length, 1, 'the own ordinal is no peer')
})

t.test('a filter drops messages one way or both', async (t) => {
  const { replicas } = await startCluster(t, 2)
  const [a, b] = replicas as [TestReplica, TestReplica]
  a.transport.setFilter((direction) => direction === 'in')
  a.send(b, 1)
  b.send(a, 2)
  await until('a hears', () => a.messages.length === 1)
  a.transport.setFilter((direction, ordinal) => direction === 'out' && ordinal === 1)
  b.send(a, 3)
  a.send(b, 4)
  await until('b hears', () => b.messages.length === 1)
  a.transport.setFilter(undefined)
  b.send(a, 5)
  await until('a hears again', () => a.messages.length === 2)
  t.same(
    [a, b].map(({ messages }) => messages.map(({ term }) => term)),
    [[2, 5], [4]],
  )
})

t.test('a full queue drops messages and says unreachable', async (t) => {
  const { replicas } = await startCluster(t, 2)
  const [a, b] = replicas as [TestReplica, TestReplica]
  const start = 'x'.repeat(60_000)
  for (let request = 0; request < 400; request += 1) {
    const { member: from } = a
    a.transport.send({ type: 'read-index', from, to: b.member, term: 1, request, start })
  }
  await until('a is told, after the turn', () => a.unreachable.length > 0)
  t.same(a.unreachable, [b.member], 'once for all that was dropped')
  t.ok(connected(a, b), 'the link stays')
  await until('what was taken arrives', () => b.messages.length > 200)
  a.send(b, 2)
  await until('and new ones too', () => b.messages.at(-1)?.term === 2)
  t.ok(b.messages.length < 400)
})

t.test('an API server dials a replica and gets its frames back', async (t) => {
  const discovery = new TableDiscovery()
  const file = secretFile(t, 'secret\n')
  const a = await startReplica(t, { ordinal: 0, discovery, secretFile: file, clusterId: 'id' })
  const dialer = createDialer({
    identity: () => API,
    secret: new PeerSecret({ file }),
    timeout_ms: 2000,
  })
  const { link, remote } = await dialer.dial({ ordinal: 0, host: '127.0.0.1', port: a.port })
  t.match(remote, { role: 'replica', name: 'db-0', clusterId: 'id', ordinal: 0 })
  const answer = new Promise<string>((resolve) => {
    link.onFrame = (type, body) => resolve(`${type} ${body}`)
  })
  link.send(6, [Buffer.from('ping')])
  t.equal(await answer, '6 ping')
  t.equal(a.apiLinks[0]?.name, 'api-0')
  const ended = new Promise((resolve) => {
    link.onClose = resolve
  })
  await a.close()
  await ended
  t.ok(link.closed, 'closing the transport closes the links of API servers')
})

t.test('a dial that fails says why', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, {
    ordinal: 0,
    discovery,
    clusterId: 'id',
    secretFile: secretFile(t, 'right\n'),
  })
  const right = new PeerSecret({ file: secretFile(t, 'right\n') })
  const wrong = new PeerSecret({ file: secretFile(t, 'wrong\nworse\n') })
  const target = { ordinal: 0, host: '127.0.0.1', port: a.port }
  const dial = (identity: LinkIdentity, secret: PeerSecret, to = target) =>
    createDialer({ identity: () => identity, secret, timeout_ms: 300 }).dial(to)
  await t.rejects(dial(API, wrong), { code: 'unauthorized' })
  await t.rejects(dial({ ...API, clusterName: 'x' }, right), { code: 'wrong-cluster' })
  await t.rejects(dial({ ...API, clusterId: 'x' }, right), { code: 'wrong-cluster' })
  await t.rejects(dial(API, right, { ...target, ordinal: 1 }), { code: 'wrong-replica' })
  await t.rejects(dial(API, right, { ...target, host: 'localhost' }), { code: 'no-replica' })
  const silent = createServer(() => undefined)
  t.teardown(() => silent.close())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as { port: number }
  await t.rejects(dial(API, right, { ...target, port }), { code: 'no-replica' }, 'silence')
  silent.close()
  await t.rejects(dial(API, right, { ...target, port }), { code: 'no-replica' }, 'nobody')
})

t.test('a dialer does not trust who answers', async (t) => {
  const discovery = new TableDiscovery()
  // This replica lies about nothing; the dialer learns its id only from the answer.
  const a = await startReplica(t, { ordinal: 0, discovery })
  let own: LinkIdentity = API
  const dialer = createDialer({
    identity: () => own,
    secret: new PeerSecret({ file: undefined }),
    timeout_ms: 1000,
  })
  const target = { ordinal: 0, host: '127.0.0.1', port: a.port }
  const { link } = await dialer.dial(target)
  link.onClose = () => undefined
  link.close()
  a.transport.announce({ ...a.hello, clusterId: 'one' })
  own = { ...API, clusterId: 'two' }
  await t.rejects(dialer.dial(target), { code: 'wrong-cluster' })
})

t.test('a port in use is one clear error', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery })
  await t.rejects(startReplica(t, { ordinal: 1, discovery, port: a.port }), {
    code: 'port-in-use',
    message: /is in use/,
  })
})

t.test('closing ends a transport in the midst of dialing', async (t) => {
  const discovery = new TableDiscovery()
  const silent = createServer(() => undefined)
  t.teardown(() => silent.close())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  discovery.set(1, (silent.address() as { port: number }).port)
  const a = await startReplica(t, { ordinal: 0, discovery })
  await until('it dials', () => a.transport.peers().length === 1)
  await a.close()
  await a.close()
  t.same(a.unreachable, [])
})
