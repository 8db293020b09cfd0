import t from 'tap'
import { type BootstrapView, decideBootstrap } from '../../../src/database/replica/bootstrap.ts'
import type { Hello } from '../../../src/database/replica/ports.ts'

function hello(ordinal: number, clusterId = ''): Hello {
  return {
    clusterName: 'db',
    clusterId,
    ordinal,
    incarnation: `incarnation-${ordinal}`,
    address: `127.0.0.1:${7000 + ordinal}`,
    format: 1,
    expected: 3,
    fingerprint: { index: 0, hash: '' },
    wasMember: false,
  }
}

/** Its data was set aside. */
function former(ordinal: number): Hello {
  return { ...hello(ordinal), wasMember: true }
}

const empty: Omit<BootstrapView, 'self' | 'peers'> = {
  firstOrdinal: 0,
  expected: 3,
  silent: [],
  looked: true,
  ordered: false,
  marker: { type: 'none' },
  markerName: 'db-marker',
}

t.test('the first ordinal forms a cluster when all expected peers answered empty', async (t) => {
  const decision = decideBootstrap({ ...empty, self: hello(0), peers: [hello(1), hello(2)] })
  t.equal(decision.type, 'form')
  if (decision.type === 'form')
    t.same(
      decision.members.map((each) => each.ordinal),
      [0, 1, 2],
    )
})

t.test('a silent peer may hold the data: nothing is formed without its answer', async (t) => {
  const decision = decideBootstrap({ ...empty, self: hello(0), peers: [hello(1)] })
  t.match(decision, { type: 'wait', why: /replica 2/ })
})

t.test('a replica beyond the expected ones does not stand in for a missing one', async (t) => {
  const peers = [hello(1), hello(3), hello(4)]
  t.equal(decideBootstrap({ ...empty, self: hello(0), peers }).type, 'wait')
})

t.test('nobody but the first ordinal forms', async (t) => {
  const decision = decideBootstrap({ ...empty, self: hello(1), peers: [hello(0), hello(2)] })
  t.match(decision, { type: 'wait', why: /replica 0/ })
})

t.test('a peer with a cluster id is followed, whoever else is missing', async (t) => {
  const decision = decideBootstrap({ ...empty, self: hello(0), peers: [hello(2, 'c1')] })
  t.same(decision, { type: 'join', clusterId: 'c1' })
})

t.test('two cluster ids among the peers: wait and say so', async (t) => {
  const peers = [hello(1, 'c1'), hello(2, 'c2')]
  t.match(decideBootstrap({ ...empty, self: hello(0), peers }), { type: 'wait', why: /c1.*c2/ })
})

t.test('the first ordinal need not be zero', async (t) => {
  const view = { ...empty, firstOrdinal: 5, self: hello(5), peers: [hello(6), hello(7)] }
  t.equal(decideBootstrap(view).type, 'form')
})

t.test('without a number of replicas nothing is formed', async (t) => {
  t.equal(decideBootstrap({ ...empty, expected: 0, self: hello(0), peers: [] }).type, 'wait')
})

t.test('a cluster of one forms alone', async (t) => {
  t.equal(decideBootstrap({ ...empty, expected: 1, self: hello(0), peers: [] }).type, 'form')
})

t.test('a replica that was a member forms nothing, in whatever company', async (t) => {
  const self = former(0)
  const why = /this replica once belonged/
  for (const peers of [[], [hello(1), hello(2)], [former(1), former(2)]]) {
    t.match(decideBootstrap({ ...empty, self, peers }), { type: 'wait', why })
  }
  t.match(decideBootstrap({ ...empty, expected: 1, self, peers: [] }), { type: 'wait', why })
})

t.test('nobody forms a cluster with one that was a member', async (t) => {
  for (const peers of [
    [hello(1), former(2)],
    [hello(1), hello(2), former(3)],
  ]) {
    const decision = decideBootstrap({ ...empty, self: hello(0), peers })
    t.match(decision, { type: 'wait', why: /replica [23] once belonged to a cluster/ })
  }
})

