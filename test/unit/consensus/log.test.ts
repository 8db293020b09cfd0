/** The in-memory log: runs of terms, truncation, compaction, snapshots, and what may be evicted. */

import t from 'tap'
import type { Entry } from '../../../src/database/consensus/entry.ts'
import { makeEntry } from '../../../src/database/consensus/entry.ts'
import { Log } from '../../../src/database/consensus/log.ts'
import { encodeMembership } from '../../../src/database/consensus/membership.ts'
import type { Membership, Restored } from '../../../src/database/consensus/types.ts'
import { LOG_CACHE_BYTES_MAX } from '../../../src/shared/limits.ts'

const EMPTY: Restored = {
  hardState: { term: 0, vote: '' },
  base: { index: 0, term: 0, chain: 0, time_ms: 0, nextRevision: 1, membership: undefined },
  lastIndex: 0,
  termRuns: [],
  memberships: [],
  tail: [],
  applied: 0,
}

function membershipOf(...voters: string[]): Membership {
  const lists = { voters, learners: [], removed: [] }
  return { clusterId: 'c', history: 'h', ...lists, opened: true }
}

function push(log: Log, term: number, payload: Buffer = Buffer.from('x')): Entry {
  const head = {
    index: log.lastIndex + 1,
    term,
    type: 'commands' as const,
    time_ms: log.lastTime_ms + 1,
    firstRevision: log.nextRevision,
    count: 2,
  }
  const entry = makeEntry(head, payload, log.chainAt(log.lastIndex) as number)
  log.append(entry)
  return entry
}

function logOf(...terms: number[]): Log {
  const log = new Log(EMPTY)
  for (const term of terms) push(log, term)
  return log
}

t.test('knows the term of each index, and of no other', (t) => {
  const log = logOf(1, 1, 3, 3, 4)
  t.same(
    [0, 1, 2, 3, 4, 5, 6].map((index) => log.termAt(index)),
    [0, 1, 1, 3, 3, 4, undefined],
  )
  t.equal(log.nextRevision, 11, 'two revisions an entry')
  t.end()
})

t.test('finds where another log may be equal', (t) => {
  const log = logOf(1, 1, 3, 3, 4, 4)
  t.equal(log.findConflict(6, 4), 6)
  t.equal(log.findConflict(6, 3), 4)
  t.equal(log.findConflict(6, 2), 2)
  t.equal(log.findConflict(4, 0), 0)
  t.end()
})

t.test('compares by last term, then by length (Raft §5.4.1)', (t) => {
  const log = logOf(1, 2, 2)
  t.equal(log.isUpToDate(3, 2), true)
  t.equal(log.isUpToDate(2, 2), false)
  t.equal(log.isUpToDate(1, 3), true)
  t.equal(log.isUpToDate(9, 1), false)
  t.end()
})

t.test('truncation undoes terms, memberships and what was synced', (t) => {
  const log = logOf(1, 1)
  const membership = membershipOf('0/a', '1/a')
  const head = {
    index: 3,
    term: 2,
    type: 'membership' as const,
    time_ms: 9,
    firstRevision: 5,
    count: 0,
  }
  log.append(makeEntry(head, encodeMembership(membership), log.chainAt(2) as number))
  log.persistTo(3)
  t.same(log.membership, membership)
  t.equal(log.membershipIndex, 3)
  log.truncate(3)
  t.equal(log.membership, undefined)
  t.equal(log.persisted, 2)
  t.equal(log.lastTerm, 1)
  t.equal(push(log, 5).index, 3)
  t.equal(log.termAt(3), 5)
  t.end()
})

t.test('compaction keeps term and chain of its last entry', (t) => {
  const log = logOf(1, 1, 2, 2)
  const chain = log.chainAt(3)
  log.compact(3)
  t.equal(log.baseIndex, 3)
  t.equal(log.termAt(3), 2)
  t.equal(log.chainAt(3), chain)
  t.equal(log.termAt(2), undefined)
  t.equal(log.entryAt(3), undefined)
  t.equal(log.entryAt(4)?.term, 2)
  push(log, 2)
  t.equal(log.termAt(5), 2)
  log.compact(5)
  t.equal(log.lastIndex, 5)
  t.equal(log.nextRevision, 11, 'known although no entry is left')
  t.equal(push(log, 2).index, 6)
  t.equal(log.termAt(6), 2)
  t.end()
})

