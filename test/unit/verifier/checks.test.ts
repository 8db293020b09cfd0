import t from 'tap'
import { checkHistory, FINDINGS_MAX } from '../../../src/verifier/check-history.ts'
import type { Action, Operation } from '../../../src/verifier/history.ts'
import { lostPut, lostRemove, operation, put, read, readNothing, remove } from './operations.ts'

type Types = readonly string[]
const typesOf = (operations: readonly Operation[]): Types =>
  checkHistory(operations).findings.map(({ type }) => type)

/** A stale read. Times are milliseconds, for they are compared with ages. */
function staleRead(
  span_ms: readonly [number, number],
  asked: { readonly maxStale_ms?: number; readonly minRevision?: number },
  told: {
    readonly value?: string
    readonly revision?: number
    readonly seen?: number
    readonly age_ms?: number
  },
): Operation {
  const action: Action = { type: 'stale-read', ...asked }
  const { value, revision, ...state } = told
  const span = [span_ms[0] * 1000, span_ms[1] * 1000] as const
  return value === undefined || revision === undefined
    ? operation(9, span, action, { type: 'absent', ...state })
    : operation(9, span, action, { type: 'found', value, revision, ...state })
}

const putAt = (value: string, span_ms: readonly [number, number], revision: number) =>
  put(0, value, [span_ms[0] * 1000, span_ms[1] * 1000], revision)

function seenRead(value: string, span: [number, number], revision: number, seen: number) {
  return operation(1, span, { type: 'read' }, { type: 'found', value, revision, seen })
}

const a = putAt('a', [0, 1], 1)
const b = putAt('b', [10, 11], 2)

