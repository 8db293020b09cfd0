/** The payloads that the core reads, and the policy of what the membership becomes next. */

import fc from 'fast-check'
import t from 'tap'
import { payloadOf } from '../../../src/database/consensus/entry.ts'
import {
  decodeLeadRecord,
  decodeMembership,
  encodeLeadRecord,
  encodeMembership,
  genesisEntry,
} from '../../../src/database/consensus/membership.ts'
import {
  type MemberView,
  nextChange,
  type PolicyView,
} from '../../../src/database/consensus/membership-policy.ts'
import type { LeadReason, Membership } from '../../../src/database/consensus/types.ts'
import { REMOVED_MEMBERS_MAX } from '../../../src/shared/limits.ts'

const WELL: MemberView = { stored: true, answering: true, silent: false, caughtUp: true }
const SILENT: MemberView = { stored: true, answering: false, silent: true, caughtUp: false }
const BEHIND: MemberView = { stored: true, answering: true, silent: false, caughtUp: false }
/** A new leader has asked it and waits for its first answer. */
const UNHEARD: MemberView = { stored: true, answering: false, silent: false, caughtUp: false }

const BASE: Membership = {
  clusterId: 'cluster',
  history: 'history',
  voters: ['0/a', '1/a', '2/a'],
  learners: [],
  removed: [],
  opened: true,
}

function decide(
  membership: Membership,
  views: Record<string, MemberView>,
  more: Partial<PolicyView> = {},
): Membership | undefined {
  return nextChange({
    self: '0/a',
    membership,
    heard: [],
    removing: new Set(),
    isOutside: () => false,
    view: (member) => views[member] ?? WELL,
    ...more,
  })
}

t.test('membership and lead record survive their encoding', (t) => {
  const member = fc.string({ unit: 'grapheme', maxLength: 60 })
  const list = fc.array(member, { maxLength: 9 })
  const any = fc.record({
    clusterId: member,
    history: member,
    voters: list,
    learners: list,
    removed: list,
    opened: fc.boolean(),
  })
  fc.assert(
    fc.property(any, (membership) => {
      t.same(decodeMembership(encodeMembership(membership)), membership)
    }),
    { numRuns: 50 },
  )
  for (const reason of ['lowest-ordinal', 'stand-in', 'hand-back', 'hand-over'] as LeadReason[]) {
    const record = { leader: '3/x', reason }
    t.same(decodeLeadRecord(encodeLeadRecord(record)), record)
  }
  t.end()
})

t.test('a shortened or lengthened payload, and one from the future, is refused', (t) => {
  const bytes = encodeMembership(BASE)
  for (let length = 0; length < bytes.length; length += 1) {
    t.throws(() => decodeMembership(bytes.subarray(0, length)), { code: 'malformed-frame' })
  }
  t.throws(() => decodeMembership(Buffer.concat([bytes, Buffer.from([0])])), {
    code: 'malformed-frame',
  })
  const future = Buffer.from(bytes)
  future[0] = 2
  t.throws(() => decodeMembership(future), { code: 'format-too-new' })
  const record = encodeLeadRecord({ leader: '0/a', reason: 'stand-in' })
  record[record.length - 1] = 99
  t.throws(() => decodeLeadRecord(record), { code: 'malformed-frame' })
  t.end()
})

t.test('the first entry is index 1 of term 1 and takes no revision', (t) => {
  const entry = genesisEntry(BASE, 42)
  t.match(entry, { index: 1, term: 1, type: 'membership', firstRevision: 1, count: 0, time_ms: 42 })
  t.same(decodeMembership(payloadOf(entry)), BASE)
  t.end()
})

t.test('nothing is changed when all is well', (t) => {
  t.equal(decide(BASE, {}), undefined)
  t.equal(decide(BASE, { '2/a': SILENT }), undefined, 'a silent voter alone is no reason')
  t.end()
})

t.test('the cluster opens when every first voter has stored it', (t) => {
  const closed = { ...BASE, opened: false }
  t.equal(decide(closed, { '2/a': { ...SILENT, stored: false } }), undefined)
  t.same(decide(closed, {}), BASE)
  t.end()
})

t.test('a new incarnation is let in only while the old one is silent', (t) => {
  const heard = ['2/b']
  t.equal(decide(BASE, {}, { heard }), undefined)
  t.same(decide(BASE, { '2/a': SILENT }, { heard }), { ...BASE, learners: ['2/b'] })
  t.equal(decide(BASE, {}, { heard: ['0/b'] }), undefined, 'the leader is never silent')
  t.same(decide(BASE, {}, { heard: ['3/a'] })?.learners, ['3/a'], 'a new ordinal at once')
  const removed = { ...BASE, removed: ['2/b'] }
  t.equal(decide(removed, { '2/a': SILENT }, { heard }), undefined, 'a removed one never')
  t.end()
})

