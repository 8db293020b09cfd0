import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import type { Clock } from '../../../src/shared/clock.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import { FramedLink } from '../../../src/shared/framing.ts'
import { FRAME_BYTES_MAX } from '../../../src/shared/limits.ts'
import { seed } from './seed.ts'

type Pair = { near: Socket; far: Socket }

async function pair(test: Tap.Test | typeof t): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [
    [Socket],
    unknown,
  ]
  test.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return { near, far }
}
declare namespace Tap {
  type Test = { teardown: (run: () => unknown) => void }
}

type Frame = { type: number; body: Buffer }

/** Collects frames; `until(n)` resolves when there are n. */
function collect(link: FramedLink): { frames: Frame[]; until(count: number): Promise<Frame[]> } {
  const frames: Frame[] = []
  let wake = (): void => undefined
  link.onFrame = (type, body) => {
    frames.push({ type, body })
    wake()
  }
  return {
    frames,
    until: async (count) => {
      while (frames.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return frames
    },
  }
}

function closed(link: FramedLink): Promise<Error | undefined> {
  return new Promise((resolve) => {
    link.onClose = resolve
  })
}

/** A clock that moves only when told. */
function manualClock(): Clock & { advance(ms: number): void } {
  let now = 0
  const timers = new Set<{ at: number; run: () => void }>()
  return {
    now_ms: () => now,
    wall_ms: () => now,
    after: (delay_ms, run) => {
      const timer = { at: now + delay_ms, run }
      timers.add(timer)
      return { cancel: () => timers.delete(timer) }
    },
    advance: (ms) => {
      now += ms
      for (const timer of [...timers].sort((a, b) => a.at - b.at)) {
        if (timer.at > now) continue
        timers.delete(timer)
        timer.run()
      }
    },
  }
}

t.test('frames of one turn arrive in order, whatever their sizes', async (t) => {
  const { near, far } = await pair(t)
  const sender = new FramedLink(near)
  const received = collect(new FramedLink(far))
  const sizes = [0, 1, 5, 2047, 2048, 2049, 16_384, 70_000, 1_000_000, 3]
  for (const [index, size] of sizes.entries()) {
    const body = Buffer.alloc(size, index + 1)
    t.ok(sender.send(index + 1, [body.subarray(0, size >> 1), body.subarray(size >> 1)]))
  }
  const frames = await received.until(sizes.length)
  for (const [index, size] of sizes.entries()) {
    const frame = frames[index]
    t.equal(frame?.type, index + 1)
    t.ok(frame?.body.equals(Buffer.alloc(size, index + 1)), `body of ${size} bytes`)
  }
  t.ok(sender.queuedBytes >= 0)
})

t.test('small frames of one turn leave in one write', async (t) => {
  const { near, far } = await pair(t)
  const sender = new FramedLink(near)
  const chunks: Buffer[] = []
  far.on('data', (chunk) => chunks.push(chunk as Buffer))
  for (let i = 0; i < 100; i += 1) sender.send(7, [Buffer.from('hello')])
  t.equal(near.bytesWritten, 0, 'nothing leaves within the turn')
  t.equal(sender.queuedBytes, 1000)
  while (chunks.reduce((sum, chunk) => sum + chunk.length, 0) < 1000) await once(far, 'data')
  t.equal(chunks.length, 1)
})

t.test('any frames survive any cutting of the stream into chunks', async (t) => {
  const random = seed(t)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 255 }), fc.uint8Array({ maxLength: 3000 })), {
        maxLength: 12,
      }),
      fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 40 }),
      async (frames, cuts) => {
        const out = new PassThrough()
        const sender = new FramedLink(out)
        for (const [type, body] of frames) sender.send(type, [body])
        const bytes: Buffer[] = []
        out.on('data', (chunk) => bytes.push(chunk as Buffer))
        sender.close()
        await once(out, 'end')
        const stream = Buffer.concat(bytes)

        const into = new PassThrough()
        const receiver = new FramedLink(into)
        const received = collect(receiver)
        let at = 0
        for (let i = 0; at < stream.length; i += 1) {
          const size = cuts[i % cuts.length] as number
          into.write(stream.subarray(at, at + size))
          at += size
        }
        await received.until(frames.length)
        receiver.close()
        const plain = received.frames.map(({ type, body }) => [type, [...body]])
        const expected = frames.map(([type, body]) => [type, [...body]])
        return JSON.stringify(plain) === JSON.stringify(expected)
      },
    ),
    { seed: random, numRuns: 60 },
  )
})

t.test('a body within one chunk is a slice of it, not a copy', async (t) => {
  const into = new PassThrough()
  const link = new FramedLink(into)
  const received = collect(link)
  const chunk = Buffer.from([0, 0, 0, 3, 9, 1, 2, 0, 0, 0, 2, 8, 7])
  into.write(chunk)
  const [first, second] = await received.until(2)
  t.equal(first?.body.buffer, chunk.buffer)
  t.equal(second?.body.buffer, chunk.buffer)
  link.close()
})