/** A history, and what is found in it. */
const CASES: Readonly<Record<string, readonly [Types, readonly Operation[]]>> = {
  'a value that nobody wrote': [['value-from-nowhere'], [read(0, 'z', [0, 10], 1)]],
  'a value of a write that was said never to take effect': [
    ['value-from-nowhere'],
    [
      operation(0, [0, 10], { type: 'put', value: 'a' }, { type: 'fail' }),
      read(1, 'a', [20, 30], 1),
    ],
  ],
  'a value of a write whose condition was said to be false': [
    ['value-from-nowhere'],
    [
      put(0, 'x', [0, 5], 1),
      operation(
        0,
        [10, 20],
        { type: 'put', value: 'a', condition: { type: 'absent' } },
        { type: 'condition-failed', revision: 1 },
      ),
      operation(1, [30, 40], { type: 'stale-read' }, { type: 'found', value: 'a', revision: 2 }),
    ],
  ],
  'a value of another key': [
    ['value-from-nowhere'],
    [put(0, 'a', [0, 10], 1, { key: 'other' }), read(1, 'a', [20, 30], 1)],
  ],
  'one write at two revisions': [
    ['applied-twice'],
    [put(0, 'a', [0, 10], 1), read(1, 'a', [20, 30], 5)],
  ],
  'a write of unknown outcome at two revisions': [
    ['applied-twice'],
    [lostPut(0, 'a', [0]), read(1, 'a', [20, 30], 5), read(1, 'a', [40, 50], 6)],
  ],
  'two writes at one revision': [
    ['applied-twice'],
    [put(0, 'a', [0, 10], 1, { key: 'x' }), put(1, 'b', [0, 10], 1, { key: 'y' })],
  ],
  'a version above the number of puts': [
    ['applied-twice'],
    [
      put(0, 'a', [0, 10], 1),
      operation(
        1,
        [20, 30],
        { type: 'read' },
        { type: 'found', value: 'a', revision: 1, version: 2 },
      ),
    ],
  ],
  'a version that a put of unknown outcome explains': [
    [],
    [
      put(0, 'a', [0, 10], 2),
      lostPut(2, 'u', [0, 10]),
      operation(
        1,
        [20, 30],
        { type: 'read' },
        { type: 'found', value: 'a', revision: 2, version: 2 },
      ),
    ],
  ],
  'a write after another one, at a lower revision': [
    ['revision-order'],
    [put(0, 'a', [0, 10], 7, { key: 'x' }), put(1, 'b', [20, 30], 5, { key: 'y' })],
  ],
  'concurrent writes in any order of revisions': [
    [],
    [put(0, 'a', [0, 20], 7, { key: 'x' }), put(1, 'b', [20, 30], 5, { key: 'y' })],
  ],
  'a linearizable read from a state before what was acknowledged': [
    ['revision-order'],
    [
      put(0, 'a', [0, 10], 1, { key: 'x' }),
      put(0, 'b', [20, 30], 5, { key: 'y' }),
      operation(
        1,
        [40, 50],
        { type: 'read' },
        { type: 'found', value: 'a', revision: 1, seen: 4 },
        'x',
      ),
    ],
  ],
  'a revision above that of the state': [
    ['revision-order', 'state-mismatch'],
    [a, seenRead('a', [2000, 3000], 1, 0)],
  ],
  'a state that has a write, and an answer without it': [
    ['state-mismatch'],
    [put(0, 'a', [0, 10], 1), put(0, 'b', [20, 60], 2), seenRead('a', [30, 50], 1, 3)],
  ],
  'an absence that a delete of unknown outcome explains': [
    [],
    [
      put(0, 'a', [0, 10], 1),
      lostRemove(2, [15]),
      operation(1, [30, 50], { type: 'read' }, { type: 'absent', seen: 3 }),
    ],
  ],
  'a stale read as old as it says': [
    [],
    [a, b, staleRead([100, 101], {}, { value: 'a', revision: 1, seen: 1, age_ms: 95 })],
  ],
  'a stale read older than it says': [
    ['too-stale'],
    [a, b, staleRead([100, 101], {}, { value: 'a', revision: 1, seen: 1, age_ms: 60 })],
  ],
  'a stale read older than was asked for': [
    ['too-stale'],
    [a, b, staleRead([100, 101], { maxStale_ms: 60 }, { value: 'a', revision: 1, seen: 1 })],
  ],
  'a stale read older than was asked for, which hides its state': [
    ['too-stale'],
    [a, b, staleRead([100, 101], { maxStale_ms: 60 }, { value: 'a', revision: 1 })],
  ],
  'a stale read that misses a key which is there': [
    ['too-stale'],
    [a, staleRead([100, 101], { maxStale_ms: 60 }, {})],
  ],
  'a stale read of a key that may have been deleted': [
    [],
    [a, lostRemove(3, [5000]), staleRead([100, 101], { maxStale_ms: 60 }, {})],
  ],
  'a stale read of a key that was deleted': [
    [],
    [a, remove(3, [5000, 6000], 4), staleRead([100, 101], { maxStale_ms: 60 }, { seen: 4 })],
  ],
  'a stale read without any bound': [
    [],
    [a, b, staleRead([9000, 9001], {}, { value: 'a', revision: 1, seen: 1 })],
  ],
  'a read from below the revision that was asked for': [
    ['below-min-revision'],
    [a, b, staleRead([100, 101], { minRevision: 2 }, { value: 'a', revision: 1, seen: 1 })],
  ],
  'a read of a key that was last changed before the revision asked for': [
    [],
    [a, b, staleRead([100, 101], { minRevision: 7 }, { value: 'b', revision: 2, seen: 8 })],
  ],
  'a read answered like a write': [
    ['impossible-answer'],
    [operation(0, [0, 10], { type: 'read' }, { type: 'written', revision: 1 })],
  ],
}

for (const [name, [found, operations]] of Object.entries(CASES)) {
  t.test(name, async (t) => {
    // The search for an order finds some of them as well; here the other checks are meant.
    const others = typesOf(operations).filter((type) => type !== 'not-linearizable')
    t.strictSame(
      others.filter((type) => type !== 'lost-write'),
      found,
    )
    if (found.length === 0) t.equal(checkHistory(operations).holds, 'yes')
  })
}

