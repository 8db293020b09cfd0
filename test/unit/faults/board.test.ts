import t from 'tap'
import { FAULT_TYPES, readFault } from '../../../src/database/faults/fault-kinds.ts'
import { FAULT_MS_MAX } from '../../../src/shared/limits.ts'
import { stage } from './stage.ts'

t.test('a lasting fault ends by itself, and those who watch it are told', async (t) => {
  const { clock, board, events, press } = stage()
  const seen: (number | undefined)[] = []
  board.watch('slow-disk', () => seen.push(board.active('slow-disk')?.by_ms))
  press('slow-disk', 'for=2s&by=300ms')
  t.match(board.view('slow-disk').active, { parameters: { for: '2s', by: '300ms' } })
  await clock.advance(1999)
  t.equal(board.active('slow-disk')?.by_ms, 300)
  await clock.advance(1)
  t.equal(board.active('slow-disk'), undefined)
  t.equal(board.view('slow-disk').active, null)
  t.strictSame(seen, [300, undefined])
  t.strictSame(
    events.map(({ type, fault }) => `${fault} ${type}`),
    ['slow-disk begun', 'slow-disk ended'],
  )
})

t.test('pressed again it begins anew, with its new parameters', async (t) => {
  const { clock, board, press } = stage()
  press('slow-disk', 'for=2s')
  await clock.advance(1500)
  press('slow-disk', 'for=2s&by=1s')
  await clock.advance(1500)
  t.equal(board.active('slow-disk')?.by_ms, 1000, 'the first one does not end the second')
  t.equal(board.count('slow-disk'), 2)
  await clock.advance(500)
  t.equal(board.active('slow-disk'), undefined)
})

t.test('a fault may be ended before its time, or all at once', async (t) => {
  const { clock, board, events, press } = stage()
  press('lie')
  press('isolate')
  press('full-disk')
  t.ok(board.end('lie'))
  t.notOk(board.end('lie'), 'it is not active any more')
  t.equal(board.active('lie'), undefined)
  board.endAll()
  t.strictSame(board.notes(), [])
  t.equal(events.filter(({ type }) => type === 'ended').length, 3)
  await clock.advance(FAULT_MS_MAX)
  t.equal(events.filter(({ type }) => type === 'ended').length, 3, 'and no timer is left')
})

t.test('a sudden fault strikes after its answer has left', async (t) => {
  for (const [type, query, expected] of [
    ['kill', '', 'kill'],
    ['pause', 'for=7s', 'pause 7000'],
    ['lost-disk', '', 'lose disk'],
  ] as const) {
    const { clock, board, struck, press } = stage()
    press(type, query)
    t.strictSame(struck, [])
    t.not(board.view(type).active, null)
    await clock.advance(1000)
    t.strictSame(struck, [expected])
    t.equal(board.view(type).active, null, 'and is over for whoever survived it')
    press(type, query)
    board.end(type)
    await clock.advance(1000)
    t.equal(struck.length, 1, 'unless it is taken back in time')
  }
})

t.test(
  'each kind is listed with its parameters, and a line for people while it is active',
  async (t) => {
    const { board, press } = stage()
    const list = board.list()
    t.strictSame(
      list.map(({ name }) => name),
      FAULT_TYPES,
    )
    t.equal(list.length, 9)
    t.strictSame(list.find(({ name }) => name === 'isolate')?.parameters['direction'], {
      default: 'both',
      description: 'both, in (from others) or out (to others)',
      enum: ['both', 'in', 'out'],
    })
    press('isolate', 'peers=db-1,db-2&direction=in&for=4s')
    t.strictSame(board.active('isolate'), {
      type: 'isolate',
      for_ms: 4000,
      direction: 'in',
      peers: [1, 2],
    })
    t.match(board.notes(), [/^fault isolate .*peers=db-1,db-2.*, until 2023-/])
  },
)

t.test('what a fault may be told is bounded', async (t) => {
  const refused = (type: Parameters<typeof readFault>[0], query: string, message: RegExp) =>
    t.throws(() => readFault(type, `/?${query}`), { code: 'bad-request', message }, query)
  for (const type of FAULT_TYPES) {
    refused(type, 'volume=11', /unknown parameter volume/)
    if (type === 'kill' || type === 'lost-disk') refused(type, 'for=1s', /unknown parameter for/)
    else {
      refused(type, 'for=11m', /for must lie between 1 ms and 10 min/)
      refused(type, 'for=0', /for must lie between/)
      refused(type, 'for=soon', /for must be a duration/)
    }
  }
  refused('slow-disk', 'by=11s', /by must lie between/)
  refused('slow-network', 'jitter=11s', /jitter must lie between/)
  refused('isolate', 'direction=up', /direction must be both, in/)
  refused('isolate', 'peers=nobody', /peers must be all/)
  refused('full-disk', 'at=once', /at must be watermark/)
  refused('clock-jump', 'by=4000d', /by must lie between/)
  refused('lie', 'share=0', /share must lie between 1 and 100/)
  refused('lie', 'about=cakes', /about must be both/)
  t.match(readFault('clock-jump', '/?by=-90m').fault, { by_ms: -5_400_000 })
})
