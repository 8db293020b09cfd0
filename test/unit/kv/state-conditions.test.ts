/** Conditions and transactions of the state machine. */

import t from 'tap'
import type { Condition, TransactionCommand } from '../../../src/database/kv/types.ts'
import { applySegments, bytes, del, MapDisk, put, read, run, segment } from './support.ts'

const empty = () => new MapDisk().open()

t.test('each condition holds as RFC 9110 says', async (t) => {
  const cases: [Condition, { absent: boolean; present: boolean }][] = [
    [{}, { absent: true, present: true }],
    [{ match: 'any' }, { absent: false, present: true }],
    [{ match: [] }, { absent: false, present: false }],
    [{ match: [1] }, { absent: false, present: true }],
    [{ match: [7, 1, 9] }, { absent: false, present: true }],
    [{ match: [7] }, { absent: false, present: false }],
    [{ match: [0] }, { absent: false, present: false }],
    [{ noneMatch: 'any' }, { absent: true, present: false }],
    [{ noneMatch: [] }, { absent: true, present: true }],
    [{ noneMatch: [1] }, { absent: true, present: false }],
    [{ noneMatch: [7, 1] }, { absent: true, present: false }],
    [{ noneMatch: [7] }, { absent: true, present: true }],
    [{ noneMatch: [0] }, { absent: true, present: true }],
    [
      { match: [1], noneMatch: [7] },
      { absent: false, present: true },
    ],
    [
      { match: [1], noneMatch: [1] },
      { absent: false, present: false },
    ],
    [
      { match: 'any', noneMatch: 'any' },
      { absent: false, present: false },
    ],
  ]
  for (const [condition, expected] of cases) {
    const name = JSON.stringify(condition)
    const fresh = empty()
    t.match(
      run(fresh, put('k', 'v', { condition })),
      [
        expected.absent
          ? { status: 'created', revision: 1 }
          : { status: 'condition-failed', revision: 0 },
      ],
      `put of an absent key if ${name}`,
    )
    t.match(
      run(empty(), del('k', condition)),
      [{ status: expected.absent ? 'absent' : 'condition-failed', revision: 0 }],
      `delete of an absent key if ${name}`,
    )
    for (const command of [put('k', 'w', { condition }), del('k', condition)]) {
      const state = empty()
      run(state, put('k', 'v'))
      const status = command.type === 'put' ? 'updated' : 'deleted'
      t.match(
        run(state, command),
        [expected.present ? { status, revision: 2 } : { status: 'condition-failed', revision: 1 }],
        `${command.type} of a present key if ${name}`,
      )
      if (!expected.present) t.match(read(state, 'k'), { value: bytes('v'), revision: 1 })
    }
  }
})

t.test('a command sees what those before it in the same entry did', async (t) => {
  const state = empty()
  const results = applySegments(state, [
    segment({}, put('a', '1'), put('a', '2', { condition: { match: [1] } })),
    segment(
      {},
      put('a', '3', { condition: { match: [2] } }),
      put('a', '4', { condition: { match: [2] } }),
    ),
  ])
  t.match(results, [
    [
      { status: 'created', revision: 1 },
      { status: 'updated', revision: 2 },
    ],
    [
      { status: 'updated', revision: 3 },
      { status: 'condition-failed', revision: 3 },
    ],
  ])
  t.equal(state.meta().revision, 4, 'a command that changes nothing takes its revision too')
})

t.test('transactions', async (t) => {
  const transaction = (compare: TransactionCommand['compare']): TransactionCommand => ({
    type: 'transaction',
    compare,
    success: [put('a', 'then'), put('b', 'then'), del('c')],
    failure: [put('a', 'else'), del('nothing')],
  })
  t.test('run the first branch as one step if all compares hold', async (t) => {
    const state = empty()
    run(state, put('a', '1'), put('c', '1'))
    const compare = [
      { key: bytes('a'), condition: { match: [1] } },
      { key: bytes('b'), condition: { noneMatch: 'any' as const } },
    ]
    t.match(run(state, transaction(compare)), [{ status: 'done', revision: 3 }])
    t.match(read(state, 'a'), { revision: 3, createRevision: 1, version: 2, value: bytes('then') })
    t.match(read(state, 'b'), { revision: 3, createRevision: 3, version: 1 })
    t.equal(read(state, 'c'), undefined)
    t.equal(state.meta().revision, 3)
  })
  t.test('run the other branch if one does not', async (t) => {
    const state = empty()
    run(state, put('a', '1'), put('c', '1'))
    const compare = [
      { key: bytes('a'), condition: { match: [1] } },
      { key: bytes('c'), condition: { match: [1] } },
    ]
    t.match(run(state, transaction(compare)), [{ status: 'done-failure', revision: 3 }])
    t.match(read(state, 'a'), { revision: 3, value: bytes('else') })
    t.match(read(state, 'c'), { revision: 2 })
  })
  t.test('run the first branch without compares', async (t) => {
    t.match(run(empty(), transaction([])), [{ status: 'done', revision: 1 }])
  })
})
