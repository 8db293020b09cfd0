/** What the tests of the state machine share: entries from commands, a disk, random commands. */

import fc from 'fast-check'
import { encodePayload, encodeSegment } from '../../../src/database/kv/codec.ts'
import { EMPTY_CONTENT_HASH } from '../../../src/database/kv/content-hash.ts'
import { keyText } from '../../../src/database/kv/overlay.ts'
import { decodeRecord } from '../../../src/database/kv/record.ts'
import { KvState } from '../../../src/database/kv/state.ts'
import type {
  AppliedEntry,
  Command,
  CommandResult,
  Condition,
  DeleteCommand,
  KeyRecord,
  KvChanges,
  KvMeta,
  PutCommand,
  RecordReader,
  Segment,
} from '../../../src/database/kv/types.ts'
import { anyCodePoint } from '../../contracts/code-points.ts'

export const EMPTY_META: KvMeta = {
  applied: 0,
  appliedTerm: 0,
  revision: 0,
  time_ms: 0,
  keys: 0,
  hash: EMPTY_CONTENT_HASH,
}

/** Gives all properties of a file one seed: from ORDINAL_SEED, else new; always printed. */
export function seedProperties(comment: (text: string) => void): number {
  const given = process.env['ORDINAL_SEED']
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
  fc.configureGlobal({ seed })
  comment(`ORDINAL_SEED=${seed}`)
  return seed
}

/** Random objects as the decoders make them: with a prototype. */
export function plain<Model extends object>(
  model: {
    [Key in keyof Model]: fc.Arbitrary<Model[Key]>
  },
): fc.Arbitrary<Model> {
  return fc.record<Model>(model, { noNullPrototype: true }) as fc.Arbitrary<Model>
}

export const bytes = (text: string): Buffer => Buffer.from(text)

export function put(key: string, value: string, more: Partial<PutCommand> = {}): PutCommand {
  return {
    type: 'put',
    key: bytes(key),
    value: bytes(value),
    contentType: 'text/plain',
    ttl_ms: 0,
    condition: undefined,
    ...more,
  }
}

export function del(key: string, condition?: Condition): DeleteCommand {
  return { type: 'delete', key: bytes(key), condition }
}

/** A segment of consecutive sequences from `first`. */
export function segment(
  head: { session?: number; floor?: number; first?: number },
  ...commands: Command[]
): Segment {
  const { session = 0, floor = 0, first = session === 0 ? 0 : 1 } = head
  return {
    session,
    floor,
    commands: commands.map((command, index) => ({
      sequence: session === 0 ? 0 : first + index,
      command,
    })),
  }
}

/** Records as a disk would hold them, written by `KvChanges`. */
export class MapDisk implements RecordReader {
  readonly records = new Map<string, Uint8Array>()
  readonly expiries = new Set<string>()
  readonly sessions = new Map<number, Uint8Array>()
  meta = EMPTY_META

  get(key: Uint8Array): Uint8Array | undefined {
    return this.records.get(keyText(key))
  }

  write(changes: KvChanges): void {
    for (const [key, record] of changes.records) {
      if (record === undefined) this.records.delete(key)
      else this.records.set(key, Buffer.from(record))
    }
    for (const { time_ms, key, put } of changes.expiries) {
      const name = `${time_ms} ${keyText(key)}`
      if (put) this.expiries.add(name)
      else this.expiries.delete(name)
    }
    for (const [id, session] of changes.sessions) {
      if (session === undefined) this.sessions.delete(id)
      else this.sessions.set(id, Buffer.from(session))
    }
    this.meta = changes.meta
  }

  open(): KvState {
    const sessions = [...this.sessions].map(([id, encoded]) => ({ id, bytes: encoded }))
    return new KvState(this, { meta: this.meta, sessions })
  }

  /** The rows, sorted as LevelDB sorts them. */
  rows(): { key: Buffer; record: Uint8Array }[] {
    return [...this.records]
      .map(([key, record]) => ({ key: Buffer.from(key, 'latin1'), record }))
      .sort((a, b) => Buffer.compare(a.key, b.key))
  }
}

export type MadeEntry = { readonly entry: AppliedEntry; readonly payload: Buffer }

