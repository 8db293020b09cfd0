/** What transcripts do not show: freshness, clocks, restarts, pauses, divergence, limits. */

import t from 'tap'
import { type Effects, ordinalOf } from '../../../src/database/consensus/types.ts'
import {
  INFLIGHT_APPENDS_MAX,
  LOG_TIME_STEP_MS_MAX,
  READS_WAITING_MAX,
} from '../../../src/shared/limits.ts'
import { Harness, type Replica, WALL_START_MS } from './harness.ts'

function formed(count: number): { harness: Harness; leader: Replica } {
  const harness = new Harness({ seed: 1, observer: {} })
  harness.found(count)
  harness.run(3000)
  return { harness, leader: harness.leader as Replica }
}

function propose(text: string): { type: 'propose'; count: number; payload: Buffer } {
  return { type: 'propose', count: 1, payload: Buffer.from(text) }
}

t.test('stale reads know their age', (t) => {
  const { harness, leader } = formed(3)
  const follower = harness.replica('2')
  const age = (replica: Replica): number =>
    replica.now_ms - (replica.core?.status(harness.instant(replica)).freshAt_ms ?? Number.NaN)
  t.ok(age(leader) <= 200 && age(leader) >= 0, 'a leader: its last answered heartbeat')
  t.ok(age(follower) <= 300 && age(follower) >= 0, 'a follower: its echoed answer')
  harness.partition([[leader, harness.replica('1')], [follower]])
  harness.run(900)
  t.ok(age(follower) >= 900, 'it grows while no leader is heard')
  t.ok(age(leader) <= 200)
  const fresh = harness.replace(harness.replica('1'))
  t.equal(fresh.core?.status().freshAt_ms, -1, 'unknown on an empty disk')
  t.end()
})

t.test('log time follows the monotonic clock, and the wall clock by bounded steps only', (t) => {
  const { harness, leader } = formed(1)
  const start_ms = leader.core?.status(harness.instant(leader)).logTime_ms as number
  leader.now_ms += 500
  const entry = harness.propose(leader, 'a')?.proposed
  t.equal(entry?.time_ms, start_ms + 500)
  harness.stabilize()
  // An hour without a leader: one step towards the wall clock, not the whole way.
  harness.crash(leader)
  leader.now_ms += 3_600_000
  harness.start(leader)
  harness.run(100)
  const later_ms = leader.disk.entries.at(-1)?.time_ms as number
  t.ok(later_ms >= start_ms + 500 + LOG_TIME_STEP_MS_MAX)
  t.ok(later_ms < start_ms + 500 + LOG_TIME_STEP_MS_MAX + 1000)
  // A wall clock that was set back never moves it back.
  const { core } = leader
  const effects = core?.step({ now_ms: leader.now_ms, wall_ms: 5 }, propose('b')) as Effects
  t.ok((effects.proposed?.time_ms as number) >= later_ms)
  t.ok(later_ms < WALL_START_MS + leader.now_ms)
  t.end()
})

t.test('revisions continue over a restart, whatever was in memory', (t) => {
  const { harness, leader } = formed(1)
  const first = harness.propose(leader, 'a')?.proposed
  harness.stabilize()
  harness.propose(leader, 'never synced')
  harness.crash(leader)
  harness.start(leader)
  harness.run(100)
  const next = harness.propose(leader, 'b')?.proposed
  t.equal(first?.firstRevision, 1)
  t.equal(next?.firstRevision, 2)
  t.end()
})

t.test('reads beyond the limit are refused, not queued', (t) => {
  const { harness, leader } = formed(3)
  harness.partition([[leader], [harness.replica('1'), harness.replica('2')]])
  const instant = harness.instant(leader)
  let refused = 0
  for (let id = 0; id < READS_WAITING_MAX + 10; id += 1) {
    const effects = leader.core?.step(instant, { type: 'read', id }) as Effects
    refused += effects.reads.length
  }
  t.equal(refused, 9, 'one round is under way beside the full queue')
  t.end()
})

t.test('a paused process restarts its waits; a tick late by less is nothing', (t) => {
  const { harness, leader } = formed(3)
  leader.now_ms += 1000
  t.equal(harness.step(leader, { type: 'tick' })?.events.length, 0)
  leader.now_ms += 1001
  const events = harness.step(leader, { type: 'tick' })?.events ?? []
  t.match(events[0], { type: 'stepped-down' })
  t.end()
})