t.test('a snapshot keeps the entries above it only if it is part of the log', (t) => {
  const log = logOf(1, 1, 2, 2)
  const membership = membershipOf('0/a')
  const meta = { index: 3, term: 2, time_ms: 3, nextRevision: 7, membership }
  const part = { ...meta, chain: log.chainAt(3) as number }
  t.equal(log.holds({ ...meta, chain: 1 }), false, 'another chain')
  t.equal(log.holds({ ...part, term: 3 }), false, 'another term')
  t.equal(log.holds({ ...part, index: 9 }), false, 'beyond the end')
  t.equal(log.holds(part), true)
  log.install(part, true)
  t.equal(log.lastIndex, 4)
  t.equal(log.entryAt(4)?.term, 2)
  t.same(log.membership, membership)
  log.install({ ...meta, index: 20, term: 7, chain: 99 }, false)
  t.equal(log.lastIndex, 20)
  t.equal(log.firstCached, 21)
  t.equal(log.termAt(20), 7)
  t.equal(log.nextRevision, 7)
  t.equal(push(log, 7).index, 21)
  t.equal(log.termAt(21), 7)
  t.end()
})

t.test('memory holds what is not committed or not synced, however much it is', (t) => {
  const log = logOf(1)
  const large = Buffer.alloc(LOG_CACHE_BYTES_MAX / 4)
  for (let count = 0; count < 8; count += 1) push(log, 1, large)
  log.evict(1)
  t.equal(log.firstCached, 1, 'nothing is committed')
  log.evict(9)
  t.equal(log.firstCached, 1, 'nothing is synced')
  log.persistTo(6)
  log.evict(3)
  t.equal(log.firstCached, 3, 'the committed one itself stays, to continue behind')
  log.evict(9)
  t.ok(log.cachedBytes <= LOG_CACHE_BYTES_MAX)
  t.ok(log.firstCached > 3 && log.firstCached <= 7)
  t.equal(log.termAt(1), 1, 'the terms are still known')
  t.equal(log.entryAt(2), undefined)
  const slice = log.slice(log.firstCached, 1)
  t.same(
    slice.map((entry) => entry.index),
    [log.firstCached],
    'at least one',
  )
  t.end()
})

t.test('many small evictions give the slots back', (t) => {
  const log = logOf(1)
  const size = 64 * 1024
  const payload = Buffer.alloc(size)
  for (let count = 0; count < 3000; count += 1) {
    push(log, 1, payload)
    log.persistTo(log.lastIndex)
    log.evict(log.lastIndex)
  }
  t.ok(log.cachedBytes <= LOG_CACHE_BYTES_MAX)
  t.equal(log.entryAt(log.lastIndex)?.index, 3001)
  t.equal(log.entryAt(log.firstCached)?.index, log.firstCached)
  t.equal(log.entryAt(log.firstCached - 1), undefined)
  t.end()
})

t.test('a tail without the last entry, or with a gap, is refused', (t) => {
  const whole = logOf(1, 1, 1)
  const entries = [1, 2, 3].map((index) => whole.entryAt(index) as Entry)
  const runs = [{ index: 1, term: 1 }]
  const restored: Restored = { ...EMPTY, lastIndex: 3, termRuns: runs }
  t.throws(() => new Log({ ...restored, tail: [] }), { name: 'InvariantError' })
  t.throws(() => new Log({ ...restored, tail: entries.slice(0, 2) }), { name: 'InvariantError' })
  const gap = [entries[0] as Entry, entries[2] as Entry]
  t.throws(() => new Log({ ...restored, tail: gap }), { name: 'InvariantError' })
  const log = new Log({ ...restored, tail: entries.slice(2) })
  t.equal(log.firstCached, 3)
  t.equal(log.termAt(1), 1)
  t.equal(log.persisted, 3)
  t.end()
})
