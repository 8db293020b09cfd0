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
  ResultStatus,
  Segment,
} from '../../../src/database/kv/types.ts'
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

type ModelRecord = {
  created: number
  revision: number
  version: number
  expires_ms: number
  value: string
  contentType: string
}

/** The same rules written down again, as plainly as they can be. */
class Model {
  records = new Map<string, ModelRecord>()
  sessions = new Map<
    number,
    { floor: number; lastUse_ms: number; results: Map<number, [ResultStatus, number]> }
  >()
  revision = 0
  now_ms = 0

  segment(segment: Segment): string[] {
    const session = this.sessions.get(segment.session)
    if (session !== undefined) {
      session.lastUse_ms = this.now_ms
      session.floor = Math.max(session.floor, segment.floor)
    }
    return segment.commands.map(({ sequence, command }) => {
      this.revision++
      if (segment.session === 0) return this.run(command).join(' ')
      if (session === undefined) return 'session-unknown 0'
      if (sequence <= session.floor) return 'below-floor 0'
      const known = session.results.get(sequence)
      if (known !== undefined) return `${known.join(' ')} again`
      const result = this.run(command)
      session.results.set(sequence, result)
      return result.join(' ')
    })
  }

  holds(name: Uint8Array, { match, noneMatch }: Condition): boolean {
    const present = this.records.get(Buffer.from(name).toString())?.revision
    if (match === 'any' && present === undefined) return false
    if (Array.isArray(match) && (present === undefined || !match.includes(present))) return false
    if (noneMatch === 'any' && present !== undefined) return false
    return !(Array.isArray(noneMatch) && present !== undefined && noneMatch.includes(present))
  }

  run(command: Command): [ResultStatus, number] {
    const { revision, now_ms } = this
    if (command.type === 'transaction') {
      const success = command.compare.every((one) => this.holds(one.key, one.condition))
      for (const one of success ? command.success : command.failure) this.run(one)
      return [success ? 'done' : 'done-failure', revision]
    }
    if (command.type === 'open-session') {
      this.sessions.set(revision, { floor: 0, lastUse_ms: now_ms, results: new Map() })
      return ['done', revision]
    }
    if (command.type === 'close-session') {
      return this.sessions.delete(command.session) ? ['done', revision] : ['unchanged', 0]
    }
    if (command.type === 'expire-session') {
      if (this.sessions.get(command.session)?.lastUse_ms !== command.lastUse_ms)
        return ['unchanged', 0]
      this.sessions.delete(command.session)
      return ['done', revision]
    }
    const name = Buffer.from(command.key).toString()
    const old = this.records.get(name)
    if (command.type === 'expire') {
      const due = old !== undefined && old.expires_ms > 0 && old.expires_ms <= now_ms
      if (!due || old.revision !== command.revision) return ['unchanged', 0]
      this.records.delete(name)
      return ['done', revision]
    }
    if (!this.holds(command.key, command.condition ?? {}))
      return ['condition-failed', old?.revision ?? 0]
    if (command.type === 'delete') {
      if (!this.records.delete(name)) return ['absent', 0]
      return ['deleted', revision]
    }
    this.records.set(name, {
      created: old?.created ?? revision,
      revision,
      version: (old?.version ?? 0) + 1,
      expires_ms: command.ttl_ms === 0 ? 0 : now_ms + command.ttl_ms,
      value: Buffer.from(command.value).toString(),
      contentType: command.contentType,
    })
    return [old === undefined ? 'created' : 'updated', revision]
  }
}

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
