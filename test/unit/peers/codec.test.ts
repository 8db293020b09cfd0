import fc from 'fast-check'
import t from 'tap'
import { type Entry, makeEntry } from '../../../src/database/consensus/entry.ts'
import type { Membership, Message, MessageBody } from '../../../src/database/consensus/types.ts'
import { decodeMessage, encodeMessage } from '../../../src/database/peers/codec.ts'
import {
  decodeHello,
  decodeRefused,
  decodeSnapshotHead,
  encodeHello,
  encodeRefused,
  encodeSnapshotHead,
} from '../../../src/database/peers/hello-codec.ts'
import { decodePlaces } from '../../../src/database/peers/places.ts'
import type { Hello } from '../../../src/database/replica/ports.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import { seed } from './seed.ts'

const whole = fc.oneof(fc.nat(), fc.maxSafeNat())
const clock = fc.oneof(fc.constant(-1), fc.double({ min: 0, max: 1e12, noNaN: true }))
const name = fc.string({ unit: 'grapheme', maxLength: 40 })
const member = fc
  .tuple(fc.nat(9), fc.uuid())
  .map(([ordinal, incarnation]) => `${ordinal}/${incarnation}`)
const token = fc.option(fc.record({ term: whole, start: name, round: whole }), { nil: undefined })
const health = fc.record({
  electable: fc.boolean(),
  draining: fc.boolean(),
  diskFull: fc.boolean(),
})
const entry = fc
  .tuple(
    fc.record({
      index: whole,
      term: whole,
      type: fc.constantFrom('noop', 'membership', 'commands'),
      time_ms: whole,
      firstRevision: whole,
      count: fc.nat(),
    }),
    fc.uint8Array({ maxLength: 500 }),
    fc.nat(),
  )
  .map(([head, payload, chain]): Entry => makeEntry(head, payload, chain))

const life = fc.nat({ max: 0xffffffff })

const body: fc.Arbitrary<MessageBody> = fc.oneof(
  fc.record({
    type: fc.constant('pre-vote' as const),
    lastIndex: whole,
    lastTerm: whole,
    round: whole,
  }),
  fc.record({
    type: fc.constant('pre-vote-reply' as const),
    granted: fc.boolean(),
    leaseRunning: fc.boolean(),
    round: whole,
  }),
  fc.record({
    type: fc.constant('vote' as const),
    lastIndex: whole,
    lastTerm: whole,
    transfer: fc.boolean(),
  }),
  fc.record({ type: fc.constant('vote-reply' as const), granted: fc.boolean() }),
  fc.record({
    type: fc.constant('append' as const),
    previousIndex: whole,
    previousTerm: whole,
    acked: whole,
    entries: fc.array(entry, { maxLength: 5 }),
    commit: whole,
    sent_ms: clock,
    echo_ms: clock,
    echoLife: life,
    token,
  }),
  fc.record({
    type: fc.constant('append-reply' as const),
    match: whole,
    rejected: fc.boolean(),
    hintIndex: whole,
    hintTerm: whole,
    sent_ms: clock,
    replied_ms: clock,
    life,
    token,
    health,
  }),
  fc.record({ type: fc.constant('read-index' as const), request: whole, start: name }),
  fc.record({
    type: fc.constant('read-index-reply' as const),
    request: whole,
    start: name,
    index: whole,
    refused: fc.boolean(),
  }),
  fc.record({
    type: fc.constant('timeout-now' as const),
    reason: fc.constantFrom('hand-back' as const, 'hand-over' as const),
  }),
)
const message: fc.Arbitrary<Message> = fc
  .tuple(fc.record({ from: member, to: member, term: whole }), body)
  .map(([head, rest]) => ({ ...head, ...rest }))
const hello: fc.Arbitrary<Hello> = fc.record({
  clusterName: name,
  clusterId: name,
  ordinal: fc.nat(0xffff_ffff),
  incarnation: name,
  address: name,
  format: fc.nat(),
  expected: fc.nat(),
  fingerprint: fc.record({ index: fc.nat(), hash: fc.string() }),
  wasMember: fc.boolean(),
})
const stopping = fc.constantFrom<Hello['stopping']>(undefined, 'asks', 'goes', 'leaves')
const members = fc.array(member, { maxLength: 9 })
const membership: fc.Arbitrary<Membership> = fc.record({
  clusterId: name,
  history: name,
  voters: members,
  learners: members,
  removed: members,
  opened: fc.boolean(),
})
const head = fc.record({
  from: member,
  to: member,
  term: whole,
  meta: fc.record({
    index: whole,
    term: whole,
    chain: fc.nat(0xffff_ffff),
    time_ms: whole,
    nextRevision: whole,
    membership,
  }),
})

/** `decode` may answer or throw a ClusterError; anything else fails the property. */
function onlyClusterErrors(decode: () => unknown): boolean {
  try {
    decode()
    return true
  } catch (error) {
    if (error instanceof ClusterError) return true
    throw error
  }
}

/** Bytes with some of them changed, cut off or added. */
function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(4095), value: fc.nat(255) })
  return fc
    .tuple(bytes, fc.array(change, { maxLength: 6 }), fc.integer({ min: -20, max: 20 }))
    .map(([source, changes, length]) => {
      const size = Math.max(0, source.length + length)
      const copy = new Uint8Array(size)
      copy.set(source.subarray(0, size))
      for (const { at, value } of changes) if (size > 0) copy[at % size] = value
      return copy
    })
}

