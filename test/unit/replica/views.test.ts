import t from 'tap'
import type { CoreStatus } from '../../../src/database/consensus/types.ts'
import type { Loop } from '../../../src/database/replica/loop.ts'
import type { Identity, PeerStatus, Storage } from '../../../src/database/replica/ports.ts'
import { Views } from '../../../src/database/replica/views.ts'

const EXPECTED = 3

/** What a replica without data says; `stored`: the cluster id that its disk remembers. */
function stage(stored: string) {
  const identity: Identity = { ordinal: 0, incarnation: 'i', clusterId: stored, clusterName: 'db' }
  const state = {
    marked: false,
    peers: [] as PeerStatus[],
    status: undefined as Partial<CoreStatus> | undefined,
  }
  const views = new Views({
    name: 'db-0',
    identity: () => ({ ...identity, clusterId: 'followed' }),
    storage: { identity } as Storage,
    loop: () =>
      state.status === undefined
        ? undefined
        : ({ status: () => state.status, refusing: undefined } as unknown as Loop),
    space: () => undefined,
    peers: () => state.peers,
    notes: () => [],
    plan: () => ({ firstOrdinal: 0, expected: EXPECTED }),
    waiting: () => (state.status === undefined ? 'it waits' : undefined),
    marked: () => state.marked,
    orchestrator: undefined,
  })
  const link = (...ordinals: number[]) => {
    state.peers = ordinals.map((ordinal) => ({ ordinal, connected: true }) as PeerStatus)
  }
  return { state, views, link }
}

const FOLLOWS: Partial<CoreStatus> = { membership: undefined, leader: undefined }

t.test('a new replica without data waits for its cluster to form', async (t) => {
  const { state, views } = stage('')
  t.equal(views.problem(), 'cluster-forming')
  state.status = FOLLOWS
  t.equal(views.problem(), 'cluster-forming')
})

t.test('one whose data was set aside waits for a majority, then for a leader', async (t) => {
  const { state, views, link } = stage('former')
  for (const status of [undefined, FOLLOWS]) {
    state.status = status
    link()
    t.equal(views.problem(), 'quorum-lost')
    t.same(views.missing(), ['db-1', 'db-2'])
    link(1)
    t.equal(views.problem(), 'no-leader')
  }
  state.status = { ...FOLLOWS, leader: '1/i' }
  t.equal(views.problem(), undefined, 'the leader is there, and sends the data')
})

t.test(
  'one that the marker tells of a cluster waits for a majority; all there: all is lost',
  async (t) => {
    const { state, views, link } = stage('')
    state.marked = true
    t.equal(views.problem(), 'quorum-lost')
    link(1)
    t.equal(views.problem(), 'no-leader', 'the one that is missing may lead soon')
    link(1, 2)
    t.match(views.notInCluster(), {
      code: 'quorum-lost',
      message: /belongs to no cluster yet: it waits/,
    })
    t.equal(views.status().advice, 'it waits')
    state.status = FOLLOWS
    t.equal(views.problem(), 'cluster-forming', 'it follows one by now')
  },
)
