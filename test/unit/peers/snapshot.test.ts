import t from 'tap'
import type { SnapshotMeta } from '../../../src/database/consensus/types.ts'
import type { IncomingSnapshot, SnapshotSource } from '../../../src/database/replica/ports.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import { startCluster, type Teardown, type TestReplica, until } from './replicas.ts'

const META: SnapshotMeta = {
  index: 7,
  term: 3,
  chain: 9,
  time_ms: 1000,
  nextRevision: 42,
  membership: {
    clusterId: 'id',
    history: 'history',
    voters: ['0/incarnation-0'],
    learners: ['1/incarnation-1'],
    removed: [],
    opened: true,
  },
}

/** A source that counts what was pulled from it. */
function sourceOf(chunks: () => AsyncIterable<Uint8Array>): SnapshotSource & { pulled: number } {
  const source = {
    meta: META,
    pulled: 0,
    close: async () => undefined,
    async *chunks() {
      for await (const chunk of chunks()) {
        source.pulled += 1
        yield chunk
      }
    },
  }
  return source
}

async function* repeat(count: number, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i += 1) yield Buffer.alloc(size, i)
}

type Pair = { a: TestReplica; b: TestReplica }

async function pair(
  test: Teardown,
  onSnapshot: (snapshot: IncomingSnapshot) => Promise<void>,
  stall_ms = 5000,
): Promise<Pair> {
  const { replicas } = await startCluster(test, 2, {
    snapshots: { stall_ms, answer_ms: stall_ms },
    handlers: { onSnapshot },
  })
  const [a, b] = replicas as [TestReplica, TestReplica]
  return { a, b }
}

function send({ a, b }: Pair, source: SnapshotSource): Promise<void> {
  return a.transport.sendSnapshot(b.member, { from: a.member, term: 3, source })
}

t.test('chunks arrive as they were cut, with their metadata', async (t) => {
  const got: { head: object; sizes: number[] }[] = []
  const two = await pair(t, async ({ from, term, meta, chunks }) => {
    const sizes: number[] = []
    for await (const chunk of chunks) {
      sizes.push(chunk.length)
      t.ok(chunk.every((byte) => byte === chunk[0]))
    }
    got.push({ head: { from, term, meta }, sizes })
  })
  const sizes = [1, 262_144, 3, 1_500_000, 65_536]
  const source = sourceOf(async function* () {
    for (const [index, size] of sizes.entries()) yield Buffer.alloc(size, index)
  })
  await send(two, source)
  t.same(got, [{ head: { from: two.a.member, term: 3, meta: META }, sizes }])
  await send(
    two,
    sourceOf(() => repeat(0, 0)),
  )
  t.same(got[1]?.sizes, [], 'an empty one is whole too')
})

t.test('a slow receiver holds the sender back', async (t) => {
  const { promise: go, resolve: release } = Promise.withResolvers<void>()
  let received = 0
  const two = await pair(t, async ({ chunks }) => {
    await go
    for await (const chunk of chunks) received += chunk.length
  })
  const source = sourceOf(() => repeat(400, 262_144))
  const sent = send(two, source)
  let before = -1
  let looks = 0
  await until('the sender stops by itself', () => {
    looks = source.pulled > 0 && source.pulled === before ? looks + 1 : 0
    before = source.pulled
    return looks > 25
  })
  t.ok(source.pulled < 200, `${source.pulled} of 400 chunks were read`)
  release()
  await sent
  t.equal(received, 400 * 262_144)
})

t.test('it is done only when the receiver has stored it', async (t) => {
  const { promise: stored, resolve: store } = Promise.withResolvers<void>()
  let read = false
  const two = await pair(t, async ({ chunks }) => {
    for await (const chunk of chunks) t.ok(chunk.length > 0)
    read = true
    await stored
  })
  let done = false
  const sent = send(
    two,
    sourceOf(() => repeat(3, 1000)),
  ).then(() => {
    done = true
  })
  await until('it was read', () => read)
  t.notOk(done)
  store()
  await sent
  t.ok(done)
})

