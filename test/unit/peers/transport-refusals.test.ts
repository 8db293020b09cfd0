/** Who is refused a link: members of other clusters, removed ones, those with a wrong secret. */

import { writeFileSync } from 'node:fs'
import t from 'tap'
import {
  connected,
  peerOf,
  secretFile,
  startCluster,
  startReplica,
  TableDiscovery,
  type TestReplica,
  until,
} from './replicas.ts'

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