t.test('the later of two new incarnations takes the place of a silent learner', (t) => {
  const joined = { ...BASE, learners: ['2/b'] }
  const heard = ['2/c']
  const views = { '2/a': SILENT, '2/b': SILENT }
  const expected = { ...BASE, learners: ['2/c'], removed: ['2/b'] }
  t.same(decide(joined, views, { heard }), expected)
  t.equal(decide(joined, { '2/a': SILENT, '2/b': BEHIND }, { heard }), undefined)
  t.end()
})

t.test('the old incarnation goes when the new one has caught up, and not before', (t) => {
  const joined = { ...BASE, learners: ['2/b'] }
  t.equal(decide(joined, { '2/a': SILENT, '2/b': BEHIND }), undefined)
  t.equal(decide(joined, { '2/a': WELL, '2/b': WELL }), undefined, 'it answers again')
  const removed = { ...BASE, voters: ['0/a', '1/a'], learners: ['2/b'], removed: ['2/a'] }
  t.same(decide(joined, { '2/a': SILENT }), removed)
  t.same(decide(removed, {}), { ...removed, voters: ['0/a', '1/a', '2/b'], learners: [] })
  t.equal(decide(removed, { '2/b': BEHIND }), undefined)
  t.end()
})

t.test('nobody is removed when the rest could not commit it', (t) => {
  const joined = { ...BASE, learners: ['2/b'] }
  t.equal(decide(joined, { '1/a': SILENT, '2/a': SILENT }), undefined)
  const removing = new Set(['2/a'])
  t.equal(decide(BASE, { '1/a': SILENT }, { removing }), undefined)
  t.end()
})

t.test('who leaves goes highest first, the leader and the last voter never', (t) => {
  const removing = new Set(['0/a', '1/a', '2/a'])
  const first = decide(BASE, {}, { removing })
  t.same(first?.voters, ['0/a', '1/a'])
  const second = decide(first as Membership, {}, { removing })
  t.same(second?.voters, ['0/a'])
  t.same(second?.removed, ['2/a', '1/a'])
  t.equal(decide(second as Membership, {}, { removing }), undefined)
  t.end()
})

t.test('removed members are remembered up to a limit, the oldest go first', (t) => {
  const removed = Array.from({ length: REMOVED_MEMBERS_MAX }, (_, at) => `9/${at}`)
  const next = decide({ ...BASE, removed }, {}, { removing: new Set(['2/a']) })
  t.equal(next?.removed.length, REMOVED_MEMBERS_MAX)
  t.equal(next?.removed[0], '9/1')
  t.equal(next?.removed.at(-1), '2/a')
  t.end()
})

t.test('nothing is built upon a voter that a new leader has not heard yet', async (t) => {
  const leave = { removing: new Set(['2/a']) }
  t.equal(decide(BASE, { '1/a': UNHEARD }, leave), undefined, 'it may be gone')
  t.same(decide(BASE, {}, leave)?.voters, ['0/a', '1/a'])
  const heard = { heard: ['1/b'] }
  t.equal(decide(BASE, { '1/a': UNHEARD }, heard), undefined, 'nor is it gone for sure')
})

t.test('a replacement that fell silent is given up once the old one answers again', async (t) => {
  const replacing = { ...BASE, learners: ['2/b'] }
  t.equal(decide(replacing, { '2/b': SILENT, '2/a': SILENT }), undefined, 'both may come back')
  t.equal(decide(replacing, { '2/b': SILENT, '2/a': UNHEARD }), undefined)
  const next = decide(replacing, { '2/b': SILENT })
  t.same(next?.voters, BASE.voters)
  t.same(next?.learners, [])
  t.same(next?.removed, ['2/b'])
})

t.test('an ordinal that is not meant to run is not let in, nor made a voter', async (t) => {
  const isOutside = (member: string) => member.startsWith('3/')
  t.same(decide(BASE, {}, { heard: ['3/a'] })?.learners, ['3/a'])
  t.equal(decide(BASE, {}, { heard: ['3/a'], isOutside }), undefined)
  const learns = { ...BASE, learners: ['3/a'] }
  t.same(decide(learns, {})?.voters, [...BASE.voters, '3/a'])
  t.equal(decide(learns, {}, { isOutside }), undefined)
  const removing = new Set(['3/a'])
  t.same(decide(learns, { '3/a': SILENT }, { isOutside, removing })?.learners, [])
})
