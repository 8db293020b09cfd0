/** Replicas that know each other: links between them, and what goes over those. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import {
  connected,
  peerOf,
  startCluster,
  startReplica,
  TableDiscovery,
  type TestReplica,
  until,
} from './replicas.ts'

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

t.test('a peer that discovery denies to both is found by the word of a third', async (t) => {
  const forA = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery: forA })
  forA.set(0, a.port)
  const b = await startReplica(t, { ordinal: 1, discovery: forA })
  const c = await startReplica(t, { ordinal: 2, discovery: forA })
  await until('b and c are linked', () => connected(b, c) && connected(c, b))
  await b.close()
  await until('b is gone', () => !connected(c, b))
  const again = await startReplica(t, { ordinal: 1, discovery: forA, incarnation: 'second' })
  await until('they meet again', () => connected(again, c) && connected(c, again))
  t.same([...forA.table.keys()], [0], 'discovery named the third alone')
})

t.test('what is told of a place is tried once, and discovery goes on', async (t) => {
  const discovery = new TableDiscovery()
  const a = await startReplica(t, { ordinal: 0, discovery })
  discovery.set(0, a.port)
  // It says that it is where nobody speaks with peers.
  let dials = 0
  const mute = createServer((socket) => {
    dials += 1
    socket.destroy()
  }).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  t.teardown(() => mute.close())
  const { port } = mute.address() as AddressInfo
  const liar = await startReplica(t, { ordinal: 1, discovery, address: `127.0.0.1:${port}` })
  await until('a and the liar are linked', () => connected(liar, a))
  await until('a tried it, too', () => dials > 0)
  dials = 0
  const c = await startReplica(t, { ordinal: 2, discovery, address: '' })
  await until('c was told of it', () => dials > 0)
  t.notOk(connected(c, liar))
  discovery.set(1, liar.port)
  await until('c found it', () => connected(c, liar))
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
