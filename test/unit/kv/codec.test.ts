import { deepStrictEqual, equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  checkSegment,
  decodePayload,
  decodeSegment,
  encodePayload,
  encodeSegment,
  patchSegment,
  payloadSize,
  SegmentBuilder,
} from '../../../src/database/kv/codec.ts'
import { InvariantError } from '../../../src/shared/assert.ts'
import {
  CONDITION_REVISIONS_MAX,
  KEY_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
  TTL_MS_MAX,
  VALUE_BYTES_MAX,
} from '../../../src/shared/limits.ts'
import { mutated, outcomeOf } from './fuzz.ts'
import { anySegment, bytes, del, put, seedProperties, segment } from './support.ts'

seedProperties((text) => t.comment(text))

t.test('any segment survives encoding and decoding', async () => {
  fc.assert(
    fc.property(anySegment, (made) => {
      const encoded = encodeSegment(made)
      const { session, floor, count } = checkSegment(encoded)
      deepStrictEqual(
        { session, floor, count },
        {
          session: made.session,
          floor: made.floor,
          count: made.commands.length,
        },
      )
      deepStrictEqual(decodeSegment(encoded), made)
    }),
    { numRuns: 300 },
  )
})

t.test('a payload holds its segments in order, as the bytes they came as', async () => {
  fc.assert(
    fc.property(fc.array(anySegment, { maxLength: 5 }), (made) => {
      const encoded = made.map(encodeSegment)
      const payload = encodePayload(encoded)
      equal(payload.length, payloadSize(encoded))
      deepStrictEqual(decodePayload(payload), made)
      for (const one of encoded) ok(payload.includes(one))
    }),
    { numRuns: 100 },
  )
})

t.test('keys and values are slices of the bytes they came in', async (t) => {
  const encoded = encodeSegment(segment({ session: 3 }, put('key', 'value')))
  const command = decodeSegment(encoded).commands[0]?.command
  if (command?.type !== 'put') return t.fail('not a put')
  t.equal(command.key.buffer, encoded.buffer)
  t.equal(command.value.buffer, encoded.buffer)
})

t.test('the builder starts anew after each segment and grows as needed', async (t) => {
  const builder = new SegmentBuilder(1)
  for (let round = 0; round < 3; round++) {
    const made = segment(
      { session: 9, floor: round, first: 5 },
      put('a', 'x'.repeat(5000)),
      del('b'),
    )
    for (const { sequence, command } of made.commands) builder.add(sequence, command)
    t.equal(builder.count, 2)
    const size_bytes = builder.size_bytes
    const encoded = builder.finish({ session: 9, floor: round })
    t.equal(encoded.length, size_bytes)
    t.strictSame(decodeSegment(encoded), made)
    t.equal(builder.count, 0)
  }
})

t.test('a command the builder refuses leaves nothing behind', async (t) => {
  const builder = new SegmentBuilder()
  builder.add(1, put('a', '1'))
  const tooMany = Array.from({ length: CONDITION_REVISIONS_MAX + 1 }, (_, index) => index)
  const step = put('b', '2')
  const refused = [
    put('', 'x'),
    put('k'.repeat(KEY_BYTES_MAX + 1), 'x'),
    put('k', 'x', { value: Buffer.alloc(VALUE_BYTES_MAX + 1) }),
    put('k', 'x', { contentType: 'c'.repeat(256) }),
    put('k', 'x', { ttl_ms: TTL_MS_MAX + 1 }),
    put('k', 'x', { ttl_ms: -1 }),
    put('k', 'x', { ttl_ms: 1.5 }),
    del('k', { match: tooMany }),
    {
      type: 'transaction' as const,
      compare: [],
      success: [put('k', 'x', { condition: { match: 'any' } })],
      failure: [],
    },
    {
      type: 'transaction' as const,
      compare: [],
      success: [],
      failure: Array.from({ length: TRANSACTION_OPERATIONS_MAX + 1 }, () => step),
    },
  ]
  for (const command of refused) t.throws(() => builder.add(2, command), InvariantError)
  t.throws(() => builder.add(2, step, Buffer.alloc(256)), InvariantError)
  t.throws(() => builder.add(-1, step), InvariantError)
  builder.add(3, del('c'))
  const { commands } = decodeSegment(builder.finish({ session: 1, floor: 0 }))
  t.strictSame(
    commands.map(({ sequence }) => sequence),
    [1, 3],
  )
})

t.test('a segment sent again gets another session and floor in place', async (t) => {
  const made = segment({ session: 1, floor: 2, first: 7 }, put('a', '1'))
  const encoded = encodeSegment(made)
  patchSegment(encoded, { session: 2 ** 40, floor: 6 })
  t.strictSame(decodeSegment(encoded), { ...made, session: 2 ** 40, floor: 6 })
})

