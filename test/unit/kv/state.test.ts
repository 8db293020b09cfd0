/** The state machine: keys, times to live, revisions, its position, its hash. */

import t from 'tap'
import { encodePayload, encodeSegment } from '../../../src/database/kv/codec.ts'
import { contentHashOf } from '../../../src/database/kv/content-hash.ts'
import { KvState } from '../../../src/database/kv/state.ts'
import { InvariantError } from '../../../src/shared/assert.ts'
import {
  applySegments,
  bytes,
  del,
  EMPTY_META,
  entryAfter,
  flush,
  MapDisk,
  put,
  read,
  run,
  segment,
} from './support.ts'

const empty = () => new MapDisk().open()

t.test('put creates, then updates; the record carries its history', async (t) => {
  const state = empty()
  t.match(run(state, put('a', '1')), [{ status: 'created', revision: 1, repeated: false }])
  t.match(run(state, put('a', '2', { contentType: 'x/y' })), [{ status: 'updated', revision: 2 }])
  t.match(read(state, 'a'), {
    createRevision: 1,
    revision: 2,
    version: 2,
    expires_ms: 0,
    contentType: 'x/y',
    value: bytes('2'),
  })
  t.equal(read(state, 'b'), undefined)
})

t.test('delete removes; a key created again starts anew', async (t) => {
  const state = empty()
  run(state, put('a', '1'), put('a', '2'))
  t.match(run(state, del('a'), del('a')), [
    { status: 'deleted', revision: 3 },
    { status: 'absent', revision: 0 },
  ])
  t.equal(read(state, 'a'), undefined)
  run(state, put('a', '3'))
  t.match(read(state, 'a'), { createRevision: 5, revision: 5, version: 1 })
})

t.test('an empty value is a value', async (t) => {
  const state = empty()
  run(state, put('a', '', { contentType: '' }))
  t.match(read(state, 'a'), { value: Buffer.alloc(0), contentType: '' })
})

t.test('a key lives until an expire command for what it is then', async (t) => {
  const state = empty()
  const at = (time_ms: number, ...commands: Parameters<typeof segment>[1][]) =>
    applySegments(state, [segment({}, ...commands)], time_ms)[0]
  at(1000, put('a', '1', { ttl_ms: 500 }))
  t.match(read(state, 'a'), { expires_ms: 1500 })
  t.equal(state.expireCommand(bytes('a'), 1499), undefined)
  const expire = state.expireCommand(bytes('a'), 1500)
  t.match(expire, { type: 'expire', key: bytes('a'), revision: 1 })
  if (expire === undefined) return
  t.match(at(1499, expire), [{ status: 'unchanged', revision: 0 }], 'not yet')
  at(2000)
  t.ok(read(state, 'a'), 'time alone removes nothing')
  at(2000, put('a', '2', { ttl_ms: 100 }))
  t.match(at(3000, expire), [{ status: 'unchanged', revision: 0 }], 'it has changed since')
  t.ok(read(state, 'a'))
  const again = state.expireCommand(bytes('a'), 3000)
  t.match(at(3000, again ?? del('x')), [{ status: 'done' }])
  t.equal(read(state, 'a'), undefined)
  t.match(at(3000, again ?? del('x')), [{ status: 'unchanged' }], 'it is gone already')
  t.equal(state.expireCommand(bytes('a'), 9999), undefined)
  at(3000, put('b', '1'))
  t.equal(state.expireCommand(bytes('b'), Number.MAX_SAFE_INTEGER), undefined, 'for ever')
})

t.test('the expiry index follows overwriting, deletion and loss of the ttl', async (t) => {
  const disk = new MapDisk()
  const state = disk.open()
  const at = (time_ms: number, ...commands: Parameters<typeof segment>[1][]) =>
    applySegments(state, [segment({}, ...commands)], time_ms)
  at(100, put('a', '1', { ttl_ms: 10 }), put('b', '1', { ttl_ms: 10 }), put('c', '1'))
  at(100, put('d', '1', { ttl_ms: 10 }), del('d'), put('a', '2', { ttl_ms: 20 }))
  flush(state, disk)
  t.strictSame([...disk.expiries].sort(), ['110 b', '120 a'])
  at(100, put('a', '3', { ttl_ms: 20 }), put('c', '2', { ttl_ms: 5 }))
  at(150, put('b', '2'))
  flush(state, disk)
  t.strictSame([...disk.expiries].sort(), ['105 c', '120 a'])
  at(150, put('b', '3'), put('b', '4', { ttl_ms: 1 }), del('b'), del('a'))
  at(150, put('a', '1', { ttl_ms: 70 }), put('c', '3', { ttl_ms: 1 }), put('c', '4', { ttl_ms: 5 }))
  flush(state, disk)
  t.strictSame([...disk.expiries].sort(), ['155 c', '220 a'])
})