/** Makes the entry that follows a state. */
export function entryAfter(
  meta: KvMeta,
  segments: readonly Segment[],
  time_ms = meta.time_ms,
): MadeEntry {
  const count = segments.reduce((sum, { commands }) => sum + commands.length, 0)
  return {
    entry: {
      index: meta.applied + 1,
      term: 1,
      type: 'commands',
      time_ms,
      firstRevision: meta.revision + 1,
      count,
    },
    payload: encodePayload(segments.map(encodeSegment)),
  }
}

/** Applies one entry made of these segments. */
export function applySegments(
  state: KvState,
  segments: readonly Segment[],
  time_ms?: number,
): CommandResult[][] {
  const { entry, payload } = entryAfter(state.meta(), segments, time_ms)
  return state.apply(entry, payload)
}

/** Applies commands outside any session, as one entry. */
export function run(state: KvState, ...commands: Command[]): CommandResult[] {
  return applySegments(state, [segment({}, ...commands)])[0] ?? []
}

/** Opens a session at this log time; its id. */
export function openSession(state: KvState, time_ms?: number): number {
  const [[opened] = []] = applySegments(state, [segment({}, { type: 'open-session' })], time_ms)
  return opened?.revision ?? Number.NaN
}

/** A key's decoded record. */
export function read(state: KvState, key: string): KeyRecord | undefined {
  const record = state.get(bytes(key))
  return record === undefined ? undefined : decodeRecord(bytes(key), record)
}

/** Takes what changed and writes it to a disk. */
export function flush(state: KvState, disk: MapDisk): void {
  const changes = state.takeChanges()
  if (changes === undefined) return
  disk.write(changes)
  state.changesPersisted()
}

const u53 = fc.maxSafeNat()
const revisions = fc.oneof(fc.constant('any' as const), fc.array(u53, { maxLength: 4 }))
const anyKey = fc
  .string({ unit: anyCodePoint, minLength: 1, maxLength: 60 })
  .map((text) => Buffer.from(text))
const condition: fc.Arbitrary<Condition> = fc.record(
  { match: revisions, noneMatch: revisions },
  { requiredKeys: [], noNullPrototype: true },
)
// An empty condition and none are the same bytes.
const optionalCondition = fc
  .option(condition, { nil: undefined })
  .map((value) => (value && Object.keys(value).length === 0 ? undefined : value))
const plainPut = plain({
  type: fc.constant('put' as const),
  key: anyKey,
  value: fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value)),
  contentType: fc
    .uint8Array({ maxLength: 255 })
    .map((value) => Buffer.from(value).toString('latin1')),
  ttl_ms: fc.nat(),
  condition: fc.constant(undefined),
})
const plainDelete = plain({
  type: fc.constant('delete' as const),
  key: anyKey,
  condition: fc.constant(undefined),
})
const branch = fc.array(fc.oneof(plainPut, plainDelete), { maxLength: 3 })

/** Commands an API server sends inside a session. */
export const anyDataCommand: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(plainPut, optionalCondition).map(([command, c]) => ({ ...command, condition: c })),
  fc.tuple(plainDelete, optionalCondition).map(([command, c]) => ({ ...command, condition: c })),
  plain({
    type: fc.constant('transaction' as const),
    compare: fc.array(plain({ key: anyKey, condition }), { maxLength: 3 }),
    success: branch,
    failure: branch,
  }),
)

const systemCommand: fc.Arbitrary<Command> = fc.oneof(
  plain({ type: fc.constant('expire' as const), key: anyKey, revision: u53 }),
  fc.constant({ type: 'open-session' as const }),
  plain({ type: fc.constant('close-session' as const), session: u53 }),
  plain({ type: fc.constant('expire-session' as const), session: u53, lastUse_ms: u53 }),
)

function commandsOf(command: fc.Arbitrary<Command>): fc.Arbitrary<Segment['commands']> {
  const sent = plain({ sequence: u53, command })
  const idempotent = plain({
    sequence: u53,
    command,
    idempotencyKey: fc.uint8Array({ minLength: 1, maxLength: 255 }).map((key) => Buffer.from(key)),
  })
  return fc.array(fc.oneof({ weight: 4, arbitrary: sent }, idempotent), { maxLength: 6 })
}

/** Any segment that may be encoded. */
export const anySegment: fc.Arbitrary<Segment> = fc.oneof(
  plain({
    session: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    floor: u53,
    commands: commandsOf(anyDataCommand),
  }),
  plain({
    session: fc.constant(0),
    floor: u53,
    commands: commandsOf(fc.oneof(anyDataCommand, systemCommand)),
  }),
)
