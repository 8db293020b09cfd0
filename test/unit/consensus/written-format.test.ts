/** In which format a leader writes: nothing that some member cannot read (DESIGN §7). */

import t from 'tap'
import { formatOf } from '../../../src/database/consensus/entry.ts'
import { FORMAT_OLDEST } from '../../../src/shared/formats.ts'
import { Harness, type Replica } from './harness.ts'

const NEWER = FORMAT_OLDEST + 1

/** Three replicas whose version may write the newer format, or no more than the oldest. */
function formed(formatEnabled: number): { harness: Harness; leader: Replica } {
  const harness = new Harness({ seed: 1, observer: {} })
  Object.assign(harness.timing, { formatEnabled })
  harness.found(3)
  harness.run(3000)
  const leader = harness.leader as Replica
  harness.hello(harness.replica('1'))
  harness.hello(harness.replica('2'))
  return { harness, leader }
}

/** The format of the next entry. */
function written({ harness, leader }: { harness: Harness; leader: Replica }): number {
  const { proposed } = harness.propose(leader, 'x') ?? {}
  if (proposed === undefined) throw new Error('nothing was proposed')
  harness.stabilize()
  return formatOf(proposed)
}

const reads = (member: string, format: number) => ({ type: 'heard' as const, member, format })

t.test('what is not enabled is not written, whoever reads it', async (t) => {
  const cluster = formed(FORMAT_OLDEST)
  for (const member of ['1/a', '2/a']) cluster.harness.step(cluster.leader, reads(member, NEWER))
  t.equal(written(cluster), FORMAT_OLDEST)
})

t.test('what is enabled is written once each member reads it', async (t) => {
  const cluster = formed(NEWER)
  const { harness, leader } = cluster
  t.equal(written(cluster), FORMAT_OLDEST, 'of versions that do not say, nothing is expected')
  harness.step(leader, reads('1/a', NEWER + 5))
  t.equal(written(cluster), FORMAT_OLDEST)
  harness.step(leader, reads('2/a', NEWER))
  t.equal(written(cluster), NEWER, 'and no more than is enabled')
  harness.step(leader, reads('2/b', FORMAT_OLDEST))
  t.equal(written(cluster), NEWER, 'one that is no member has no say')
})

t.test('of a member whose link ended nothing is known until its next hello', async (t) => {
  const cluster = formed(NEWER)
  const { harness, leader } = cluster
  for (const member of ['1/a', '2/a']) harness.step(leader, reads(member, NEWER))
  t.equal(written(cluster), NEWER)
  harness.step(leader, { type: 'unreachable', to: '2/a' })
  t.equal(written(cluster), FORMAT_OLDEST, 'it may come back as an older version')
  harness.step(leader, reads('2/a', FORMAT_OLDEST))
  t.equal(written(cluster), FORMAT_OLDEST)
  harness.step(leader, reads('2/a', NEWER))
  t.equal(written(cluster), NEWER)
})

t.test('a learner must be able to read what it is to catch up with', async (t) => {
  const cluster = formed(NEWER)
  const { harness, leader } = cluster
  for (const member of ['1/a', '2/a']) harness.step(leader, reads(member, NEWER))
  t.equal(written(cluster), NEWER)
  const fresh = harness.replace(harness.replica('2'))
  harness.step(leader, reads(fresh.member, FORMAT_OLDEST))
  harness.run(3000)
  const { membership } = leader.core?.status() ?? {}
  t.ok([...(membership?.learners ?? []), ...(membership?.voters ?? [])].includes(fresh.member))
  t.equal(written(cluster), FORMAT_OLDEST)
  harness.step(leader, reads(fresh.member, NEWER))
  t.equal(written(cluster), NEWER)
})
