/** The faults of a disk, a clock and a network, each in front of a stand-in for the true one. */

import t from 'tap'
import type { Message } from '../../../src/database/consensus/types.ts'
import { faultyClock } from '../../../src/database/faults/faulty-clock.ts'
import { FaultyStorage } from '../../../src/database/faults/faulty-storage.ts'
import { FaultyTransport } from '../../../src/database/faults/faulty-transport.ts'
import type { Storage, TransportHandlers } from '../../../src/database/replica/ports.ts'
import { LINK_QUEUE_BYTES_MAX } from '../../../src/shared/limits.ts'
import { stage } from './stage.ts'

const BATCH = { writes: [], changes: undefined }

/** A disk whose batches are synced at once. */
function disk() {
  const written: number[] = []
  const inner = {
    records: { get: () => undefined },
    write: async () => void written.push(1),
    compact: async (index: number) => index,
    space: async () => ({ free_bytes: 1000, used_bytes: 10 }),
  } as unknown as Storage
  return { inner, written }
}

t.test(
  'a slow disk syncs each batch later, and goes on at once when the fault is over',
  async (t) => {
    const { clock, board, press } = stage()
    const { inner, written } = disk()
    const storage = new FaultyStorage(inner, { board, clock })
    await storage.write(BATCH)
    t.equal(written.length, 1)
    press('slow-disk', 'by=200ms&for=1s')
    const slow = storage.write(BATCH)
    await clock.advance(199)
    t.equal(written.length, 1)
    await clock.advance(1)
    await slow
    t.equal(written.length, 2)
    await clock.advance(1000)
    await storage.write(BATCH)
    t.equal(written.length, 3)
  },
)

t.test('a full disk reports no room; at `write` it refuses the batch as ENOSPC does', async (t) => {
  const { clock, board, press } = stage()
  const { inner, written } = disk()
  const storage = new FaultyStorage(inner, { board, clock })
  press('full-disk', 'for=5s')
  t.strictSame(await storage.space(), { free_bytes: 0, used_bytes: 10 })
  await storage.write(BATCH)
  t.equal(written.length, 1, 'what is written all the same is stored')
  press('full-disk', 'for=5s&at=write')
  await t.rejects(storage.write(BATCH), {
    code: 'storage-failed',
    outcome: 'unknown',
    cause: { code: 'ENOSPC' },
  })
  await t.rejects(storage.compact(3), { code: 'storage-failed' })
  t.equal(written.length, 1)
  await clock.advance(5000)
  t.strictSame(await storage.space(), { free_bytes: 1000, used_bytes: 10 })
})

t.test('a jump moves the wall clock alone, there and back', async (t) => {
  const { clock, board, press } = stage()
  const wrong = faultyClock(clock, board)
  press('clock-jump', 'by=-2h&for=1s')
  t.equal(wrong.wall_ms(), clock.wall_ms() - 7_200_000)
  t.equal(wrong.now_ms(), clock.now_ms())
  await clock.advance(1000)
  t.equal(wrong.wall_ms(), clock.wall_ms())
})

/** A network on which everything arrives at once. */
async function network(random = () => 0) {
  const { clock, board, press } = stage()
  const sent: string[] = []
  const heard: string[] = []
  const unreachable: string[] = []
  let filter: ((direction: 'in' | 'out', ordinal: number) => boolean) | undefined
  let inside: TransportHandlers | undefined
  const transport = new FaultyTransport(
    {
      start: async (_hello, handlers) => {
        inside = handlers
      },
      announce: () => undefined,
      send: (message) => void sent.push(`${message.to} ${message.term}`),
      sendSnapshot: async () => undefined,
      peers: () =>
        [1, 2].map((ordinal) => ({
          ordinal,
          connected: true,
          address: undefined,
          hello: undefined,
          heard_ms: 0,
          problem: undefined,
        })),
      close: async () => undefined,
      setFilter: (wanted) => {
        filter = wanted
      },
    },
    { board, clock, random, wrapLink: (link) => link },
  )
  await transport.start({} as never, {
    onHello: () => undefined,
    onRefused: () => undefined,
    onMessage: (message) => void heard.push(`${message.from} ${message.term}`),
    onSnapshot: async () => undefined,
    onUnreachable: (member) => void unreachable.push(member),
    onApiLink: () => undefined,
  })
  const message = (ordinals: { from: number; to: number }, term: number): Message => ({
    type: 'pre-vote',
    from: `${ordinals.from}/x`,
    to: `${ordinals.to}/x`,
    term,
    lastIndex: 0,
    lastTerm: 0,
    round: 0,
  })
  const send = (to: number, term: number) => transport.send(message({ from: 0, to }, term))
  const receive = (from: number, term: number) => inside?.onMessage(message({ from, to: 0 }, term))
  const passes = (direction: 'in' | 'out', ordinal: number) => filter?.(direction, ordinal) ?? true
  return { clock, board, press, transport, sent, heard, unreachable, send, receive, passes }
}

