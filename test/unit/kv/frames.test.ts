import { deepStrictEqual, ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type {
  QueryReply,
  ReadReplyParts,
  ReadRequest,
  StatusFrame,
  WriteReply,
} from '../../../src/database/kv/frame-types.ts'
import * as frames from '../../../src/database/kv/frames.ts'
import { encodeRecord } from '../../../src/database/kv/record.ts'
import type { KeyRecord, ResultStatus } from '../../../src/database/kv/types.ts'
import { READ_REPLY_BYTES_MAX, VALUE_BYTES_MAX } from '../../../src/shared/limits.ts'
import { mutated, outcomeOf } from './fuzz.ts'
import { bytes, plain, seedProperties } from './support.ts'

seedProperties((text) => t.comment(text))

const u32 = fc.nat(0xffff_ffff)
const u53 = fc.maxSafeNat()
const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const refusal = plain({
  code: fc.constantFrom('no-leader' as const, 'not-leader' as const, 'disk-full' as const),
  message: text,
  outcome: fc.constantFrom('not-applied' as const, 'unknown' as const),
  leader: fc.integer({ min: -1, max: 100 }),
})
const STATUSES: ResultStatus[] = [
  'created',
  'updated',
  'deleted',
  'absent',
  'condition-failed',
  'session-unknown',
  'below-floor',
  'session-full',
  'done',
  'unchanged',
  'done-failure',
]
const result = plain({
  status: fc.constantFrom(...STATUSES),
  revision: u53,
  repeated: fc.boolean(),
})
const writeReply: fc.Arbitrary<WriteReply> = plain({
  frame: u32,
  results: fc.oneof(fc.array(result, { maxLength: 20 }), refusal),
  revision: u53,
})
const readRequest: fc.Arbitrary<ReadRequest> = plain({
  frame: u32,
  consistency: fc.constantFrom('linearizable' as const, 'stale' as const),
  maxStale_ms: u53,
  minRevision: u53,
  timeout_ms: u32,
  items: fc.array(
    plain({
      key: fc.uint8Array({ minLength: 1, maxLength: 50 }).map((key) => Buffer.from(key)),
      metadataOnly: fc.boolean(),
    }),
    { maxLength: 10 },
  ),
})
const keyRecord: fc.Arbitrary<KeyRecord> = plain({
  createRevision: u53,
  revision: u53,
  version: u53,
  expires_ms: u53,
  contentType: fc.constantFrom('text/plain', '', 'application/json; charset=utf-8'),
  value: fc.oneof(
    fc.uint8Array({ maxLength: 50 }).map((value) => Buffer.from(value)),
    fc.integer({ min: 7000, max: 20_000 }).map((size) => Buffer.alloc(size, 'v')),
  ),
})
const items = fc.array(
  plain({ record: fc.option(keyRecord, { nil: undefined }), metadataOnly: fc.boolean() }),
  { maxLength: 10 },
)

function readParts(
  made: readonly { record: KeyRecord | undefined; metadataOnly: boolean }[],
): ReadReplyParts['records'] {
  return made.map(({ record, metadataOnly }) => ({
    record: record === undefined ? undefined : encodeRecord(bytes('k'), record),
    metadataOnly,
  }))
}

t.test('a write frame carries its segment as it is', async (t) => {
  const segment = Buffer.from('segment')
  const parts = frames.encodeWrite(0xffff_fffe, segment)
  t.ok(parts.includes(segment), 'without a copy')
  t.strictSame(frames.decodeWrite(Buffer.concat(parts)), { frame: 0xffff_fffe, segment })
})

t.test('any write reply survives the wire', async () => {
  fc.assert(
    fc.property(writeReply, (reply) => {
      const body = Buffer.concat(frames.encodeWriteReply(reply))
      deepStrictEqual(frames.decodeWriteReply(body), reply)
    }),
  )
})

t.test('any read survives the wire', async () => {
  fc.assert(
    fc.property(readRequest, (request) => {
      const body = Buffer.concat(frames.encodeRead(request))
      deepStrictEqual(frames.decodeRead(body), request)
    }),
  )
})

t.test('any read reply survives the wire, with or without its values', async () => {
  fc.assert(
    fc.property(
      u32,
      u53,
      fc.integer({ min: -1, max: 1e9 }),
      items,
      (frame, revision, age_ms, made) => {
        const reply = { frame, revision, age_ms, records: readParts(made) }
        const body = Buffer.concat(frames.encodeReadReply(reply))
        const records = made.map(({ record, metadataOnly }) =>
          record === undefined
            ? undefined
            : {
                ...record,
                value: metadataOnly ? Buffer.alloc(0) : record.value,
                size_bytes: record.value.length,
              },
        )
        deepStrictEqual(frames.decodeReadReply(body), { frame, revision, age_ms, records })
      },
    ),
  )
})

t.test('a refused read survives the wire', async () => {
  fc.assert(
    fc.property(u32, refusal, (frame, refused) => {
      const reply = { frame, revision: 7, age_ms: 0, records: refused }
      const decoded = frames.decodeReadReply(Buffer.concat(frames.encodeReadReply(reply)))
      deepStrictEqual(decoded, reply)
      ok(frames.isRefusal(decoded.records))
    }),
  )
})

t.test('a large record is sent from where it is, small ones side by side', async (t) => {
  const make = (size: number) =>
    encodeRecord(bytes('k'), {
      createRevision: 1,
      revision: 1,
      version: 1,
      expires_ms: 0,
      contentType: '',
      value: Buffer.alloc(size),
    })
  const small = Array.from({ length: 64 }, () => ({ record: make(256), metadataOnly: false }))
  const head = { frame: 1, revision: 1, age_ms: 0 }
  t.equal(frames.encodeReadReply({ ...head, records: small }).length, 1)
  const large = make(100_000)
  const parts = frames.encodeReadReply({
    ...head,
    records: [...small, { record: large, metadataOnly: false }, ...small],
  })
  t.equal(parts[1], large)
  t.equal(parts.length, 3)
})

t.test('what would make a reply too large is omitted, never its first item', async (t) => {
  const value = Buffer.alloc(VALUE_BYTES_MAX)
  const record = encodeRecord(bytes('k'), {
    createRevision: 1,
    revision: 1,
    version: 1,
    expires_ms: 0,
    contentType: 'a/b',
    value,
  })
  const records = [1, 2, 3, 4].map(() => ({ record, metadataOnly: false }))
  const reply = {
    frame: 1,
    revision: 1,
    age_ms: 0,
    records: [...records, { record, metadataOnly: true }],
  }
  const body = Buffer.concat(frames.encodeReadReply(reply))
  t.ok(body.length < READ_REPLY_BYTES_MAX + 1024)
  const decoded = frames.decodeReadReply(body).records
  if (frames.isRefusal(decoded)) return t.fail('refused')
  t.strictSame(
    decoded.map((item) => (typeof item === 'object' ? item.size_bytes : item)),
    [VALUE_BYTES_MAX, 'omitted', 'omitted', 'omitted', VALUE_BYTES_MAX],
  )
})

t.test('ages and waits with fractions are rounded up, unknown ages stay unknown', async (t) => {
  const reply = { frame: 1, revision: 1, age_ms: 1.2, records: [] }
  t.equal(frames.decodeReadReply(Buffer.concat(frames.encodeReadReply(reply))).age_ms, 2)
  const unknown = { ...reply, age_ms: -1 }
  t.equal(frames.decodeReadReply(Buffer.concat(frames.encodeReadReply(unknown))).age_ms, -1)
  const request: ReadRequest = {
    frame: 1,
    consistency: 'stale',
    maxStale_ms: 0.5,
    minRevision: 0,
    timeout_ms: 10.1,
    items: [],
  }
  const decoded = frames.decodeRead(Buffer.concat(frames.encodeRead(request)))
  t.match(decoded, { maxStale_ms: 1, timeout_ms: 11 })
})

t.test('an error code of a newer version is an internal error', async (t) => {
  const results = { code: 'brand-new', message: 'm', outcome: 'unknown', leader: 1 }
  const reply = { frame: 1, revision: 1, results } as unknown as WriteReply
  const decoded = frames.decodeWriteReply(Buffer.concat(frames.encodeWriteReply(reply)))
  t.match(decoded.results, { code: 'internal', message: 'm', outcome: 'unknown', leader: 1 })
})

const status: StatusFrame = {
  ordinal: 1,
  role: 'leader',
  term: 3,
  leader: 1,
  writable: true,
  revision: 12,
  history: 'h',
  clusterId: 'c',
  age_ms: 0,
  missing: ['db-2'],
  problem: undefined,
}

t.test('rare frames survive the wire', async (t) => {
  t.strictSame(frames.decodeStatus(Buffer.concat(frames.encodeStatus(status))), status)
  const list = {
    type: 'list' as const,
    prefix: 'ä/',
    after: undefined,
    limit: 10,
    consistency: 'stale' as const,
    maxStale_ms: 5,
    minRevision: 0,
    timeout_ms: 100,
  }
  for (const query of [list, { ...list, after: 'b' }, { type: 'cluster' as const }]) {
    t.strictSame(frames.decodeQuery(Buffer.concat(frames.encodeQuery(9, query))), {
      frame: 9,
      query,
    })
  }
  const replies: QueryReply[] = [
    { type: 'list', answer: { keys: [], more: false, revision: 1, age_ms: 0 } },
    {
      type: 'refused',
      refusal: { code: 'no-leader', message: '', outcome: 'not-applied', leader: -1 },
    },
  ]
  for (const reply of replies) {
    t.strictSame(frames.decodeQueryReply(Buffer.concat(frames.encodeQueryReply(9, reply))), {
      frame: 9,
      reply,
    })
  }
})

t.test('hostile frames only throw their codes', async (t) => {
  const decoders: [fc.Arbitrary<Uint8Array[]>, (body: Buffer) => unknown][] = [
    [writeReply.map(frames.encodeWriteReply), frames.decodeWriteReply],
    [readRequest.map(frames.encodeRead), frames.decodeRead],
    [
      items.map((made) =>
        frames.encodeReadReply({ frame: 1, revision: 1, age_ms: 0, records: readParts(made) }),
      ),
      frames.decodeReadReply,
    ],
    [fc.constant(frames.encodeStatus(status)), frames.decodeStatus],
    [fc.constant(frames.encodeQuery(1, { type: 'cluster' })), frames.decodeQuery],
    [
      fc.constant(
        frames.encodeQueryReply(1, {
          type: 'list',
          answer: { keys: [], more: false, revision: 1, age_ms: 0 },
        }),
      ),
      frames.decodeQueryReply,
    ],
    [fc.constant(frames.encodeWrite(1, Buffer.alloc(3))), frames.decodeWrite],
  ]
  for (const [valid, decode] of decoders) {
    let refused = 0
    const whole = valid.map((parts) => Buffer.concat(parts))
    const noise = fc.uint8Array({ maxLength: 60 }).map((data) => Buffer.from(data))
    fc.assert(
      fc.property(fc.oneof(mutated(whole), noise), (body) => {
        if ('code' in outcomeOf(() => decode(body))) refused++
      }),
      { numRuns: 500 },
    )
    t.ok(refused > 0, `${decode.name} refused ${refused} of 500`)
  }
})
