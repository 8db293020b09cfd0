/**
 * The pure consensus core: one call in, effects out (DESIGN §4). It does no I/O, reads no clock and
 * draws no randomness of its own. This file takes inputs apart and hands each to the file that
 * knows; the rules are in those.
 *
 * What holds after every step, and the test that holds it (test/unit/consensus/safety.test.ts):
 *   1. at most one leader a term
 *   2. logs that agree on (index, term) agree on everything before
 *   3. what was handed out as committed never changes, and is in every later leader's log
 *   4. a read's index is at least every commit acknowledged before the read arrived
 */

import { assertNever } from '../../shared/assert.ts'
import { forgetHeard, handleHeard, handleRemove, tickMembership } from './changes.ts'
import { countVote, tickElection } from './election.ts'
import { handleRead, startRound, tickReads } from './reads.ts'
import { receive, receiveSnapshot } from './receive.ts'
import {
  handleLoaded,
  handleSnapshotSent,
  handleUnreachable,
  maybeCommit,
  propose,
  quorumAnswered_ms,
  sendCommitNotices,
  sendHeartbeat,
  sendHeartbeats,
} from './replication.ts'
import { becomeFollower, canPropose, restartTimer } from './roles.ts'
import type { CoreState, Leading, WriteRecord } from './state.ts'
import { newEffects, newState } from './state.ts'
import { freshAt_ms, refusing, roleName, statusOf } from './status.ts'
import {
  considerHandBack,
  considerSlowDisk,
  pursueDrain,
  pursueTransfer,
  startDrain,
  tickSteadiness,
  tickTransfer,
} from './transfer.ts'
import type {
  CoreConfig,
  CoreStatus,
  Effects,
  Health,
  Input,
  Instant,
  MemberId,
  Membership,
  Restored,
} from './types.ts'
import { emit, isAlone, isVoter, sealWrite } from './verbs.ts'

export { genesisEntry } from './membership.ts'

export class Core {
  readonly #state: CoreState

  constructor(config: CoreConfig, restored: Restored, instant: Instant) {
    this.#state = newState(config, restored, instant)
  }

  /** Takes one input and returns all that must happen now; see types.ts for the order. */
  step(instant: Instant, input: Input): Effects {
    const state = this.#state
    state.effects = newEffects()
    if (state.halted) return state.effects
    noticePause(state, instant)
    state.now_ms = instant.now_ms
    state.wall_ms = instant.wall_ms
    dispatch(state, input)
    finish(state)
    return state.effects
  }

  /** A readable picture; with an instant, times count from it. */
  status(instant?: Instant): CoreStatus {
    const state = this.#state
    if (instant === undefined) return statusOf(state)
    return statusOf({ ...state, now_ms: instant.now_ms, wall_ms: instant.wall_ms })
  }

