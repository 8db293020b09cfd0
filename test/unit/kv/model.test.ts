/**
 * The state machine beside a plain model, and beside itself: the same entries give the same state,
 * wherever the records are and whenever they went to disk.
 */

import { deepStrictEqual, equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { contentHashOf } from '../../../src/database/kv/content-hash.ts'
import { decodeRecord } from '../../../src/database/kv/record.ts'
import { decodeSession } from '../../../src/database/kv/session-codec.ts'
import type {
  Command,
  Condition,
  DeleteCommand,
  PutCommand,
  Segment,
} from '../../../src/database/kv/types.ts'
import { Model } from './plain-model.ts'
import {
  bytes,
  entryAfter,
  flush,
  type MadeEntry,
  MapDisk,
  plain,
  seedProperties,
} from './support.ts'

seedProperties((text) => t.comment(text))

const KEYS = ['a', 'b', 'c', 'ä'].map(bytes)
const key = fc.constantFrom(...KEYS)
const revisions = fc.oneof(
  fc.constant('any' as const),
  fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 3 }),
)
const condition: fc.Arbitrary<Condition | undefined> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: revisions.map((match) => ({ match })) },
  { weight: 1, arbitrary: revisions.map((noneMatch) => ({ noneMatch })) },
)
const plainPut: fc.Arbitrary<PutCommand> = plain({
  type: fc.constant('put' as const),
  key,
  value: fc.string({ maxLength: 5 }).map(bytes),
  contentType: fc.constantFrom('text/plain', 'a/b'),
  ttl_ms: fc.constantFrom(0, 0, 1, 50),
  condition: fc.constant(undefined),
})
const plainDelete: fc.Arbitrary<DeleteCommand> = plain({
  type: fc.constant('delete' as const),
  key,
  condition: fc.constant(undefined),
})
const branch = fc.array(fc.oneof(plainPut, plainDelete), { maxLength: 3 })
const dataCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(plainPut, condition).map(([c, when]) => ({ ...c, condition: when })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(plainDelete, condition).map(([c, when]) => ({ ...c, condition: when })),
  },
  {
    weight: 1,
    arbitrary: plain({
      type: fc.constant('transaction' as const),
      compare: fc.array(plain({ key, condition: condition.map((when) => when ?? {}) }), {
        maxLength: 2,
      }),
      success: branch,
      failure: branch,
    }),
  },
)
const small = fc.integer({ min: 0, max: 25 })
const systemCommand: fc.Arbitrary<Command> = fc.oneof(
  plain({ type: fc.constant('expire' as const), key, revision: small }),
  fc.constant({ type: 'open-session' as const }),
  plain({ type: fc.constant('close-session' as const), session: small }),
  plain({ type: fc.constant('expire-session' as const), session: small, lastUse_ms: small }),
)
const segmentOf: fc.Arbitrary<Segment> = fc.oneof(
  {
    weight: 3,
    arbitrary: plain({
      session: fc.integer({ min: 1, max: 4 }),
      floor: fc.integer({ min: 0, max: 6 }),
      commands: fc.array(
        plain({ sequence: fc.integer({ min: 0, max: 20 }), command: dataCommand }),
        {
          maxLength: 4,
        },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: plain({
      session: fc.constant(0),
      floor: fc.constant(0),
      commands: fc.array(
        plain({ sequence: fc.constant(0), command: fc.oneof(dataCommand, systemCommand) }),
        { maxLength: 4 },
      ),
    }),
  },
)
const step = plain({ segments: fc.array(segmentOf, { maxLength: 3 }), passed_ms: fc.nat(30) })
// Sessions 1 to 3 are open when the random part begins.
const openings: Segment = {
  session: 0,
  floor: 0,
  commands: [1, 2, 3].map(() => ({ sequence: 0, command: { type: 'open-session' as const } })),
}
const history = fc
  .array(step, { minLength: 1, maxLength: 15 })
  .map((steps) => [{ segments: [openings], passed_ms: 1 }, ...steps])

/** What a disk holds, decoded. */
function contents(disk: MapDisk) {
  return {
    records: disk
      .rows()
      .map(({ key: name, record }) => [name.toString(), decodeRecord(name, record)]),
    sessions: [...disk.sessions]
      .sort(([a], [b]) => a - b)
      .map(([id, encoded]) => [id, decodeSession(encoded)]),
    expiries: [...disk.expiries].sort(),
    meta: disk.meta,
  }
}

t.test('beside a plain model: every result, record, session and expiry', async (t) => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(history, (steps) => {
      const disk = new MapDisk()
      const state = disk.open()
      const model = new Model()
      for (const { segments, passed_ms } of steps) {
        model.now_ms += passed_ms
        const { entry, payload } = entryAfter(state.meta(), segments, model.now_ms)
        const results = state
          .apply(entry, payload)
          .map((list) =>
            list.map((one) => `${one.status} ${one.revision}${one.repeated ? ' again' : ''}`),
          )
        deepStrictEqual(
          results,
          segments.map((one) => model.segment(one)),
        )
        for (const result of results.flat()) seen.add(result.replace(/\d+/, 'n'))
        if (entry.index % 3 === 0) flush(state, disk)
        equal(state.meta().revision, model.revision)
      }
      flush(state, disk)
      const { records, sessions, expiries } = contents(disk)
      deepStrictEqual(
        records.map(([name, record]) => [name, (record as { revision: number }).revision]),
        [...model.records].map(([name, { revision }]) => [name, revision]).sort(),
      )
      for (const [name, expected] of model.records) {
        const stored = decodeRecord(bytes(name), state.get(bytes(name)) ?? Buffer.alloc(0))
        deepStrictEqual(
          {
            created: stored.createRevision,
            revision: stored.revision,
            version: stored.version,
            expires_ms: stored.expires_ms,
            value: Buffer.from(stored.value).toString(),
            contentType: stored.contentType,
          },
          expected,
        )
      }
      deepStrictEqual(
        sessions.map(([id]) => id),
        [...model.sessions.keys()].sort((a, b) => a - b),
      )
      deepStrictEqual(
        expiries,
        [...model.records]
          .filter(([, { expires_ms }]) => expires_ms > 0)
          .map(([name, { expires_ms }]) => `${expires_ms} ${bytes(name).toString('latin1')}`)
          .sort(),
      )
      deepStrictEqual(contentHashOf(disk.rows()), {
        hash: state.meta().hash,
        keys: model.records.size,
      })
    }),
    { numRuns: 400 },
  )
  const expected = [
    'created n',
    'updated n',
    'deleted n',
    'absent n',
    'condition-failed n',
    'session-unknown n',
    'below-floor n',
    'done n',
    'unchanged n',
    'done-failure n',
    'created n again',
  ]
  for (const one of expected) t.ok(seen.has(one), `met: ${one}`)
})

t.test(
  'the same entries give the same state, whenever it went to disk and was restarted',
  async () => {
    const action = fc.constantFrom('go on', 'take', 'persist', 'flush', 'restart')
    fc.assert(
      fc.property(history, fc.array(action, { maxLength: 30 }), (steps, actions) => {
        const reference = new MapDisk()
        const plainState = reference.open()
        const entries: MadeEntry[] = []
        const results: unknown[] = []
        let now_ms = 0
        for (const { segments, passed_ms } of steps) {
          now_ms += passed_ms
          const made = entryAfter(plainState.meta(), segments, now_ms)
          entries.push(made)
          results.push(plainState.apply(made.entry, made.payload))
        }
        flush(plainState, reference)

        const disk = new MapDisk()
        let state = disk.open()
        let inFlight: ReturnType<typeof state.takeChanges>
        const persist = () => {
          if (inFlight === undefined) return
          disk.write(inFlight)
          state.changesPersisted()
          inFlight = undefined
        }
        const queue = [...actions]
        for (;;) {
          const next = entries[state.meta().applied]
          if (next === undefined) break
          deepStrictEqual(state.apply(next.entry, next.payload), results[next.entry.index - 1])
          const then = queue.shift() ?? 'go on'
          if (then === 'take' && inFlight === undefined) inFlight = state.takeChanges()
          else if (then === 'persist') persist()
          else if (then === 'flush') {
            persist()
            flush(state, disk)
          } else if (then === 'restart') {
            // What was not persisted is lost, and replayed from the log.
            state = disk.open()
            inFlight = undefined
          }
        }
        deepStrictEqual(state.meta(), plainState.meta())
        persist()
        flush(state, disk)
        deepStrictEqual(contents(disk), contents(reference))
        ok(entries.length > 0)
      }),
      { numRuns: 400 },
    )
  },
)
