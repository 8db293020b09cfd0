import pino from 'pino'
import t from 'tap'
import { decodeSegment } from '../../../src/database/kv/codec.ts'
import type { CommandResult } from '../../../src/database/kv/types.ts'
import { LocalWriter, type WritableLoop } from '../../../src/database/replica/http/local-writer.ts'
import type { Origin } from '../../../src/database/replica/proposals.ts'
import type { Clock } from '../../../src/shared/clock.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import { Face } from '../../../src/shared/http/face.ts'
import { createHttpServer } from '../../../src/shared/http/server.ts'
import { registerWriteRoutes } from '../../../src/shared/http/write-routes.ts'
import type { WriteCommand } from '../../../src/shared/http/write-taker.ts'
import { LOCAL_WRITE_BYTES_MAX, LOCAL_WRITES_MAX } from '../../../src/shared/limits.ts'

const HISTORY = 'abc'
const TIMEOUT_MS = 500

/** One timer after the other, when told to. */
function handClock(): Clock & { fire(): void; timers: Set<() => void> } {
  const timers = new Set<() => void>()
  return {
    timers,
    now_ms: () => 0,
    wall_ms: () => 0,
    after: (_delay_ms, run) => {
      timers.add(run)
      return { cancel: () => void timers.delete(run) }
    },
    fire: () => {
      for (const run of timers) {
        timers.delete(run)
        run()
      }
    },
  }
}

type Proposed = { readonly segment: Uint8Array; readonly count: number; readonly origin: Origin }
type FakeLoop = { -readonly [Name in keyof WritableLoop]: WritableLoop[Name] }

function stage() {
  const proposed: Proposed[] = []
  const loop: FakeLoop = {
    leads: true,
    refusing: undefined,
    halted: false,
    revision: 7,
    propose: (segment, count, origin) => void proposed.push({ segment, count, origin }),
  }
  const state = { loop: loop as WritableLoop | undefined, leader: 'db-0' as string | undefined }
  const clock = handClock()
  const writer = new LocalWriter({
    name: 'db-0',
    clock,
    loop: () => state.loop,
    leader: () => state.leader,
    history: () => HISTORY,
    missing: () => ['db-2'],
    notInCluster: () => ({ code: 'cluster-forming', message: 'it waits' }),
  })
  const said: string[] = []
  const submit = (command: WriteCommand): void =>
    writer.submit(command, TIMEOUT_MS, (error, result, source) => {
      if (error !== undefined) said.push(`${error.code} ${error.outcome}`)
      else said.push(`${result?.status} ${result?.revision} by ${source?.servedBy}`)
    })
  return { proposed, loop, state, clock, writer, said, submit }
}

const put: WriteCommand = {
  type: 'put',
  key: Buffer.from('greeting'),
  value: Buffer.from('hello'),
  contentType: 'text/plain',
  ttl_ms: 0,
  condition: undefined,
}
const remove: WriteCommand = { type: 'delete', key: put.key, condition: undefined }
const created: CommandResult = { status: 'created', revision: 8, repeated: false }

/** The only proposal. */
function only(proposed: readonly Proposed[]): Proposed {
  const [first] = proposed
  if (first === undefined || proposed.length > 1) throw new Error(`${proposed.length} proposals`)
  return first
}

t.test(
  'the leader proposes a write once, outside any session, and answers its result',
  async (t) => {
    const { proposed, clock, said, submit } = stage()
    submit(put)
    const { segment, count, origin } = only(proposed)
    t.equal(count, 1)
    t.match(decodeSegment(segment), {
      session: 0,
      floor: 0,
      commands: [{ command: { type: 'put', key: put.key, contentType: 'text/plain' } }],
    })
    t.same(said, [])
    origin.answer([created])
    t.same(said, ['created 8 by db-0'])
    t.equal(clock.timers.size, 0, 'its deadline is gone')
  },
)

t.test('conditions are compared within the history; tags of another never match', async (t) => {
  const { proposed, submit } = stage()
  const match = [
    { history: HISTORY, revision: 5 },
    { history: 'old', revision: 6 },
  ]
  submit({ ...remove, condition: { match } })
  const { commands } = decodeSegment(only(proposed).segment)
  t.same(commands[0]?.command, { ...remove, condition: { match: [5] } })
})