t.test('a frame above the limit, and one without a type, end the link', async (t) => {
  for (const size of [FRAME_BYTES_MAX + 1, 0xffff_ffff, 0]) {
    const { near, far } = await pair(t)
    const link = new FramedLink(far)
    const { frames } = collect(link)
    const ended = closed(link)
    const header = Buffer.alloc(5)
    header.writeUInt32BE(size, 0)
    near.on('error', () => undefined)
    near.write(header)
    const reason = await ended
    t.ok(reason instanceof ClusterError && reason.code === 'malformed-frame')
    t.equal(frames.length, 0)
    t.ok(link.closed)
  }
})

t.test('a full queue drops the frame and says so, and takes frames again later', async (t) => {
  const { near, far } = await pair(t)
  const sender = new FramedLink(near, { queue_bytes: 4_000_000 })
  const body = Buffer.alloc(500_000)
  let taken = 0
  // Nobody reads at the other end: the kernel's buffers fill, then the queue.
  for (let i = 0; i < 100; i += 1) {
    if (sender.send(1, [body])) taken += 1
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(taken < 100, `${taken} of 100 taken`)
  t.ok(sender.queuedBytes <= 4_000_000)
  t.ok(sender.queuedBytes > 3_000_000)
  const received = collect(new FramedLink(far))
  await received.until(taken)
  t.ok(sender.send(2, [body]))
  const frames = await received.until(taken + 1)
  t.equal(frames.at(-1)?.type, 2)
})

t.test('what was sent before a close still arrives', async (t) => {
  const { near, far } = await pair(t)
  const sender = new FramedLink(near)
  const receiver = new FramedLink(far)
  const received = collect(receiver)
  const ended = closed(receiver)
  const senderEnded = closed(sender)
  // Unread bytes on the way to the closing end must not turn its close into a reset.
  receiver.send(3, [Buffer.alloc(100_000)])
  sender.send(1, [Buffer.alloc(300_000, 1)])
  sender.send(2, [Buffer.from('last')])
  sender.close()
  t.notOk(sender.send(4, []), 'nothing more is taken')
  t.equal(await senderEnded, undefined)
  await ended
  t.same(
    received.frames.map((frame) => frame.type),
    [1, 2],
  )
})

t.test('onClose set after the end is still called, once', async (t) => {
  const { near, far } = await pair(t)
  const link = new FramedLink(near)
  collect(link)
  far.end()
  await once(near, 'close')
  t.ok(link.closed)
  let calls = 0
  await new Promise<void>((resolve) => {
    link.onClose = () => {
      calls += 1
      resolve()
    }
  })
  link.close()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(calls, 1)
})

t.test('frames that arrive before there is a handler wait for it', async (t) => {
  const { near, far } = await pair(t)
  const link = new FramedLink(far)
  new FramedLink(near).send(5, [Buffer.from('early')])
  while (far.readableLength === 0) await new Promise((resolve) => setImmediate(resolve))
  const frames = await collect(link).until(1)
  t.equal(frames[0]?.body.toString(), 'early')
})

t.test('a broken invariant of a handler is not swallowed', async (t) => {
  const into = new PassThrough()
  const link = new FramedLink(into)
  t.teardown(() => link.close())
  link.onFrame = () => {
    throw new TypeError('a bug')
  }
  t.throws(() => into.emit('data', Buffer.from([0, 0, 0, 1, 1])), { message: 'a bug' })
})

t.test('two silent ends keep a link alive with pings; a dead one is noticed', async (t) => {
  const { near, far } = await pair(t)
  const clock = manualClock()
  const options = { clock, ping_ms: 1000, silence_ms: 5000 }
  const link = new FramedLink(near, options)
  const other = new FramedLink(far, options)
  collect(link)
  collect(other)
  const ended = closed(link)
  for (let second = 0; second < 20; second += 1) {
    const pinged = Promise.all([once(near, 'data'), once(far, 'data')])
    clock.advance(1000)
    await pinged
  }
  t.notOk(link.closed || other.closed, 'alive after 20 s of silence')
  const silent = new FramedLink(new PassThrough(), options)
  collect(silent)
  // The other end stops without a word, as a stopped process does.
  far.pause()
  far.removeAllListeners('data')
  other.onFrame = () => undefined
  far.cork()
  const start = clock.now_ms()
  while (!link.closed && clock.now_ms() - start < 20_000) {
    clock.advance(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const reason = await ended
  t.match(reason, { code: 'no-replica' })
  const took_ms = clock.now_ms() - start
  t.ok(took_ms >= 5000 && took_ms <= 7000, `noticed after ${took_ms} ms`)
})

t.test('a process that was itself paused does not blame the other end', async (t) => {
  const { near } = await pair(t)
  const clock = manualClock()
  const link = new FramedLink(near, { clock, ping_ms: 1000, silence_ms: 5000 })
  collect(link)
  clock.advance(1000)
  clock.advance(60_000)
  t.notOk(link.closed, 'a pause of a minute is not silence')
  link.close()
})