t.test('the check tells whether a segment stores values', async (t) => {
  const transaction = (success: ReturnType<typeof put>[], failure: ReturnType<typeof put>[]) =>
    encodeSegment(
      segment(
        {},
        {
          type: 'transaction',
          compare: [{ key: bytes('x'), condition: { noneMatch: 'any', match: [1, 2] } }],
          success: [del('d'), ...success],
          failure: [del('d'), ...failure],
        },
      ),
    )
  t.equal(checkSegment(encodeSegment(segment({}, del('a'), put('b', '')))).puts, true)
  t.equal(checkSegment(encodeSegment(segment({}, del('a')))).puts, false)
  t.equal(checkSegment(transaction([], [])).puts, false)
  t.equal(checkSegment(transaction([put('p', '')], [])).puts, true)
  t.equal(checkSegment(transaction([], [put('p', '')])).puts, true)
})

t.test('limits are held by the check, whoever encoded the bytes', async (t) => {
  const refused = (name: string, change: (encoded: Buffer) => Buffer) => {
    const encoded = encodeSegment(segment({ session: 1 }, put('k'.repeat(8), 'value')))
    t.doesNotThrow(() => checkSegment(encoded))
    const changed = change(Buffer.from(encoded))
    t.throws(() => checkSegment(changed), { code: 'malformed-frame' }, name)
    t.throws(() => decodeSegment(changed), { code: 'malformed-frame' }, name)
  }
  // Offsets: header 21, sequence 8, type 1, idempotency key 1, key size 2.
  refused('a key of no bytes', (b) =>
    Buffer.concat([b.subarray(0, 31), Buffer.alloc(2), b.subarray(41)]),
  )
  refused('a key too long', (b) => {
    const key = Buffer.alloc(2 + KEY_BYTES_MAX + 1, 'k')
    key.writeUInt16BE(KEY_BYTES_MAX + 1)
    return Buffer.concat([b.subarray(0, 31), key, b.subarray(41)])
  })
  refused('a key that is not UTF-8', (b) => b.fill(0xff, 35, 36))
  refused('a surrogate as a key', (b) => b.fill(Buffer.from([0xed, 0xa0, 0x80]), 33, 36))
  refused('an integer above 2^53 - 1', (b) => b.fill(0xff, 1, 9))
  refused('more commands than there are', (b) => b.fill(0xff, 17, 21))
  refused('fewer commands than there are', (b) => b.fill(0, 17, 21))
  refused('no such command', (b) => b.fill(99, 29, 30))
  refused('a system command inside a session', (b) => b.fill(5, 29, 30))
  refused('unknown flags of a condition', (b) => b.fill(0x10, b.length - 1))
  refused('a list of revisions and any at once', (b) => b.fill(0x03, b.length - 1))
  refused('format 0', (b) => b.fill(0, 0, 1))
  refused('a value too large', (b) => {
    const sizeAt = b.length - 1 - 5 - 4
    const large = Buffer.alloc(4 + VALUE_BYTES_MAX + 1)
    large.writeUInt32BE(VALUE_BYTES_MAX + 1)
    return Buffer.concat([b.subarray(0, sizeAt), large, Buffer.alloc(1)])
  })
  refused('a time to live too long', (b) => {
    const ttlAt = b.length - 1 - 5 - 4 - 8
    b.writeUInt32BE(0x10_0000, ttlAt)
    return b
  })
})

t.test('the largest key, value and content type pass', async (t) => {
  const made = segment(
    { session: 1 },
    put('k'.repeat(KEY_BYTES_MAX), 'v'.repeat(VALUE_BYTES_MAX), {
      contentType: 'c'.repeat(255),
      ttl_ms: TTL_MS_MAX,
    }),
  )
  t.strictSame(decodeSegment(encodeSegment(made)), made)
})

t.test('a newer format is said to be newer', async (t) => {
  const encoded = encodeSegment(segment({}, put('a', '1')))
  encoded[0] = 2
  t.throws(() => checkSegment(encoded), { code: 'format-too-new' })
  const payload = encodePayload([])
  payload[0] = 2
  t.throws(() => decodePayload(payload), { code: 'format-too-new' })
})

t.test('check and decode agree on hostile bytes, and only throw their codes', async (t) => {
  const hostile = fc.oneof(mutated(anySegment.map(encodeSegment)), fc.uint8Array({ maxLength: 80 }))
  let refused = 0
  fc.assert(
    fc.property(hostile, (data) => {
      const checked = outcomeOf(() => checkSegment(data))
      const decoded = outcomeOf(() => decodeSegment(data))
      if ('code' in checked) {
        refused++
        deepStrictEqual(decoded, checked)
        return
      }
      if ('code' in decoded) throw new Error('decode refused what the check let in')
      equal(decoded.value.commands.length, checked.value.count)
      ok(Buffer.from(encodeSegment(decoded.value)).equals(data), 'one value has one encoding')
    }),
    { numRuns: 3000 },
  )
  t.ok(refused > 1000, `${refused} were refused`)
})

t.test('hostile payloads only throw their codes', async () => {
  const payload = fc
    .array(anySegment, { maxLength: 3 })
    .map((made) => encodePayload(made.map(encodeSegment)))
  fc.assert(
    fc.property(mutated(payload), (data) => {
      outcomeOf(() => decodePayload(data))
    }),
    { numRuns: 1000 },
  )
})
