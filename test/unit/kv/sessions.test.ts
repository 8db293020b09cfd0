import t from 'tap'
import { decodeSession, encodeSession } from '../../../src/database/kv/session-codec.ts'
import type { KvState } from '../../../src/database/kv/state.ts'
import type { Command, SessionState } from '../../../src/database/kv/types.ts'
import {
  SESSION_IDLE_MS_MAX,
  SESSION_RESULTS_MAX,
  SESSIONS_MAX,
} from '../../../src/shared/limits.ts'
import {
  applySegments,
  del,
  flush,
  MapDisk,
  openSession,
  put,
  read,
  run,
  segment,
} from './support.ts'

/** Sends commands with these sequences in one segment. */
function send(
  state: KvState,
  head: { session: number; floor?: number; time_ms?: number },
  ...commands: [sequence: number, command: Command][]
) {
  const { session, floor = 0, time_ms } = head
  const sent = commands.map(([sequence, command]) => ({ sequence, command }))
  return applySegments(state, [{ session, floor, commands: sent }], time_ms)[0] ?? []
}

t.test('a session is named by the revision that opened it', async (t) => {
  const state = new MapDisk().open()
  run(state, put('a', '1'))
  t.equal(openSession(state), 2)
  t.equal(openSession(state), 3)
})

t.test('a retry gets the stored result and is not executed, however it is grouped', async (t) => {
  const state = new MapDisk().open()
  const session = openSession(state)
  const first = send(
    state,
    { session },
    [1, put('a', '1')],
    [2, put('a', '2', { condition: { noneMatch: 'any' } })],
    [3, del('gone')],
  )
  t.match(first, [
    { status: 'created', revision: 2, repeated: false },
    { status: 'condition-failed', revision: 2, repeated: false },
    { status: 'absent', revision: 0, repeated: false },
  ])
  run(state, del('a'))
  const [one, two] = applySegments(state, [
    segment({ session, first: 2 }, put('a', '2', { condition: { noneMatch: 'any' } })),
    {
      session,
      floor: 0,
      commands: [
        { sequence: 4, command: put('b', '1') },
        { sequence: 1, command: put('a', '1') },
        { sequence: 3, command: del('gone') },
      ],
    },
  ])
  t.strictSame(one, [{ ...first[1], repeated: true }], 'although the condition would hold now')
  t.strictSame(two?.slice(1), [
    { ...first[0], repeated: true },
    { ...first[2], repeated: true },
  ])
  t.match(two?.[0], { status: 'created', repeated: false })
  t.equal(read(state, 'a'), undefined, 'it stays deleted')
  t.match(send(state, { session }, [4, put('b', '1')]), [{ status: 'created', repeated: true }])
  t.match(read(state, 'b'), { version: 1 })
})

t.test('the same sequence twice in one segment is executed once', async (t) => {
  const state = new MapDisk().open()
  const session = openSession(state)
  t.match(send(state, { session }, [1, put('a', '1')], [1, put('a', '1')]), [
    { status: 'created', revision: 2, repeated: false },
    { status: 'created', revision: 2, repeated: true },
  ])
  t.match(read(state, 'a'), { version: 1 })
})

t.test('sequences come in any order and with gaps', async (t) => {
  const state = new MapDisk().open()
  const session = openSession(state)
  for (const sequence of [9, 2, 1_000_000, 5, 3]) {
    t.match(send(state, { session }, [sequence, put(`k${sequence}`, '')]), [
      { status: 'created', repeated: false },
    ])
  }
  for (const sequence of [2, 3, 5, 9, 1_000_000]) {
    t.match(send(state, { session }, [sequence, put(`k${sequence}`, '')]), [{ repeated: true }])
  }
  t.match(send(state, { session }, [4, put('k4', '')]), [{ status: 'created', repeated: false }])
})