t.test('a conditional delete of unknown outcome excuses the revision that it names', async (t) => {
  const lost = (revision: number, more: readonly Operation[] = []) =>
    checkHistory([
      put(0, 'a', [0, 10], 5),
      put(0, 'x', [0, 10], 3, { key: 'other' }),
      lostRemove(1, [20], { if: { type: 'revision', revision } }),
      ...more,
      operation(2, [40, 50], { type: 'read' }, { type: 'absent', seen: 9 }),
    ])
  t.match(lost(5), { holds: 'yes', figures: { lost: 0 } })
  for (const revision of [3, 4, 6]) {
    const { holds, figures, findings } = lost(revision)
    t.match({ holds, figures }, { holds: 'no', figures: { lost: 1 } })
    t.strictSame(
      findings.map(({ type }) => type),
      ['not-linearizable', 'lost-write', 'state-mismatch'],
    )
    t.equal(findings[0]?.operations.length, 2, 'told by the write and the read')
  }
  t.match(lost(6, [lostPut(3, 'b', [15])]), { holds: 'yes', figures: { lost: 0 } })
  t.match(lost(6, [lostPut(3, 'b', [60])]), { holds: 'no', figures: { lost: 1 } })
})

t.test('acknowledged writes are counted: confirmed, lost, and unread', async (t) => {
  const operations = [
    put(0, 'a', [0, 10], 1, { key: 'x' }),
    put(0, 'b', [20, 30], 2, { key: 'x' }),
    put(0, 'c', [40, 50], 3, { key: 'x' }),
    operation(1, [60, 70], { type: 'read' }, { type: 'found', value: 'a', revision: 1 }, 'x'),
    put(0, 'd', [80, 90], 4, { key: 'y' }),
    put(0, 'e', [80, 90], 5, { key: 'z' }),
    operation(1, [95, 99], { type: 'read' }, { type: 'found', value: 'e', revision: 5 }, 'z'),
  ]
  const { figures, findings } = checkHistory(operations)
  t.match(figures, { acknowledged: 5, confirmed: 2, lost: 2, keysUnread: 1 })
  const lost = findings.find(({ type }) => type === 'lost-write')
  t.strictSame(lost?.operations, [operations[2], operations[3]])
  t.match(lost?.explanation, /Put "c" \(and 1 before it\) was acknowledged at revision 3/)
})

t.test('a later write supersedes an earlier one, a delete too', async (t) => {
  const operations = [put(0, 'a', [0, 10], 1), remove(0, [20, 30], 2), readNothing(1, [40, 50])]
  t.match(checkHistory(operations), { holds: 'yes', figures: { confirmed: 2, lost: 0 } })
})

t.test('without the last reads that were wanted nothing is decided', async (t) => {
  const operations = [put(0, 'a', [0, 10], 1)]
  t.equal(checkHistory(operations).holds, 'yes')
  const { holds, undecided } = checkHistory(operations, { finalReads: true })
  t.equal(holds, 'undecided')
  t.match(undecided[0], '1 key could not be read in the end (k)')
})

t.test('two puts of one value leave everything undecided', async (t) => {
  const operations = [put(0, 'a', [0, 10], 1), put(1, 'a', [20, 30], 2)]
  const { holds, undecided } = checkHistory(operations)
  t.equal(holds, 'undecided')
  t.match(undecided[0], /the same value "a"/)
})

t.test('of many findings some of each type are kept, and all counted', async (t) => {
  const operations: Operation[] = []
  for (let at = 0; at < 50; at++) operations.push(read(0, `z${at}`, [at * 10, at * 10 + 5], 1 + at))
  operations.push(put(0, 'a', [1000, 1010], 100), readNothing(0, [1020, 1030]))
  const { findings, findingsTotal } = checkHistory(operations)
  t.equal(findings.length, FINDINGS_MAX)
  t.equal(findingsTotal, 52)
  t.equal(findings[0]?.type, 'not-linearizable')
  t.equal(findings[1]?.type, 'lost-write')
})

t.test('the order in which operations are given does not matter', async (t) => {
  const operations = [a, b, read(1, 'a', [20_000, 30_000], 1)]
  const forwards = checkHistory(operations)
  const backwards = checkHistory(operations.toReversed())
  t.strictSame(backwards, forwards)
})
