import t from 'tap'
import { type CoreStatus, NO_SCALE } from '../../../src/database/consensus/types.ts'
import { scaledTooFar } from '../../../src/database/replica/advice.ts'
import { markerDue } from '../../../src/database/replica/marker-writer.ts'
import {
  intentOf,
  type Orchestrator,
  rangeOf,
  type Topology,
} from '../../../src/database/replica/orchestrator.ts'
import type { PeerStatus, Stopping } from '../../../src/database/replica/ports.ts'
import { saysLeaves, scaleOf } from '../../../src/database/replica/scaling.ts'
import { SAID_FOR_MS } from '../../../src/database/replica/stop-guard.ts'

const topology = (first: number, replicas: number, ending = false): Topology => ({
  first,
  replicas,
  ending,
})

t.test('what being stopped means, by the StatefulSet', async (t) => {
  t.equal(intentOf(4, undefined).type, 'stays', 'nothing is known')
  t.equal(intentOf(2, topology(0, 3)).type, 'stays')
  t.match(intentOf(3, topology(0, 3)), { type: 'leaves', why: /ordinals 0 to 2/ })
  t.equal(intentOf(1, topology(2, 3)).type, 'leaves', 'below the first')
  t.equal(intentOf(4, topology(2, 3)).type, 'stays')
  t.match(intentOf(0, topology(0, 0)), { type: 'ends', why: /scaled to 0/ })
  t.match(intentOf(4, topology(0, 1, true)), { type: 'ends', why: /deleted/ })
  t.same(rangeOf(topology(2, 3)), { first: 2, end: 5 })
  for (const none of [undefined, topology(0, 0), topology(0, 3, true)]) {
    t.equal(rangeOf(none), undefined)
  }
})

const SELF = '0/a'
function status(more: Partial<CoreStatus> = {}): CoreStatus {
  const membership = {
    clusterId: 'c',
    history: 'h',
    voters: [SELF, '1/b', '2/c'],
    learners: ['3/d'],
    opened: true,
    removed: [],
  }
  const fixed = { membershipIndex: 4, commit: 9, committedInTerm: true, leader: undefined }
  return { self: SELF, role: 'leader', membership, ...fixed, ...more } as unknown as CoreStatus
}

function peer(ordinal: number, incarnation: string, more: object = {}): PeerStatus {
  const hello = { ordinal, incarnation, stopping: 'leaves' as Stopping }
  return { ordinal, hello, connected: true, heard_ms: 0, ...more } as unknown as PeerStatus
}

t.test('who says that it leaves', async (t) => {
  const see = (peers: PeerStatus[], stopping?: Stopping) =>
    saysLeaves(status(), peers, { now_ms: SAID_FOR_MS, stopping })
  t.same(see([peer(2, 'c'), peer(3, 'd')]), ['2/c', '3/d'])
  t.same(see([], 'leaves'), [SELF])
  t.same(see([], 'goes'), [])
  t.same(see([peer(2, 'another'), peer(4, 'e')]), [], 'another disk, and no member')
  t.same(see([peer(2, 'c', { hello: { incarnation: 'c', stopping: 'goes' } })]), [])
  t.same(see([peer(2, 'c', { connected: false })]), ['2/c'], 'said a while ago')
  t.same(see([peer(2, 'c', { connected: false, heard_ms: -1 })]), [], 'long ago')
})

t.test('what consensus is told: nobody goes by what was read before', async (t) => {
  const known = { first: 0, end: 3 }
  const leaving = ['1/b', '2/c']
  const tell = (reading: Parameters<typeof scaleOf>[0]['reading']) =>
    scaleOf({ known, leaving, reading })
  t.same(tell(undefined), { range: known, confirmed: false, leaving: [] })
  const now = { first: 0, end: 2 }
  t.same(tell({ range: now, failed: false }), { range: now, confirmed: true, leaving: ['2/c'] })
  t.same(tell({ range: undefined, failed: false }), NO_SCALE, 'the tier ends: no scale-down')
  const unread = { range: known, confirmed: false, leaving }
  t.same(tell({ range: undefined, failed: true }), unread, 'they have read it themselves')
})

t.test('a quorum lost by scaling down too fast: how to come back', async (t) => {
  const say = (
    now: CoreStatus | undefined,
    { hears = [] as string[], seen = [topology(0, 1)] } = {},
  ) =>
    scaledTooFar({
      status: now,
      orchestrator: { topology: seen[0] } as Orchestrator,
      hears: (member) => hears.includes(member),
      nameOf: (ordinal) => `db-${ordinal}`,
    })
  t.match(say(status()), /^db-1, db-2 went.*scale up to 3 again \(the claims are kept\)/)
  const two = { voters: [SELF, '1/b'], learners: [] }
  t.match(say(status({ membership: two as never })), /scale up to 3 again/, 'an odd number')
  t.equal(say(status({ leader: '1/b' })), undefined, 'somebody leads')
  t.equal(say(status(), { hears: ['1/b'] }), undefined, 'they are a quorum')
  t.equal(say(status(), { seen: [topology(0, 3)] }), undefined, 'they are only down')
  t.equal(say(status(), { seen: [] }), undefined)
  t.equal(say(undefined), undefined)
})

t.test('the marker is due once the cluster has opened, from the leader', async (t) => {
  t.same(markerDue(status()), { clusterId: 'c', history: 'h' })
  t.equal(markerDue(status({ role: 'follower' })), undefined)
  t.equal(markerDue(status({ committedInTerm: false })), undefined)
  t.equal(markerDue(status({ commit: 3 })), undefined, 'not committed yet')
  const closed = { ...status().membership, opened: false } as CoreStatus['membership']
  t.equal(markerDue(status({ membership: closed })), undefined)
})