t.test('at or below the floor nothing is executed; the floor never goes back', async (t) => {
  const state = new MapDisk().open()
  const session = openSession(state)
  send(state, { session }, [1, put('a', '1')], [2, put('a', '2')], [8, put('a', '8')])
  t.match(send(state, { session, floor: 5 }, [5, put('b', '5')], [2, put('a', '2')]), [
    { status: 'below-floor', revision: 0, repeated: false },
    { status: 'below-floor', revision: 0, repeated: false },
  ])
  t.match(
    send(state, { session, floor: 1 }, [4, put('b', '4')], [6, put('b', '6')], [8, del('a')]),
    [
      { status: 'below-floor' },
      { status: 'created', repeated: false },
      { status: 'updated', repeated: true },
    ],
  )
  t.match(read(state, 'a'), { version: 3 })
  t.match(read(state, 'b'), { version: 1 })
  t.match(send(state, { session, floor: Number.MAX_SAFE_INTEGER }, [9, put('b', '9')]), [
    { status: 'below-floor' },
  ])
})

t.test('sequence 0 is below any floor', async (t) => {
  const state = new MapDisk().open()
  const session = openSession(state)
  t.match(send(state, { session }, [0, put('a', '1')]), [{ status: 'below-floor' }])
})

t.test('a session that is not known executes nothing', async (t) => {
  const state = new MapDisk().open()
  const session = openSession(state)
  t.match(send(state, { session: session + 1 }, [1, put('a', '1')], [2, del('a')]), [
    { status: 'session-unknown', revision: 0 },
    { status: 'session-unknown', revision: 0 },
  ])
  t.match(run(state, { type: 'close-session', session }), [{ status: 'done' }])
  t.match(run(state, { type: 'close-session', session }), [{ status: 'unchanged' }])
  t.match(send(state, { session }, [1, put('a', '1')]), [{ status: 'session-unknown' }])
  t.equal(read(state, 'a'), undefined)
})

t.test('a full session refuses, and takes commands again when its floor moves', async (t) => {
  const state = new MapDisk().open()
  const session = openSession(state)
  const commands = Array.from({ length: SESSION_RESULTS_MAX }, (_, index): [number, Command] => [
    index + 1,
    del('x'),
  ])
  const results = send(state, { session }, ...commands)
  t.equal(results.filter(({ status }) => status === 'absent').length, SESSION_RESULTS_MAX)
  const next = SESSION_RESULTS_MAX + 1
  t.match(send(state, { session }, [next, put('a', '1')]), [
    { status: 'session-full', revision: 0, repeated: false },
  ])
  t.equal(read(state, 'a'), undefined)
  t.match(send(state, { session }, [7, del('x')]), [{ status: 'absent', repeated: true }])
  t.match(send(state, { session, floor: 1 }, [next, put('a', '1')], [next + 1, del('a')]), [
    { status: 'created', repeated: false },
    { status: 'session-full' },
  ])
})

t.test('one session too many ends the least recently used', async (t) => {
  const state = new MapDisk().open()
  const sessions = Array.from({ length: SESSIONS_MAX }, (_, index) =>
    openSession(state, 1000 + index),
  )
  const [first, second, third] = sessions as [number, number, number]
  send(state, { session: first, time_ms: 5000 })
  const added = openSession(state, 5000)
  const known = (session: number) =>
    send(state, { session, floor: 0 }, [1, del('x')])[0]?.status !== 'session-unknown'
  t.equal(known(second), false)
  for (const session of [first, third, added]) t.equal(known(session), true)
})

t.test('of sessions used at the same time the oldest ends', async (t) => {
  const state = new MapDisk().open()
  const sessions = Array.from({ length: SESSIONS_MAX }, () => openSession(state, 1000))
  openSession(state, 1000)
  t.match(send(state, { session: sessions[0] ?? 0 }, [1, del('x')]), [
    { status: 'session-unknown' },
  ])
  t.match(send(state, { session: sessions[1] ?? 0 }, [1, del('x')]), [{ status: 'absent' }])
})

