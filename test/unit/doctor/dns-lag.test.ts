/** Replicas that DNS denies, or has under an old address, while they are well. */

import t from 'tap'
import { peers, statusOf, target } from './peer-stage.ts'
import { led, row } from './pictures.ts'

/** The leader has links with these. */
const leaderKnows = (...known: readonly [ordinal: number, host: string][]) => {
  const told = known.map(([ordinal, host]) => ({ ordinal, host, port: 7070 }))
  return [statusOf(0, { peers: told }), statusOf(1), statusOf(2)]
}
const failures = (found: readonly string[]) => found.filter((line) => line.startsWith('failed'))
const lag = (name: string, says: string, at: string) =>
  `warning dns ${name}: DNS is behind: it ${says}, the replica answers at ${at}; ` +
  'it caches answers for half a minute or so'
const notThere = (old: string) => (_: number, host: string) =>
  host === old ? ('no-replica' as const) : undefined

t.test('an old address: it is found where the leader has it, and DNS is behind', async (t) => {
  const statuses = leaderKnows([1, '10.0.0.91'])
  const found = await peers({ statuses, refuse: notThere('10.0.0.1') })
  t.same(failures(found), [])
  t.ok(found.some((line) => line.startsWith('ok peer db-1: 10.0.0.91:7070, follower')))
  t.ok(found.includes(lag('db-1', 'says 10.0.0.1', '10.0.0.91')))
  const other = await peers({
    statuses,
    refuse: (_, host) => (host === '10.0.0.1' ? 'wrong-replica' : undefined),
  })
  t.same(failures(other), [], 'another Pod has its old address')
})

t.test('no address, and no record at all', async (t) => {
  const statuses = leaderKnows([1, '10.0.0.91'], [2, '10.0.0.92'])
  const targets = [target(0), { ...target(1), host: undefined }]
  const found = await peers({ statuses, targets })
  t.same(failures(found), [])
  t.ok(found.includes(lag('db-1', 'does not know it', '10.0.0.91')))
  t.ok(found.includes(lag('db-2', 'does not know it', '10.0.0.92')))
})

t.test('who does not answer there either has failed', async (t) => {
  const statuses = leaderKnows([1, '10.0.0.91'], [2, '10.0.0.92'])
  const targets = [target(0), target(1)]
  const found = await peers({
    statuses,
    targets,
    refuse: (ordinal) => (ordinal === 0 ? undefined : 'no-replica'),
  })
  t.same(failures(found), [
    'failed peer db-1: refused by 1',
    'failed dns db-2: it has no SRV record',
  ])
  const same = await peers({ statuses: leaderKnows([1, '10.0.0.1']), refuse: notThere('10.0.0.1') })
  t.same(failures(same), ['failed peer db-1: refused by 1'], 'nobody says anything else')
})

t.test('what is refused for another reason is not looked for elsewhere', async (t) => {
  const found = await peers({
    statuses: leaderKnows([1, '10.0.0.91']),
    refuse: (_, host) => (host === '10.0.0.1' ? 'unauthorized' : undefined),
  })
  t.same(failures(found), ['failed peer db-1: refused by 1'])
})

t.test('the own Pod is where it is', async (t) => {
  const own = { ordinal: 0, host: '10.0.0.90' }
  const alone = { targets: [target(0)], cluster: led([row(0, 'leader')]) }
  const found = await peers({ ...alone, own, refuse: notThere('10.0.0.0') })
  t.same(failures(found), [])
  t.ok(found.includes(lag('db-0', 'says 10.0.0.0', '10.0.0.90')))
})

t.test('the own Pod is looked for though DNS does not name it', async (t) => {
  const own = { ordinal: 0, host: '10.0.0.90' }
  const stage = { own, targets: [target(1)] }
  const found = await peers({ ...stage, cluster: led([row(0, 'leader'), row(1)]) })
  t.same(failures(found), [])
  t.ok(found.includes(lag('db-0', 'does not know it', '10.0.0.90')))
  const dead = await peers({
    ...stage,
    refuse: (ordinal) => (ordinal < 2 ? 'no-replica' : undefined),
  })
  t.same(failures(dead), [
    'failed peer db-1: refused by 1',
    'failed dns db-0: it has no SRV record',
  ])
})

t.test('where all addresses are old, the own Pod knows the others', async (t) => {
  const old = ['10.0.0.0', '10.0.0.1', '10.0.0.2']
  const statuses = [
    statusOf(0, { peers: [{ ordinal: 1, host: '10.0.0.91', port: 7070 }] }),
    statusOf(1, { peers: [{ ordinal: 2, host: '10.0.0.92', port: 7070 }] }),
    statusOf(2),
  ]
  const found = await peers({
    statuses,
    own: { ordinal: 0, host: '10.0.0.90' },
    refuse: (_, host) => (old.includes(host) ? 'no-replica' : undefined),
  })
  t.same(failures(found), [])
  for (const ordinal of [0, 1, 2]) {
    t.ok(found.includes(lag(`db-${ordinal}`, `says 10.0.0.${ordinal}`, `10.0.0.9${ordinal}`)))
  }
})

t.test('one that is not wanted may be named still; one that is wanted must be there', async (t) => {
  const stage = {
    targets: [target(0), target(1), target(2), target(3)],
    refuse: (ordinal: number) => (ordinal === 3 ? ('no-replica' as const) : undefined),
  }
  const gone = await peers({ ...stage, wanted: false })
  t.same(failures(gone), [])
  t.ok(gone.some((line) => /^warning dns db-3: DNS is behind: .*not wanted any more/.test(line)))
  t.same(failures(await peers({ ...stage, wanted: true })), ['failed peer db-3: refused by 3'])
  t.same(failures(await peers(stage)), ['failed peer db-3: refused by 3'], 'nobody can say')
  const two = { targets: [target(0), target(1)], wanted: false }
  t.same(failures(await peers(two)), ['failed dns db-2: it has no SRV record'], 'it is a member')
})