t.test('entries without commands move the position and nothing else', async (t) => {
  const state = empty()
  run(state, put('a', '1'))
  const { hash, keys } = state.meta()
  for (const type of ['noop', 'membership'] as const) {
    const { applied } = state.meta()
    const entry = { index: applied + 1, term: 4, type, time_ms: 77, firstRevision: 2, count: 0 }
    t.strictSame(state.apply(entry, Buffer.from('not a payload of segments')), [])
  }
  t.strictSame(state.meta(), { applied: 3, appliedTerm: 4, revision: 1, time_ms: 77, keys, hash })
})

t.test('a segment without commands has no results and takes no revision', async (t) => {
  const state = empty()
  t.strictSame(applySegments(state, [segment({}), segment({})]), [[], []])
  t.equal(state.meta().revision, 0)
})

t.test('an entry out of order, or not what its header says, stops the replica', async (t) => {
  const state = empty()
  run(state, put('a', '1'))
  const { entry, payload } = entryAfter(state.meta(), [segment({}, put('b', '1'))])
  const wrong = [
    { ...entry, index: 1 },
    { ...entry, index: 3 },
    { ...entry, count: 2 },
    { ...entry, firstRevision: 1 },
    { ...entry, time_ms: -1 },
  ]
  for (const one of wrong) t.throws(() => state.apply(one, payload), InvariantError)
  t.throws(() => state.apply(entry, payload.subarray(0, -1)), { code: 'malformed-frame' })
  t.equal(read(state, 'b'), undefined, 'nothing of it was applied')
  t.match(state.apply(entry, payload), [[{ status: 'created' }]])
})

t.test('revisions follow the header, also over a gap', async (t) => {
  const state = empty()
  const payload = encodePayload([encodeSegment(segment({}, put('a', '1'), put('b', '1')))])
  const entry = {
    index: 1,
    term: 1,
    type: 'commands' as const,
    time_ms: 0,
    firstRevision: 100,
    count: 2,
  }
  t.match(state.apply(entry, payload), [[{ revision: 100 }, { revision: 101 }]])
  t.equal(state.meta().revision, 101)
})

t.test(
  'changes are readable while they are in flight, and come from the disk afterwards',
  async (t) => {
    const disk = new MapDisk()
    const state = disk.open()
    run(state, put('a', '1'), put('b', '1'), put('c', '1'))
    flush(state, disk)
    t.equal(state.takeChanges(), undefined, 'nothing was applied since')
    run(state, put('a', '2'), del('b'))
    const changes = state.takeChanges()
    if (changes === undefined) return t.fail('no changes')
    t.strictSame([...changes.records.keys()], ['a', 'b'])
    t.equal(changes.records.get('b'), undefined)
    t.equal(changes.meta, state.meta())
    const seen = () => ['a', 'b', 'c', 'd'].map((key) => read(state, key)?.value.toString())
    t.strictSame(seen(), ['2', undefined, '1', undefined], 'in flight')
    t.equal(state.unwritten_bytes, 0)
    t.ok(state.unsynced_bytes > 0, 'not on disk yet')
    run(state, put('b', '3'), del('c'), put('d', '3'))
    t.throws(() => state.takeChanges(), InvariantError, 'one at a time')
    t.strictSame(seen(), ['2', '3', undefined, '3'], 'with more on top')
    t.strictSame(
      state
        .overlay()
        .map(([key, record]) => `${key} ${record === undefined ? 'deleted' : 'put'}`)
        .sort(),
      ['a put', 'b put', 'c deleted', 'd put'],
    )
    disk.write(changes)
    state.changesPersisted()
    t.equal(state.unsynced_bytes, state.unwritten_bytes)
    t.throws(() => state.changesPersisted(), InvariantError)
    t.strictSame(seen(), ['2', '3', undefined, '3'], 'persisted')
    t.equal(state.overlay().length, 3)
  },
)

t.test('an entry that changes no record still moves the position on disk', async (t) => {
  const disk = new MapDisk()
  const state = disk.open()
  const entry = { index: 1, term: 1, type: 'noop' as const, time_ms: 5, firstRevision: 1, count: 0 }
  state.apply(entry, Buffer.alloc(0))
  flush(state, disk)
  t.match(disk.meta, { applied: 1, time_ms: 5 })
})

t.test('the hash in the position is that of the records', async (t) => {
  const disk = new MapDisk()
  const state = disk.open()
  run(state, put('a', '1'), put('b', '1', { ttl_ms: 5 }), put('a', '2'), del('b'), put('ä/', '3'))
  flush(state, disk)
  t.strictSame(contentHashOf(disk.rows()), { hash: state.meta().hash, keys: 2 })
  run(state, del('a'), del('ä/'))
  t.match(state.meta(), { keys: 0, hash: EMPTY_META.hash })
})

t.test('damage found by the disk is passed on', async (t) => {
  const failure = new Error('damaged')
  const reader = {
    get: () => {
      throw failure
    },
  }
  const state = new KvState(reader, { meta: EMPTY_META, sessions: [] })
  t.throws(() => run(state, put('a', '1')), failure)
})