t.test('isolate cuts the directions and peers that were named, and no others', async (t) => {
  const { clock, press, transport, passes } = await network()
  const cut = () =>
    (['in', 'out'] as const).flatMap((direction) =>
      [1, 2].filter((ordinal) => !passes(direction, ordinal)).map((one) => `${direction} ${one}`),
    )
  t.strictSame(cut(), [])
  press('isolate', 'for=1s')
  t.strictSame(cut(), ['in 1', 'in 2', 'out 1', 'out 2'])
  t.strictSame(
    transport.peers().map(({ connected }) => connected),
    [false, false],
  )
  press('isolate', 'for=1s&direction=in&peers=db-2')
  t.strictSame(cut(), ['in 2'])
  t.strictSame(
    transport.peers().map(({ connected }) => connected),
    [true, false],
  )
  press('isolate', 'for=1s&direction=out&peers=1')
  t.strictSame(cut(), ['out 1'])
  await clock.advance(1000)
  t.strictSame(cut(), [])
})

t.test('a slow network delays messages, and keeps their order whatever the jitter', async (t) => {
  const draws = [0.9, 0, 0.5, 0]
  const { clock, press, sent, heard, send, receive } = await network(() => draws.shift() ?? 0)
  press('slow-network', 'for=10s&by=100ms&jitter=100ms')
  send(1, 1)
  send(1, 2)
  await clock.advance(189)
  t.strictSame(sent, [])
  await clock.advance(1)
  t.strictSame(sent, ['1/x 1', '1/x 2'], 'the second waits for the first')
  receive(2, 3)
  send(2, 4)
  await clock.advance(100)
  t.strictSame(sent.slice(2), ['2/x 4'], 'links do not wait for each other')
  t.strictSame(heard, [])
  await clock.advance(50)
  t.strictSame(heard, ['2/x 3'])
})

t.test(
  'when a slow network is over, what is on its way arrives at once and in order',
  async (t) => {
    const { board, press, sent, heard, send, receive } = await network()
    press('slow-network', 'by=5s&direction=out&peers=db-1')
    for (const term of [1, 2, 3]) send(1, term)
    send(2, 4)
    receive(1, 5)
    t.strictSame(sent, ['2/x 4'], 'another peer')
    t.strictSame(heard, ['1/x 5'], 'the other direction')
    board.end('slow-network')
    send(1, 6)
    t.strictSame(sent.slice(1), ['1/x 1', '1/x 2', '1/x 3', '1/x 6'])
  },
)

t.test(
  'what waits on a slow network is bounded; what does not fit is said to be lost',
  async (t) => {
    const { clock, press, transport, unreachable, sent } = await network()
    press('slow-network', 'by=1s')
    const bytes = Buffer.alloc(LINK_QUEUE_BYTES_MAX / 4)
    const append = {
      type: 'append',
      from: '0/x',
      to: '1/x',
      term: 1,
      entries: [{ bytes }],
    } as unknown as Message
    for (let number = 0; number < 5; number += 1) transport.send(append)
    await clock.advance(1000)
    t.equal(sent.length, 3)
    t.strictSame(unreachable, ['1/x', '1/x'])
  },
)