t.test('a single voter that was paused goes on: nobody else could have been elected', (t) => {
  const { harness, leader } = formed(1)
  leader.now_ms += 60_000
  t.equal(harness.step(leader, { type: 'tick' })?.events.length, 0)
  t.equal(leader.core?.canPropose, true)
  t.end()
})

t.test('messages for another incarnation are dropped', (t) => {
  const { harness, leader } = formed(3)
  const follower = harness.replica('1')
  leader.now_ms += 100
  harness.step(leader, { type: 'tick' })
  const flight = harness.flights.find(({ message }) => message.to === follower.member)
  const message = { ...(flight as NonNullable<typeof flight>).message, to: '1/z' }
  const effects = harness.step(follower, { type: 'message', message })
  t.equal(effects?.messages.length, 0)
  t.end()
})

t.test('a replica that diverged answers nothing any more', (t) => {
  const { harness, leader } = formed(3)
  const follower = harness.replica('2')
  harness.propose(leader, 'a')
  harness.stabilize()
  harness.run(100)
  const { log } = { log: follower.disk }
  const wrong = { previousIndex: log.lastIndex, previousTerm: 99, acked: 0 }
  const message = {
    type: 'append' as const,
    from: leader.member,
    to: follower.member,
    term: leader.core?.term ?? 0,
    ...wrong,
    entries: [],
    commit: 0,
    sent_ms: 0,
    echo_ms: -1,
    echoLife: 0,
    token: undefined,
  }
  const effects = harness.step(follower, { type: 'message', message })
  t.match(effects?.events[0], { type: 'diverged', index: log.lastIndex })
  t.equal(effects?.messages.length, 0)
  harness.read(follower)
  t.equal(harness.step(follower, { type: 'message', message })?.messages.length, 0)
  t.end()
})

t.test('a disk that holds less than it acknowledged in this term is not gone on from', (t) => {
  const { harness, leader } = formed(3)
  const follower = harness.replica('2')
  harness.run(100)
  const { lastIndex } = follower.disk
  const message = {
    type: 'append' as const,
    from: leader.member,
    to: follower.member,
    term: leader.core?.term ?? 0,
    previousIndex: 0,
    previousTerm: 0,
    acked: lastIndex + 1,
    entries: [],
    commit: 0,
    sent_ms: 0,
    echo_ms: -1,
    echoLife: 0,
    token: undefined,
  }
  const effects = harness.step(follower, { type: 'message', message })
  t.match(effects?.events[0], { type: 'diverged', index: lastIndex })
  t.equal(effects?.messages.length, 0, 'and nothing is acknowledged')
  t.end()
})

t.test(
  'an answer of an earlier start of the process says nothing of how fresh this one is',
  (t) => {
    const { harness, leader } = formed(3)
    const follower = harness.replica('2')
    harness.run(300)
    leader.now_ms += 100
    harness.step(leader, { type: 'tick' })
    const sent = harness.flights.map((flight) => flight.message)
    const append = sent.find((message) => message.to === follower.member)
    if (append?.type !== 'append') return t.fail('the leader sent no append')
    const echo_ms = follower.now_ms + 5000
    const before_ms = follower.core?.status().freshAt_ms
    harness.step(follower, { type: 'message', message: { ...append, echo_ms, echoLife: 1 } })
    t.equal(follower.core?.status().freshAt_ms, before_ms)
    harness.step(follower, { type: 'message', message: { ...append, echo_ms } })
    t.equal(follower.core?.status().freshAt_ms, echo_ms, 'its own echo counts')
    t.end()
  },
)

t.test('of two processes with one ordinal the one whose link is up is let in', (t) => {
  const { harness, leader } = formed(3)
  harness.step(leader, { type: 'heard', member: '3/stays' })
  harness.step(leader, { type: 'heard', member: '3/goes' })
  harness.step(leader, { type: 'unreachable', to: '3/goes' })
  harness.run(300)
  t.same(leader.core?.status().membership?.learners, ['3/stays'])
  t.end()
})