t.test('every message comes back as it went', async (t) => {
  fc.assert(
    fc.property(message, (sent) => {
      const received = decodeMessage(Buffer.concat(encodeMessage(sent)))
      t.same(received, plain(sent))
    }),
    { seed: seed(t), numRuns: 500 },
  )
})

/** Entries' bytes as Buffers, as the decoder gives them. */
function plain(sent: Message): Message {
  if (sent.type !== 'append') return sent
  const entries = sent.entries.map((one) => ({ ...one, bytes: Buffer.from(one.bytes) }))
  return { ...sent, entries }
}

t.test('the bytes of entries are neither copied when sent nor when received', async (t) => {
  const first = makeEntry(
    { index: 1, term: 1, type: 'commands', time_ms: 1, firstRevision: 1, count: 1 },
    Buffer.alloc(100, 1),
    0,
  )
  const second = makeEntry({ ...first, index: 2, firstRevision: 2 }, Buffer.alloc(5, 2), 7)
  const parts = encodeMessage({
    type: 'append',
    from: '0/a',
    to: '1/b',
    term: 1,
    previousIndex: 0,
    previousTerm: 0,
    acked: 0,
    entries: [first, second],
    commit: 0,
    sent_ms: 1.5,
    echo_ms: -1,
    echoLife: 0,
    token: undefined,
  })
  t.equal(parts.length, 3)
  t.equal(parts[1], first.bytes)
  t.equal(parts[2], second.bytes)
  const frame = Buffer.concat(parts)
  const received = decodeMessage(frame)
  if (received.type !== 'append') return t.fail('not an append')
  t.equal(received.entries[0]?.bytes.buffer, frame.buffer)
  t.ok(Buffer.from(received.entries[1]?.bytes ?? []).equals(second.bytes))
})

t.test('a flipped bit in an entry is found on receipt', async (t) => {
  const one = makeEntry(
    { index: 1, term: 1, type: 'commands', time_ms: 1, firstRevision: 1, count: 1 },
    Buffer.alloc(20, 1),
    0,
  )
  const parts = encodeMessage({
    type: 'append',
    from: '0/a',
    to: '1/b',
    term: 1,
    previousIndex: 0,
    previousTerm: 0,
    acked: 0,
    entries: [one],
    commit: 0,
    sent_ms: 0,
    echo_ms: 0,
    echoLife: 0,
    token: undefined,
  })
  const frame = Buffer.concat(parts)
  const start = frame.length - one.bytes.length
  for (let at = start; at < frame.length; at += 1) {
    const damaged = Buffer.from(frame)
    damaged[at] = (damaged[at] as number) ^ 1
    t.throws(() => decodeMessage(damaged), { code: 'data-damaged' }, `byte ${at - start}`)
  }
})

t.test('whatever arrives, decoding throws nothing but a ClusterError', async (t) => {
  const numbers = { seed: seed(t), numRuns: 2000 }
  const messageBytes = message.map((sent) => new Uint8Array(Buffer.concat(encodeMessage(sent))))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated(messageBytes)), (bytes) =>
      onlyClusterErrors(() => decodeMessage(bytes)),
    ),
    numbers,
  )
  const headBytes = head.map((value) => new Uint8Array(encodeSnapshotHead(value)))
  const helloBytes = hello.map((value) => new Uint8Array(encodeHello(value)))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated(headBytes), mutated(helloBytes)), (bytes) =>
      [decodeSnapshotHead, decodeHello, decodeRefused, decodePlaces].every((decode) =>
        onlyClusterErrors(() => decode(Buffer.from(bytes))),
      ),
    ),
    numbers,
  )
})

t.test('a message of a later format is named so', async (t) => {
  const bytes = Buffer.concat(
    encodeMessage({ type: 'vote-reply', granted: true, from: '0/a', to: '1/b', term: 3 }),
  )
  bytes[0] = 2
  t.throws(() => decodeMessage(bytes), { code: 'format-too-new' })
})

t.test('an index that is none is a programmer error at the sender', async (t) => {
  for (const term of [-1, 1.5, Number.NaN, 2 ** 53]) {
    t.throws(
      () => encodeMessage({ type: 'vote-reply', granted: true, from: '0/a', to: '1/b', term }),
      { name: 'InvariantError' },
    )
  }
})

t.test('hellos, refusals and heads of snapshots come back as they went', async (t) => {
  const numbers = { seed: seed(t), numRuns: 300 }
  fc.assert(
    fc.property(hello, (sent) => {
      t.same(decodeHello(encodeHello(sent)), sent)
      t.same(decodeHello(Buffer.concat([encodeHello(sent), Buffer.from('later')])), sent)
      const before = encodeHello(sent).subarray(0, -1)
      t.same(decodeHello(before), sent, 'of a peer without the last field')
      const earlier = before.subarray(0, -1)
      t.same(decodeHello(earlier), { ...sent, wasMember: false }, 'without the last two')
    }),
    numbers,
  )
  fc.assert(
    fc.property(hello, stopping, (sent, stopping) => {
      t.equal(decodeHello(encodeHello({ ...sent, stopping })).stopping, stopping)
    }),
    numbers,
  )
  fc.assert(
    fc.property(head, (sent) => {
      t.same(decodeSnapshotHead(encodeSnapshotHead(sent)), sent)
    }),
    numbers,
  )
  for (const code of ['wrong-cluster', 'removed-replica'] as const) {
    t.equal(decodeRefused(encodeRefused(code)), code)
  }
  t.throws(() => decodeRefused(Buffer.from('internal')), { code: 'malformed-frame' })
})