  /** The parts of the status that the hot path asks for, without making the whole. */
  get canPropose(): boolean {
    return canPropose(this.#state)
  }
  get refusing(): CoreStatus['refusing'] {
    return refusing(this.#state)
  }
  get leader(): MemberId | undefined {
    return this.#state.leader
  }
  get term(): number {
    return this.#state.term
  }
  /** Nothing in the log waits for its commit. */
  get settled(): boolean {
    return this.#state.commit === this.#state.log.lastIndex
  }
  get commit(): number {
    return this.#state.commit
  }
  get membership(): Membership | undefined {
    return this.#state.log.membership
  }
  /** As in the status, for each stale read. */
  get freshAt_ms(): number {
    return freshAt_ms(this.#state)
  }
}

function dispatch(state: CoreState, input: Input): void {
  switch (input.type) {
    case 'tick':
      tick(state)
      return
    case 'message':
      if (input.message.to === state.self) receive(state, input.message)
      return
    case 'propose':
      // Refused by `proposed` being absent: it may have stepped down in this very step.
      if (canPropose(state)) state.effects.proposed = propose(state, 'commands', input)
      return
    case 'persisted':
      handlePersisted(state, input.write)
      return
    case 'read':
      handleRead(state, input.id)
      return
    case 'loaded':
      handleLoaded(state, input)
      return
    case 'snapshot-received':
      receiveSnapshot(state, input)
      return
    case 'snapshot-sent':
      handleSnapshotSent(state, input)
      return
    case 'heard':
      handleHeard(state, input.member, input.format)
      return
    case 'unreachable':
      handleUnreachable(state, input.to)
      forgetHeard(state, input.to)
      return
    case 'compacted':
      state.log.compact(Math.min(input.index, state.commit))
      return
    case 'health':
      setHealth(state, input.health)
      return
    case 'drain':
      startDrain(state)
      return
    case 'remove':
      handleRemove(state, input.member)
      return
    case 'scale':
      state.scale = input.scale
      return
    default:
      assertNever(input)
  }
}

/**
 * A gap of more than T between steps: the process was paused, and the world may have moved on. A
 * leader steps down before it serves anything (etcd #20418); a follower waits anew for the leader
 * whose messages are still in its queue.
 */
function noticePause(state: CoreState, { now_ms, wall_ms }: Instant): void {
  const gap_ms = now_ms - state.now_ms
  if (gap_ms <= state.config.electionTimeout_ms) return
  state.now_ms = now_ms
  state.wall_ms = wall_ms
  if (state.leading === undefined) restartTimer(state)
  else if (!isAlone(state.leading)) {
    const why = `it was paused for ${Math.round(gap_ms)} ms`
    becomeFollower(state, { term: state.term, leader: undefined, why })
  }
}

function tick(state: CoreState): void {
  const { leading } = state
  const late = isLate(state)
  if (leading !== undefined) {
    tickLeader(state, leading, late)
    return
  }
  if (!late) tickElection(state)
  tickReads(state)
}

/**
 * A tick that comes late after a stall comes before the messages that waited meanwhile, so silence
 * is not judged by it, but by the next one.
 */
function isLate(state: CoreState): boolean {
  const gap_ms = state.now_ms - state.ticked_ms
  state.ticked_ms = state.now_ms
  state.tickLate = !state.tickLate && gap_ms > 2 * state.config.heartbeat_ms
  return state.tickLate
}

function tickLeader(state: CoreState, leading: Leading, late: boolean): void {
  const silent_ms = state.now_ms - quorumAnswered_ms(state, leading)
  if (!late && silent_ms > state.config.electionTimeout_ms) {
    const why = 'a quorum has not answered'
    becomeFollower(state, { term: state.term, leader: undefined, why })
    return
  }
  tickSteadiness(state, leading)
  // Rounds are heartbeats too, so they go first.
  tickReads(state)
  if (leading.commitNotice !== 'none') sendCommitNotices(state, leading)
  sendHeartbeats(state, leading)
  tickTransfer(state, leading)
  considerSlowDisk(state, leading)
  tickMembership(state, leading)
  considerHandBack(state, leading)
}

/**
 * Writes up to `write` are synced. Only one that was issued in the present term counts: an entry
 * that was overwritten and restored since would otherwise be acknowledged too early (etcd,
 * `newStorageAppendRespMsg`).
 */
function handlePersisted(state: CoreState, write: number): void {
  const { issued, log } = state
  let latest: WriteRecord | undefined
  let done = 0
  for (const record of issued) {
    if (record.id > write) break
    if (record.term === state.term) latest = record
    done += 1
  }
  issued.splice(0, done)
  if (latest === undefined) return
  if (log.termAt(latest.lastIndex) === latest.lastTerm) {
    log.persistTo(latest.lastIndex)
    state.attested = Math.max(state.attested, latest.lastIndex)
  }
  const { leading } = state
  if (state.role === 'candidate') countVote(state, { from: state.self, granted: true })
  else if (leading !== undefined && state.attested > leading.own.match) {
    leading.own.match = state.attested
    maybeCommit(state, leading)
  }
}

function setHealth(state: CoreState, health: Health): void {
  const draining = state.drain !== undefined || health.draining
  state.health = { ...health, draining, electable: health.electable && !draining }
}

/** What follows from a step, whichever it was. */
function finish(state: CoreState): void {
  const { leading } = state
  if (leading !== undefined) {
    if (leading.nextReads.length > 0) startRound(state, leading)
    if (leading.transfer !== undefined) pursueTransfer(state, leading)
    if (leading.commitNotice === 'urgent') sendCommitNotices(state, leading)
    if (!isVoter(state)) maybeLeave(state, leading)
  }
  if (state.drain !== undefined && !state.drain.done) pursueDrain(state)
  sealWrite(state)
  tell(state)
}

/** One that leads from outside its membership has done its part when that is committed. */
function maybeLeave(state: CoreState, leading: Leading): void {
  if (state.log.membershipIndex > state.commit) return
  for (const peer of leading.peers) sendHeartbeat(state, peer, undefined)
  becomeFollower(state, { term: state.term, leader: undefined, why: 'it was removed' })
}

/** Tells of changes that outlast the step. */
function tell(state: CoreState): void {
  const { told, log, term, leader } = state
  const { membership } = log
  if (state.role !== told.role || membership !== told.membership) {
    told.role = state.role
    const name = roleName(state)
    if (name !== told.roleName) emit(state, { type: 'role', role: name, term })
    told.roleName = name
  }
  if (leader !== told.leader || (leader !== undefined && term !== told.term)) {
    told.leader = leader
    told.term = term
    emit(state, { type: 'leader', leader, term })
  }
  if (membership !== told.membership) {
    told.membership = membership
    if (membership === undefined) return
    emit(state, { type: 'membership', index: log.membershipIndex, membership })
  }
}