t.test('a replica that was a member joins whichever cluster a peer has', async (t) => {
  const peers = [former(1), { ...hello(2, 'c2'), wasMember: true }]
  t.same(decideBootstrap({ ...empty, self: former(0), peers }), { type: 'join', clusterId: 'c2' })
})

const ABSENT = { type: 'absent' } as const
const UNREADABLE = { type: 'unreadable', why: 'it is forbidden' } as const
const PRESENT = { type: 'present', marker: { clusterId: 'c9', history: 'h' } } as const

t.test('a marker: an empty replica forms nothing, and says whom it waits for', async (t) => {
  for (const ordered of [false, true]) {
    for (const expected of [1, 3]) {
      const view = { ...empty, ordered, expected, marker: PRESENT, self: hello(0) }
      const alone = decideBootstrap({ ...view, peers: [] })
      t.equal(alone.type, 'wait')
      if (expected === 3) t.match(alone, { why: /c9.*db-marker.*no answer of replica 1, 2/ })
      const all = decideBootstrap({ ...view, peers: [hello(1), hello(2)] })
      t.match(all, { type: 'wait', why: /^ALL DATA IS LOST.*db-marker.*c9.*kubectl patch/ })
    }
  }
  const other = { ...empty, marker: PRESENT, self: hello(2), peers: [hello(0), hello(1)] }
  t.match(decideBootstrap(other), { type: 'wait', why: /^ALL DATA IS LOST/ }, 'all say it')
  const joins = decideBootstrap({ ...other, peers: [hello(1, 'c9')] })
  t.same(joins, { type: 'join', clusterId: 'c9' }, 'the data is there after all')
})

t.test('a marker that cannot be read: N answers suffice, one alone waits', async (t) => {
  const all = { ...empty, self: hello(0), peers: [hello(1), hello(2)] }
  t.equal(decideBootstrap({ ...all, marker: UNREADABLE }).type, 'form')
  t.equal(decideBootstrap({ ...all, marker: ABSENT }).type, 'form')
  t.match(decideBootstrap({ ...all, marker: { type: 'unasked' } }), { type: 'wait' })
  const one = { ...empty, expected: 1, self: hello(0), peers: [] }
  t.match(decideBootstrap({ ...one, marker: UNREADABLE }), { type: 'wait', why: /it is forbidden/ })
  t.match(decideBootstrap({ ...one, marker: { type: 'unasked' } }), { type: 'wait' })
  t.equal(decideBootstrap({ ...one, marker: ABSENT }).type, 'form')
})

t.test('the ordered mode: the first alone forms, if the marker was read', async (t) => {
  const first = { ...empty, ordered: true, self: hello(0), peers: [] }
  const formed = decideBootstrap({ ...first, marker: ABSENT })
  t.match(formed, { type: 'form', members: [hello(0)] })
  const markers = [UNREADABLE, { type: 'none' }, { type: 'unasked' }] as const
  for (const marker of markers) {
    t.equal(decideBootstrap({ ...first, marker }).type, 'wait', marker.type)
    const all = { ...first, marker, peers: [hello(1), hello(2)] }
    t.equal(decideBootstrap(all).type, 'wait', `${marker.type}, all empty`)
  }
  const early = decideBootstrap({ ...first, marker: ABSENT, looked: false })
  t.match(early, { type: 'wait', why: /looking/ })
  const named = decideBootstrap({ ...first, marker: ABSENT, silent: [1] })
  t.match(named, { type: 'wait', why: /answer of replica 1/ }, 'it may hold the data')
  const present = decideBootstrap({ ...first, marker: ABSENT, peers: [hello(1)] })
  t.match(present, { type: 'form', members: [hello(0)] }, 'the others join')
  const second = { ...first, marker: ABSENT, self: hello(1), peers: [hello(0)] }
  t.match(decideBootstrap(second), { type: 'wait', why: /replica 0/ })
  const former = decideBootstrap({
    ...first,
    marker: ABSENT,
    peers: [{ ...hello(1), wasMember: true }],
  })
  t.match(former, { type: 'wait', why: /once belonged/ })
})
