import t from 'tap'
import { majority } from '../../../src/database/consensus/quorum.ts'
import type { CoreStatus } from '../../../src/database/consensus/types.ts'
import type { Intent } from '../../../src/database/replica/orchestrator.ts'
import type { Hello, PeerStatus, Stopping } from '../../../src/database/replica/ports.ts'
import {
  CROSSING_MS,
  mayLeave,
  type OtherVoter,
  otherVoters,
  SAID_FOR_MS,
  SIGNAL_WITHIN_MS,
  StopGuard,
} from '../../../src/database/replica/stop-guard.ts'
import { FakeClock } from '../api/fake-clock.ts'

const other = (ordinal: number, stopping?: Stopping, well = true): OtherVoter => ({
  ordinal,
  well,
  stopping,
})

t.test('a voter may leave when the others are a quorum, or when none is at stake', async (t) => {
  const cases: [boolean, number, OtherVoter[], string][] = [
    [true, 0, [], 'alone'],
    [true, 2, [other(0), other(1)], 'all are well'],
    [false, 2, [other(0, undefined, false), other(1)], 'one is down'],
    [true, 2, [other(0, undefined, false), other(1, undefined, false)], 'no quorum is left'],
    [false, 1, [other(0), other(2, 'goes')], 'one is going'],
    [false, 1, [other(0), other(2, 'asks')], 'a higher one asks too, and goes first'],
    [true, 2, [other(0), other(1, 'asks')], 'a lower one asks too, and waits'],
    [false, 2, [other(0), other(1, 'goes')], 'a lower one is going already'],
    [true, 0, [other(1, 'asks'), other(2, 'goes', false)], 'all stop'],
    [false, 0, [other(1, 'asks'), other(2, undefined, false)], 'one stops, one is only down'],
    [false, 0, [other(1)], 'of two voters none can be missed'],
    [true, 3, [0, 1, 2, 4].map((ordinal) => other(ordinal, undefined, ordinal > 0)), '3 of 5'],
  ]
  for (const [may, ordinal, others, name] of cases) {
    t.equal(mayLeave(ordinal, others).may, may, name)
  }
  t.match(mayLeave(2, [other(0, undefined, false), other(1)]).why, /without ordinal 0$/)
})

t.test('whoever asks at the same moment: a quorum stays, unless all ask', async (t) => {
  for (const voters of [1, 3, 5, 7]) {
    for (let asking = 1; asking < 2 ** voters; asking += 1) {
      const stages = Array.from({ length: voters }, (_, at): Stopping | undefined =>
        asking & (1 << at) ? 'asks' : undefined,
      )
      const all = stages.every((stage) => stage !== undefined)
      const othersOf = (ordinal: number) =>
        stages.map((stage, at) => other(at, stage)).filter((each) => each.ordinal !== ordinal)
      for (;;) {
        const released = stages.flatMap((stage, at) =>
          stage === 'asks' && mayLeave(at, othersOf(at)).may ? [at] : [],
        )
        if (released.length === 0) break
        for (const at of released) stages[at] = 'goes'
      }
      const gone = stages.filter((stage) => stage === 'goes').length
      const name = `${voters} voters, asking ${asking.toString(2)}`
      if (all) t.equal(gone, voters, name)
      else t.ok(gone > 0 && voters - gone >= majority(voters), name)
    }
  }
})

const SELF = '1/b'
const hello = (ordinal: number, incarnation: string, stopping?: Stopping) =>
  ({ ordinal, incarnation, stopping }) as Hello
const peer = (ordinal: number, said: Hello | undefined, more: Partial<PeerStatus> = {}) =>
  ({ ordinal, hello: said, connected: true, heard_ms: 50_000, ...more }) as PeerStatus

function status(more: Partial<CoreStatus> = {}): CoreStatus {
  const membership = { voters: ['0/a', SELF, '2/c'] }
  return { self: SELF, role: 'follower', progress: [], membership, ...more } as CoreStatus
}

t.test('what is known of the other voters', async (t) => {
  const at = { now_ms: 60_000, silence_ms: 1000 }
  const see = (peers: PeerStatus[], now: CoreStatus = status()) => otherVoters(now, peers, at)
  const both = [peer(0, hello(0, 'a')), peer(2, hello(2, 'c', 'asks'))]
  t.same(see(both), [other(0), other(2, 'asks')])
  t.same(see([peer(0, hello(0, 'new'))]), [other(0, undefined, false), other(2, undefined, false)])
  const silent = peer(2, hello(2, 'c', 'goes'), { connected: false })
  t.same(see([silent])?.[1], other(2, 'goes', false), 'what it said last, for a while')
  const long = { ...silent, heard_ms: at.now_ms - SAID_FOR_MS - 1 }
  t.same(see([long])?.[1], other(2, undefined, false))
  t.equal(see(both, status({ self: '3/d' })), undefined, 'a learner is no voter')
  t.equal(see(both, status({ membership: undefined })), undefined)
  const follower = { state: 'replicate', answered_ms: at.now_ms - at.silence_ms }
  const progress = [
    { ...follower, member: '0/a' },
    { ...follower, member: '2/c', answered_ms: at.now_ms - at.silence_ms - 1 },
  ] as unknown as CoreStatus['progress']
  const leads = see(both, status({ role: 'leader', progress }))
  t.same(leads, [other(0), other(2, 'asks', false)], 'a leader knows who answers')
})

/** Guards of one cluster whose hellos arrive at once. */
class Guarded {
  readonly clock = new FakeClock()
  readonly stages = new Map<number, Stopping | undefined>()
  readonly down = new Set<number>()
  readonly draining = new Set<number>()
  readonly answers = new Map<number, string>()
  /** What their StatefulSet says. */
  intent: Intent = { type: 'stays' }
  /** Who leaves for good, and how to say that it is out. */
  readonly leaving = new Map<number, (why: string) => void>()
  readonly #guards: StopGuard[]