t.test('an append of an earlier term is no sign of life for the present one', (t) => {
  const { harness, leader } = formed(3)
  const follower = harness.replica('1')
  const { term, commit } = leader.core?.status() ?? { term: 0, commit: 0 }
  // Sent before its sender started anew, by a clock that was far ahead.
  const stale = {
    type: 'append' as const,
    from: leader.member,
    to: follower.member,
    term: term - 1,
    previousIndex: commit,
    previousTerm: term - 1,
    acked: 0,
    entries: [],
    commit: 0,
    sent_ms: leader.now_ms + 60_000,
    echo_ms: -1,
    echoLife: 0,
    token: undefined,
  }
  const refusal = harness.step(follower, { type: 'message', message: stale })?.messages[0]?.message
  if (refusal?.type !== 'append-reply') return t.fail('it was not answered')
  t.ok(refusal.rejected)
  harness.step(leader, { type: 'message', message: refusal })
  const answered = leader.core?.status().progress.find((peer) => peer.member === follower.member)
  t.ok((answered?.answered_ms ?? 0) <= leader.now_ms, 'nobody answers what was not sent yet')
  t.end()
})

t.test('who alone has the entry that removes it leads until that is committed', (t) => {
  const { harness, leader } = formed(2)
  const other = harness.replica('1')
  harness.run(500)
  leader.diskHeld = true
  harness.step(leader, { type: 'remove', member: other.member })
  for (let ticks = 0; ticks < 8; ticks += 1) {
    harness.tick(leader, 25)
    harness.stabilize()
  }
  const left = () => other.core?.status().membership?.voters
  t.same(left(), [leader.member], 'the other has the entry')
  harness.crash(leader)
  leader.diskHeld = false
  harness.start(leader)
  t.same(leader.core?.status().membership?.voters, [leader.member, other.member])
  const alone = () => leader.core?.status().role === 'leader' && leader.core.canPropose
  t.ok(
    harness.run(8000, () => alone() && left()?.length === 1),
    'the removal is made good',
  )
  t.same(leader.core?.status().membership?.voters, [leader.member])
  t.not(other.core?.status().role, 'leader')
  t.end()
})

t.test('scaled down: a leader outside hands over first, and who is silent there goes', (t) => {
  const { harness, leader } = formed(5)
  harness.run(500)
  const next = harness.replica('2')
  const gone = harness.replica('1')
  harness.crash(gone)
  harness.run(1500)
  // Ordinals 2 and 3 stay; 0 leads and leaves, 1 is gone, and 4 says nothing yet.
  const range = { first: 2, end: 4 }
  const scale = { range, confirmed: false, leaving: [leader.member] }
  harness.step(leader, { type: 'scale', scale })
  const leads = () => next.core?.status().role === 'leader'
  t.ok(
    harness.run(3000, () => leads() && next.core?.canPropose === true),
    'the lowest that stays leads',
  )
  harness.step(next, { type: 'scale', scale })
  const voters = () => next.core?.status().membership?.voters.map(ordinalOf)
  t.ok(harness.run(3000, () => voters()?.includes(0) === false))
  harness.run(2000)
  t.same(voters(), [1, 2, 3, 4], 'nobody goes by what was read long ago')
  harness.step(next, { type: 'scale', scale: { range, confirmed: true, leaving: [] } })
  harness.run(3000)
  t.same(voters(), [2, 3, 4], 'one that answers votes on until it says that it leaves')
  t.end()
})

t.test('appends lost in silence, and compacted since, are missed all the same', (t) => {
  const { harness, leader } = formed(3)
  const follower = harness.replica('2')
  const link = `${leader.member}->${follower.member}`
  harness.cut.add(link)
  // More than may be under way at once: the rest is never sent.
  for (let appends = 0; appends < INFLIGHT_APPENDS_MAX + 4; appends += 1) {
    harness.propose(leader, 'lost')
    harness.stabilize()
  }
  leader.disk.compact(leader.disk.applied)
  harness.step(leader, { type: 'compacted', index: leader.disk.base.index })
  const peer = leader.core?.status().progress.find(({ member }) => member === follower.member)
  t.ok(peer?.state === 'replicate' && peer.next <= leader.disk.base.index, 'the next is gone')
  harness.cut.delete(link)
  const caughtUp = () => follower.core?.status().commit === leader.core?.status().commit
  t.ok(harness.run(5000, caughtUp), 'a snapshot brings it back')
  t.end()
})
