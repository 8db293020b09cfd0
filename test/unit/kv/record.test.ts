import { deepStrictEqual, equal, throws } from 'node:assert/strict'
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import t from 'tap'
import {
  ContentHash,
  contentHashOf,
  EMPTY_CONTENT_HASH,
} from '../../../src/database/kv/content-hash.ts'
import {
  checkRecord,
  decodeRecord,
  encodeRecord,
  recordCrc,
  recordCreateRevision,
  recordExpires_ms,
  recordHeader,
  recordRevision,
  recordVersion,
} from '../../../src/database/kv/record.ts'
import type { KeyRecord } from '../../../src/database/kv/types.ts'
import { outcomeOf } from './fuzz.ts'
import { bytes, plain, seedProperties } from './support.ts'

seedProperties((text) => t.comment(text))

const key = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((value) => Buffer.from(value))
const u53 = fc.maxSafeNat()
const record: fc.Arbitrary<KeyRecord> = plain({
  createRevision: u53,
  revision: u53,
  version: u53,
  expires_ms: u53,
  contentType: fc
    .uint8Array({ maxLength: 255 })
    .map((value) => Buffer.from(value).toString('latin1')),
  value: fc.uint8Array({ maxLength: 100 }).map((value) => Buffer.from(value)),
})

t.test('any record survives encoding and decoding, whole and field by field', async () => {
  fc.assert(
    fc.property(key, record, (name, made) => {
      const encoded = encodeRecord(name, made)
      deepStrictEqual(decodeRecord(name, encoded), made)
      deepStrictEqual(decodeRecord(new Uint8Array(name), new Uint8Array(encoded)), made)
      equal(recordCreateRevision(encoded), made.createRevision)
      equal(recordRevision(encoded), made.revision)
      equal(recordVersion(encoded), made.version)
      equal(recordExpires_ms(encoded), made.expires_ms)
      const { value, ...header } = made
      deepStrictEqual(recordHeader(encoded), { ...header, size_bytes: value.length })
    }),
  )
})

t.test('one flipped bit, a cut, or another key is damage', async () => {
  fc.assert(
    fc.property(key, record, fc.nat(), fc.nat(7), (name, made, at, bit) => {
      const encoded = encodeRecord(name, made)
      const position = at % encoded.length
      const flipped = Buffer.from(encoded)
      flipped[position] = (flipped[position] as number) ^ (1 << bit)
      // A flipped version byte may look like a newer format: that is refused as such.
      const outcome = outcomeOf(
        () => decodeRecord(name, flipped),
        ['data-damaged', 'format-too-new'],
      )
      equal('code' in outcome, true)
      if (position > 0) deepStrictEqual(outcome, { code: 'data-damaged' })
      throws(() => checkRecord(name, encoded.subarray(0, position)), { code: 'data-damaged' })
      throws(() => checkRecord(Buffer.concat([name, bytes('x')]), encoded), {
        code: 'data-damaged',
      })
    }),
    { numRuns: 500 },
  )
})

t.test('a record of a newer format is said to be newer', async (t) => {
  const made = { createRevision: 1, revision: 1, version: 1, expires_ms: 0, contentType: '' }
  const encoded = encodeRecord(bytes('k'), { ...made, value: bytes('v') })
  encoded[0] = 2
  t.throws(() => decodeRecord(bytes('k'), encoded), { code: 'format-too-new' })
})

const rows = fc.uniqueArray(fc.tuple(key, record), {
  selector: ([name]) => name.toString('latin1'),
  maxLength: 12,
})

t.test('the content hash does not depend on order, and each step can be undone', async () => {
  fc.assert(
    fc.property(rows, fc.func(fc.nat()), (made, order) => {
      const encoded = made.map(([name, one]) => ({ key: name, record: encodeRecord(name, one) }))
      const whole = contentHashOf(encoded)
      const shuffled = encoded
        .map((row, index) => ({ row, rank: order(index) }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ row }) => row)
      deepStrictEqual(contentHashOf(shuffled), whole)
      equal(whole.keys, made.length)
      equal(/^[0-9a-f]{16}$/.test(whole.hash), true)
      // Stopped and gone on from its text, as over a restart.
      let hash = new ContentHash()
      for (const one of encoded) {
        hash.plus(one.record)
        hash = new ContentHash(hash.value)
      }
      equal(hash.value, whole.hash)
      for (const one of shuffled) hash.minus(one.record)
      equal(hash.value, EMPTY_CONTENT_HASH)
    }),
  )
})

t.test('records that differ in anything have different hashes', async (t) => {
  const base = {
    createRevision: 1,
    revision: 2,
    version: 2,
    expires_ms: 0,
    contentType: 'a/b',
    value: bytes('v'),
  }
  const hashOf = (name: string, one: KeyRecord) =>
    contentHashOf([{ key: bytes(name), record: encodeRecord(bytes(name), one) }]).hash
  const hashes = [
    hashOf('k', base),
    hashOf('l', base),
    hashOf('k', { ...base, createRevision: 2 }),
    hashOf('k', { ...base, revision: 3 }),
    hashOf('k', { ...base, revision: 2 ** 40 + 2 }),
    hashOf('k', { ...base, version: 3 }),
    hashOf('k', { ...base, expires_ms: 1 }),
    hashOf('k', { ...base, contentType: 'a/c' }),
    hashOf('k', { ...base, value: bytes('w') }),
  ]
  t.equal(new Set(hashes).size, hashes.length)
})

t.test('a damaged record is not summed up', async (t) => {
  const encoded = encodeRecord(bytes('k'), {
    createRevision: 1,
    revision: 1,
    version: 1,
    expires_ms: 0,
    contentType: '',
    value: bytes('value'),
  })
  encoded[encoded.length - 1] = 0
  t.throws(() => contentHashOf([{ key: bytes('k'), record: encoded }]), { code: 'data-damaged' })
})

t.test(
  'the sum of a record is CRC32C over its key and what follows, for keys of any length',
  async (t) => {
    for (const size of [1, 63, 64, 65, 1024]) {
      const name = Buffer.alloc(size, 'ä')
      const made = { createRevision: 1, revision: 2, version: 3, expires_ms: 4, contentType: 'a/b' }
      const encoded = encodeRecord(name, { ...made, value: bytes('value') })
      t.equal(recordCrc(encoded), crc32c(Buffer.concat([name, encoded.subarray(5)])))
    }
  },
)