  constructor(voters: number, hold_ms: number) {
    const ordinals = Array.from({ length: voters }, (_, at) => at)
    this.#guards = ordinals.map(
      (ordinal) =>
        new StopGuard({
          clock: this.clock,
          ordinal,
          others: () =>
            ordinals
              .filter((at) => at !== ordinal)
              .map((at) => other(at, this.stages.get(at), !this.down.has(at))),
          tell: (stopping) => void this.stages.set(ordinal, stopping),
          draining: () => this.draining.has(ordinal),
          departure: {
            intent: async () => this.intent,
            leave: () => new Promise((resolve) => this.leaving.set(ordinal, resolve)),
            cancel: () => void this.leaving.delete(ordinal),
          },
          hold_ms,
        }),
    )
  }

  ask(ordinal: number): AbortController {
    const gone = new AbortController()
    const guard = this.#guards[ordinal] as StopGuard
    void guard.released(gone.signal).then((why) => void this.answers.set(ordinal, why))
    return gone
  }

  /** It stops, and comes back as a new process. */
  async restart(ordinal: number): Promise<void> {
    this.down.add(ordinal)
    await this.clock.advance(2000)
    this.down.delete(ordinal)
    this.stages.delete(ordinal)
    await this.clock.advance(1000)
  }
}

t.test('two of three at once: one after the other', async (t) => {
  const cluster = new Guarded(3, 40_000)
  cluster.ask(1)
  await cluster.clock.advance(CROSSING_MS / 2)
  cluster.ask(2)
  await cluster.clock.advance(2 * CROSSING_MS)
  t.same([...cluster.answers], [[2, 'the others are a quorum']])
  await cluster.restart(2)
  t.same([...cluster.answers.keys()], [2, 1])
})

t.test('all three at once: nobody waits', async (t) => {
  const cluster = new Guarded(3, 40_000)
  for (const ordinal of [0, 1, 2]) cluster.ask(ordinal)
  await cluster.clock.advance(CROSSING_MS + 200)
  t.same([...cluster.answers.keys()].sort(), [0, 1, 2])
})

t.test('alone it stops at once, and tells nobody', async (t) => {
  const cluster = new Guarded(1, 40_000)
  cluster.ask(0)
  await cluster.clock.advance(0)
  t.same([...cluster.answers], [[0, 'there is no other voter']])
  t.equal(cluster.stages.size, 0)
})

t.test('while one is down another is held, as long as the grace lasts', async (t) => {
  const cluster = new Guarded(3, 10_000)
  cluster.down.add(0)
  cluster.ask(2)
  await cluster.clock.advance(9900)
  t.equal(cluster.answers.size, 0)
  t.equal(cluster.stages.get(2), 'asks')
  await cluster.clock.advance(200)
  t.match(cluster.answers.get(2), /^held for 10000 ms; the others are no quorum without ordinal 0$/)
  t.equal(cluster.stages.get(2), 'goes')
})

t.test('who was asked and not stopped stays, and says so', async (t) => {
  const cluster = new Guarded(3, 40_000)
  cluster.ask(2)
  await cluster.clock.advance(CROSSING_MS)
  t.equal(cluster.stages.get(2), 'goes')
  await cluster.clock.advance(SIGNAL_WITHIN_MS)
  t.equal(cluster.stages.get(2), undefined, 'no signal came')
  cluster.down.add(0)
  const gone = cluster.ask(2)
  await cluster.clock.advance(2000)
  t.equal(cluster.stages.get(2), 'asks')
  gone.abort()
  await cluster.clock.advance(200)
  t.equal(cluster.stages.get(2), undefined, 'whoever asked has gone')
  cluster.draining.add(2)
  cluster.ask(2)
  await cluster.clock.advance(CROSSING_MS + SIGNAL_WITHIN_MS)
  t.match(cluster.answers.get(2), 'it is stopping')
  t.equal(cluster.stages.get(2), 'goes')
})

t.test('where the whole tier stops nobody waits for the others', async (t) => {
  const cluster = new Guarded(3, 40_000)
  cluster.down.add(0)
  cluster.intent = { type: 'ends', why: 'it is deleted' }
  cluster.ask(2)
  await cluster.clock.advance(CROSSING_MS)
  t.same([...cluster.answers], [[2, 'it is deleted']])
  t.equal(cluster.stages.get(2), 'goes')
})

t.test('one that is scaled away waits until it is out, and no longer than it may', async (t) => {
  const cluster = new Guarded(5, 10_000)
  cluster.intent = { type: 'leaves', why: 'scaled to 1' }
  for (const ordinal of [3, 4]) cluster.ask(ordinal)
  await cluster.clock.advance(5000)
  t.same([...cluster.leaving.keys()], [3, 4])
  t.equal(cluster.answers.size, 0)
  cluster.leaving.get(4)?.('it was removed')
  await cluster.clock.advance(200)
  t.same([...cluster.answers], [[4, 'it was removed']])
  await cluster.clock.advance(5000)
  t.match(cluster.answers.get(3), /^held for 10000 ms/)
  const held = cluster.leaving.get(3)
  await cluster.clock.advance(SIGNAL_WITHIN_MS)
  t.not(held, undefined)
  t.equal(cluster.leaving.get(3), undefined, 'no signal came: it stays')
})

t.test('a voter that stays does not take those that leave for a cluster that stops', async (t) => {
  const leavers = [1, 2, 3, 4].map((ordinal) => other(ordinal, 'leaves'))
  t.equal(mayLeave(0, leavers).may, false)
  t.equal(mayLeave(0, [other(1), other(2), other(3), other(4, 'leaves')]).may, true)
})