t.test('an idle session ends by a command that names its last use', async (t) => {
  const state = new MapDisk().open()
  const idle = openSession(state, 1000)
  const used = openSession(state, 1000)
  send(state, { session: used, time_ms: 2000 })
  t.strictSame(state.idleSessions(999 + SESSION_IDLE_MS_MAX), [])
  const commands = state.idleSessions(1000 + SESSION_IDLE_MS_MAX)
  t.strictSame(commands, [{ type: 'expire-session', session: idle, lastUse_ms: 1000 }])
  send(state, { session: idle, time_ms: 3000 })
  t.match(run(state, ...commands), [{ status: 'unchanged', revision: 0 }], 'used again since')
  t.match(send(state, { session: idle }, [1, put('a', '1')]), [{ status: 'created' }])
  const later = state.idleSessions(3000 + SESSION_IDLE_MS_MAX)
  t.equal(later.length, 2)
  t.match(run(state, ...later), [{ status: 'done' }, { status: 'done' }])
  t.match(send(state, { session: idle }, [1, put('a', '1')]), [{ status: 'session-unknown' }])
})

t.test('sessions survive a restart, ended ones stay ended', async (t) => {
  const disk = new MapDisk()
  let state = disk.open()
  const kept = openSession(state)
  const ended = openSession(state)
  send(state, { session: kept, floor: 2 }, [9, put('a', '1')], [4, put('b', '1')])
  flush(state, disk)
  run(state, { type: 'close-session', session: ended })
  flush(state, disk)
  t.strictSame([...disk.sessions.keys()], [kept])
  state = disk.open()
  t.match(
    send(state, { session: kept }, [2, del('a')], [4, del('a')], [9, del('a')], [5, del('a')]),
    [
      { status: 'below-floor' },
      { status: 'created', repeated: true },
      { status: 'created', repeated: true },
      { status: 'deleted', repeated: false },
    ],
  )
})

t.test('a session that was not used is not written again', async (t) => {
  const disk = new MapDisk()
  const state = disk.open()
  const one = openSession(state)
  const two = openSession(state)
  flush(state, disk)
  send(state, { session: two }, [1, put('a', '1')])
  t.strictSame([...(state.takeChanges()?.sessions.keys() ?? [])], [two])
  t.not(one, two)
})

t.test('a stored session has one form, and damage in it shows', async (t) => {
  const make = (order: number[]): SessionState => ({
    id: 2 ** 40,
    floor: 7,
    lastUse_ms: 1_700_000_000_000,
    results: new Map(
      order.map((sequence) => [
        sequence,
        { status: 'created', revision: 2 ** 52 - (sequence % 1000) },
      ]),
    ),
  })
  const encoded = encodeSession(make([8, 300, 2 ** 50]))
  t.strictSame(decodeSession(encoded), make([8, 300, 2 ** 50]))
  t.ok(encodeSession(make([300, 2 ** 50, 8])).equals(encoded), 'whatever the order of arrival')
  for (let at = 0; at < encoded.length; at++) {
    const damaged = Buffer.from(encoded)
    damaged[at] = (damaged[at] as number) ^ 0x40
    const code = at === 0 ? 'format-too-new' : 'data-damaged'
    t.throws(() => decodeSession(damaged), { code })
    t.throws(() => decodeSession(encoded.subarray(0, at)), { code: 'data-damaged' })
  }
})

t.test('results that follow one another take few bytes', async (t) => {
  const results: SessionState['results'] = new Map()
  for (let n = 1; n <= 256; n++)
    results.set(1_000_000 + n, { status: 'updated', revision: 5_000_000 + n })
  const encoded = encodeSession({ id: 4_999_000, floor: 1_000_000, lastUse_ms: 1, results })
  t.ok(encoded.length < 33 + 256 * 5, `${encoded.length} bytes`)
})
