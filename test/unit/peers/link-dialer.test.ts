/** The dialer alone, as an API server uses it. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { createDialer } from '../../../src/database/peers/link-dialer.ts'
import { PeerSecret } from '../../../src/database/peers/secret.ts'
import type { LinkIdentity } from '../../../src/shared/link.ts'
import { API, secretFile, startReplica, TableDiscovery } from './replicas.ts'

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
