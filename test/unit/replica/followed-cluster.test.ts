/** A cluster id is followed in memory, and stored only with content. */

import t from 'tap'
import type { Membership, Restored } from '../../../src/database/consensus/types.ts'
import { FollowedCluster } from '../../../src/database/replica/followed-cluster.ts'
import type { Storage } from '../../../src/database/replica/ports.ts'

/** A replica's disk: the id it remembers, its log's length, the cluster that the log tells of. */
function stage(disk: { clusterId: string; lastIndex: number; logged?: string }) {
  const { clusterId, lastIndex, logged } = disk
  const adopted: string[] = []
  const storage: Pick<Storage, 'identity' | 'adopt'> = {
    identity: { ordinal: 0, incarnation: 'i', clusterId, clusterName: 'db' },
    adopt: async (id) => void adopted.push(id),
  }
  const membership = { clusterId: logged } as Membership
  const log: Pick<Restored, 'base' | 'lastIndex' | 'memberships'> = {
    base: { membership: undefined } as Restored['base'],
    lastIndex,
    memberships: logged === undefined ? [] : [{ index: 1, membership }],
  }
  return { cluster: new FollowedCluster(storage as Storage, log as Restored), adopted }
}

t.test('who holds content belongs to its cluster for good', async (t) => {
  const { cluster, adopted } = stage({ clusterId: 'a', lastIndex: 5, logged: 'a' })
  t.match(cluster, { id: 'a', stored: true, unnoted: false })
  await cluster.store()
  t.strictSame(adopted, [], 'the disk has it')
})

t.test('who holds none follows in memory, and stores the id before the first', async (t) => {
  const { cluster, adopted } = stage({ clusterId: 'former', lastIndex: 0 })
  t.match(cluster, { id: '', stored: false, unnoted: false }, 'whatever its disk remembers')
  cluster.follow('b')
  t.match(cluster, { id: 'b', stored: false })
  t.strictSame(adopted, [])
  await cluster.store()
  await cluster.store()
  t.match(cluster, { id: 'b', stored: true })
  t.strictSame(adopted, ['b'], 'once')
})

t.test(
  'a founder that stopped before it noted its cluster id notes what its log says',
  async (t) => {
    const { cluster, adopted } = stage({ clusterId: '', lastIndex: 1, logged: 'c' })
    t.match(cluster, { id: '', stored: false, unnoted: true })
    await cluster.note()
    t.match(cluster, { id: 'c', stored: true, unnoted: false })
    t.strictSame(adopted, ['c'])
  },
)