t.test('who does not lead refuses, takes nothing in, and names the leader', async (t) => {
  const { proposed, loop, state, writer, said, submit } = stage()
  loop.leads = false
  state.leader = 'db-1'
  submit(put)
  t.same(said, ['not-leader not-applied'])
  t.same(proposed, [])
  const refusal = writer.enter(0)
  t.equal(refusal?.code, 'not-leader', 'before its body is read')
  t.same(refusal?.details, { leader: 'db-1' })
  t.match(refusal?.message, 'db-1 does; write there, or to an API server')
  state.leader = undefined
  t.same(writer.enter(0)?.details, { leader: null })
})

t.test('a leader that may not write says why, and the write is surely not applied', async (t) => {
  for (const code of ['cluster-forming', 'data-diverged'] as const) {
    const { proposed, loop, said, submit } = stage()
    loop.refusing = code
    submit(put)
    submit(remove)
    t.same(said, [`${code} not-applied`, `${code} not-applied`])
    t.same(proposed, [])
  }
  const { loop, state, said, submit } = stage()
  loop.halted = true
  submit(put)
  state.loop = undefined
  submit(put)
  t.same(said, ['shutting-down not-applied', 'cluster-forming not-applied'])
})

t.test('full disks refuse puts and let deletes pass', async (t) => {
  const { proposed, loop, said, submit } = stage()
  loop.refusing = 'disk-full'
  submit(put)
  t.same(said, ['disk-full not-applied'])
  submit(remove)
  t.equal(decodeSegment(only(proposed).segment).commands[0]?.command.type, 'delete')
})

t.test('a lead lost before the log: not applied; after it: unknown', async (t) => {
  for (const inLog of [false, true]) {
    const { proposed, loop, state, said, submit } = stage()
    submit(put)
    loop.leads = false
    state.leader = 'db-1'
    only(proposed).origin.refuse(inLog)
    t.same(said, [inLog ? 'outcome-unknown unknown' : 'not-leader not-applied'])
  }
})

t.test('at its deadline a write is unknown, and what comes later is dropped', async (t) => {
  const { proposed, clock, said, submit } = stage()
  submit(put)
  clock.fire()
  t.same(said, ['outcome-unknown unknown'])
  only(proposed).origin.answer([created])
  only(proposed).origin.refuse(false)
  t.same(said, ['outcome-unknown unknown'], 'answered once')
})

t.test('a full queue of the leader refuses at once', async (t) => {
  const { loop, clock, said, submit } = stage()
  loop.propose = () => {
    throw new ClusterError('overloaded', 'too many waiting writes')
  }
  submit(put)
  t.same(said, ['overloaded not-applied'])
  t.equal(clock.timers.size, 0)
})

t.test('no more than LOCAL_WRITES_MAX, nor LOCAL_WRITE_BYTES_MAX, at once', async (t) => {
  const { writer } = stage()
  const refusals = Array.from({ length: LOCAL_WRITES_MAX }, () => writer.enter(0))
  t.notOk(refusals.some((refusal) => refusal !== undefined))
  t.match(writer.enter(0), { code: 'overloaded', outcome: 'not-applied' })
  writer.leave(0)
  t.equal(writer.enter(LOCAL_WRITE_BYTES_MAX), undefined)
  writer.leave(0)
  t.equal(writer.enter(1)?.code, 'overloaded')
  writer.leave(LOCAL_WRITE_BYTES_MAX)
  t.equal(writer.enter(1), undefined)
})

t.test('over HTTP: 201 with its ETag at the leader, 421 elsewhere', async (t) => {
  const { loop, state, writer } = stage()
  const face = new Face({ name: 'db-0', revision: () => loop.revision })
  const app = createHttpServer({ face, logger: pino({ level: 'silent' }) })
  registerWriteRoutes(app, { face, writer, admission: writer })
  t.teardown(() => app.close())
  loop.propose = (_segment, _count, origin) => origin.answer([created])
  const request = { method: 'PUT', url: '/v1/kv/greeting', payload: 'hello' } as const
  const taken = await app.inject(request)
  t.equal(taken.statusCode, 201)
  t.equal(taken.headers['etag'], `"${HISTORY}-8"`)
  t.equal(taken.headers['ordinal-served-by'], 'db-0')
  loop.leads = false
  state.leader = 'db-1'
  const refused = await app.inject(request)
  t.equal(refused.statusCode, 421)
  t.match(refused.json(), { code: 'not-leader', outcome: 'not-applied', leader: 'db-1' })
  t.equal((await app.inject({ method: 'DELETE', url: '/v1/kv' })).statusCode, 400, 'no key')
})
