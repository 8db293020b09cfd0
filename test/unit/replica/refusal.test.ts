import t from 'tap'
import type { Hello, PeerStatus } from '../../../src/database/replica/ports.ts'
import { Refusal } from '../../../src/database/replica/refusal.ts'

const helloOf = (ordinal: number): Hello => ({
  clusterName: 'db',
  clusterId: 'c',
  ordinal,
  incarnation: `i${ordinal}`,
  address: '',
  format: 1,
  expected: 3,
  fingerprint: { index: 0, hash: '' },
  wasMember: false,
})

const peer = (ordinal: number, more: Partial<PeerStatus> = {}): PeerStatus => ({
  ordinal,
  address: undefined,
  connected: false,
  hello: undefined,
  heard_ms: -1,
  problem: undefined,
  ...more,
})

t.test('a refusal is news once, and over when that peer links again', async (t) => {
  let peers = [peer(1, { hello: helloOf(1) }), peer(2, { hello: helloOf(2), connected: true })]
  const refusal = new Refusal(() => peers)
  t.equal(refusal.why, undefined)
  const why = 'replica 1 refuses this replica: wrong-cluster'
  t.same(refusal.noted(helloOf(1), 'wrong-cluster'), { why, news: true })
  t.same(refusal.noted(helloOf(1), 'wrong-cluster'), { why, news: false })
  t.equal(refusal.why, why, 'the link to another peer changes nothing')
  peers = [peer(1, { hello: helloOf(1), connected: true }), peer(2, { hello: helloOf(2) })]
  t.equal(refusal.why, undefined)
  peers = [peer(1, { hello: helloOf(1) })]
  t.equal(refusal.why, undefined, 'it does not come back')
  t.equal(refusal.noted(helloOf(1), 'wrong-cluster').news, true, 'unless refused again')
  peers = []
  t.equal(refusal.why, undefined, 'that peer is no more')
})

t.test('a refusal by a peer without a name is over when all have said hello', async (t) => {
  let peers = [peer(1), peer(2, { hello: helloOf(2), connected: true })]
  const refusal = new Refusal(() => peers)
  const why = 'a peer refuses this replica: unauthorized'
  t.same(refusal.noted(undefined, 'unauthorized'), { why, news: true })
  t.equal(refusal.why, why)
  peers = peers.map((one) => peer(one.ordinal, { hello: helloOf(one.ordinal) }))
  t.equal(refusal.why, undefined)
})