t.test('a receiver that fails in the midst is heard', async (t) => {
  let failure: Error = new ClusterError('disk-full', 'no space for the snapshot')
  const two = await pair(t, async ({ chunks }) => {
    for await (const chunk of chunks) if (chunk.length > 0) throw failure
  })
  const source = sourceOf(() => repeat(400, 262_144))
  await t.rejects(send(two, source), { code: 'disk-full', message: 'no space for the snapshot' })
  t.ok(source.pulled < 400, 'the rest is not sent')
  failure = new Error('something else')
  await t.rejects(
    send(
      two,
      sourceOf(() => repeat(2, 10)),
    ),
    { code: 'internal' },
  )
})

t.test('a source that fails is the sender’s own error, and no whole snapshot', async (t) => {
  const { promise: ended, resolve: end } = Promise.withResolvers<unknown>()
  const two = await pair(t, async ({ chunks }) => {
    try {
      for await (const chunk of chunks) t.ok(chunk.length > 0)
      end(undefined)
    } catch (error) {
      end(error)
      throw error
    }
  })
  const source = sourceOf(async function* () {
    yield Buffer.alloc(1000)
    throw new ClusterError('data-damaged', 'a record has a wrong CRC')
  })
  await t.rejects(send(two, source), { code: 'data-damaged' })
  t.match(await ended, { code: 'malformed-frame' })
})

t.test('a second snapshot at the same time is refused', async (t) => {
  const { promise: go, resolve: release } = Promise.withResolvers<void>()
  let begun = 0
  const two = await pair(t, async ({ chunks }) => {
    begun += 1
    await go
    for await (const chunk of chunks) t.ok(chunk.length > 0)
  })
  const first = send(
    two,
    sourceOf(() => repeat(2, 10)),
  )
  await until('the first began', () => begun === 1)
  await t.rejects(
    send(
      two,
      sourceOf(() => repeat(2, 10)),
    ),
    { code: 'overloaded' },
  )
  release()
  await first
  await send(
    two,
    sourceOf(() => repeat(2, 10)),
  )
  t.equal(begun, 2)
})

t.test('a stream that stalls is given up at both ends', async (t) => {
  const { promise: ended, resolve: end } = Promise.withResolvers<unknown>()
  const two = await pair(
    t,
    async ({ chunks }) => {
      try {
        for await (const chunk of chunks) t.ok(chunk.length > 0)
        end(undefined)
      } catch (error) {
        end(error)
        throw error
      }
    },
    200,
  )
  const { promise: never, resolve: wake } = Promise.withResolvers<void>()
  t.teardown(() => wake())
  const source = sourceOf(async function* () {
    yield Buffer.alloc(1000)
    await never
  })
  await t.rejects(send(two, source))
  t.match(await ended, { code: 'malformed-frame' })
})

t.test('a receiver that never answers is given up', async (t) => {
  const { promise: never, resolve: wake } = Promise.withResolvers<void>()
  t.teardown(() => wake())
  const two = await pair(t, () => never, 200)
  await t.rejects(
    send(
      two,
      sourceOf(() => repeat(2, 10)),
    ),
    { code: 'deadline-exceeded' },
  )
})

t.test('a snapshot for another incarnation, and one to nobody, are refused', async (t) => {
  const two = await pair(t, async () => {
    t.fail('must not be received')
  })
  const source = sourceOf(() => repeat(2, 10))
  const options = { from: two.a.member, term: 3, source }
  const { transport } = two.a
  await t.rejects(transport.sendSnapshot('1/another', options), { code: 'wrong-replica' })
  await t.rejects(transport.sendSnapshot('5/nobody', options), { code: 'no-replica' })
})

t.test('closing the sender ends its stream', async (t) => {
  let begun = false
  const { promise: ended, resolve: end } = Promise.withResolvers<unknown>()
  const two = await pair(t, async ({ chunks }) => {
    begun = true
    try {
      for await (const chunk of chunks) t.ok(chunk.length > 0)
    } catch (error) {
      end(error)
      throw error
    }
  })
  const { promise: never, resolve: wake } = Promise.withResolvers<void>()
  t.teardown(() => wake())
  const source = sourceOf(async function* () {
    yield Buffer.alloc(1000)
    await never
  })
  const sent = t.rejects(send(two, source), { code: 'shutting-down' })
  await until('it began', () => begun)
  await two.a.close()
  await sent
  t.match(await ended, { code: 'malformed-frame' })
})
