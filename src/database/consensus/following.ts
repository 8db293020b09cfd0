/**
 * The receiving side of replication: appends and snapshots of the present leader. Raft §5.3.
 *
 * Nothing at or below the own commit index is ever overwritten: a leader that contradicts it proves
 * that data was lost or changed somewhere, and the replica says so (`diverged`) instead of obeying.
 */

import { assert } from '../../shared/assert.ts'
import { followsChain } from './entry.ts'
import { releaseReads } from './reads.ts'
import { becomeFollower } from './roles.ts'
import type { CoreState } from './state.ts'
import type { MemberId, Message, SnapshotMeta } from './types.ts'
import { advanceCommit, appendEntry, committedInTerm, diverge, draftOf, send } from './verbs.ts'

type Append = Message & { type: 'append' }

/** An append of the own term (a higher one was adopted, a lower one refused before). */
export function handleAppend(state: CoreState, append: Append): void {
  hearLeader(state, append.from)
  const { log } = state
  const { previousIndex, previousTerm, entries } = append
  if (append.acked > log.lastIndex) {
    diverge(
      state,
      log.lastIndex,
      `the disk lost entries up to ${append.acked}, acknowledged before`,
    )
    return
  }
  const known = log.termAt(previousIndex)
  if (previousIndex >= log.baseIndex && known !== previousTerm) {
    if (previousIndex <= state.commit) {
      diverge(state, previousIndex, `committed term ${known} is ${previousTerm} at the leader`)
    } else reject(state, append)
    return
  }
  if (!takeEntries(state, append)) return
  const last = previousIndex + entries.length
  if (last > state.matched) state.matched = last
  advanceCommit(state, Math.min(append.commit, last))
  const ownEcho = append.echoLife === state.life
  if (ownEcho && state.commit >= append.commit && committedInTerm(state)) {
    state.freshAt_ms = Math.max(state.freshAt_ms, append.echo_ms)
  }
  releaseReads(state)
  // Only what is known equal to this leader's log, never the own commit index: a leader whose
  // quorum lost its disks may have less. Entries are acknowledged behind the write that holds
  // them; a heartbeat is answered at once, with what is synced by now.
  if (entries.length > 0) acknowledge(state, append, last)
  else acknowledge(state, append, Math.min(last, log.persisted))
}

/** Replaces what conflicts and appends what is new; false when the data proved to be broken. */
function takeEntries(state: CoreState, { previousIndex, entries }: Append): boolean {
  const { log } = state
  let index = previousIndex
  let checked = false
  for (const entry of entries) {
    index += 1
    assert(entry.index === index, `append carries entry ${entry.index} in the place of ${index}`)
    if (index <= log.baseIndex) continue
    if (index <= log.lastIndex) {
      if (log.termAt(index) === entry.term) {
        const chain = log.chainAt(index)
        if (chain === undefined || chain === entry.chain) continue
        diverge(state, index, `entry ${index} differs from the leader's of the same term`)
        return false
      }
      if (index <= state.commit) {
        diverge(state, index, `the leader overwrites the committed entry ${index}`)
        return false
      }
      log.truncate(index)
      draftOf(state).truncateFrom = index
    }
    if (!checked) {
      const chain = log.chainAt(index - 1)
      if (chain !== undefined && !followsChain(entry, chain)) {
        diverge(state, index, `the leader's entry ${index} does not follow the own chain`)
        return false
      }
      checked = true
    }
    appendEntry(state, entry)
  }
  return true
}

function hearLeader(state: CoreState, from: MemberId): void {
  assert(state.leading === undefined, `two leaders in term ${state.term}: ${from} as well`)
  if (state.role !== 'follower' || state.leader !== from) {
    becomeFollower(state, { term: state.term, leader: from, why: '' })
  }
  const { election } = state
  state.heard_ms = state.now_ms
  election.timerStart_ms = state.now_ms
  election.delay_ms = -1
  election.rounds = 0
  election.retry_ms = Number.POSITIVE_INFINITY
}

function acknowledge(state: CoreState, append: Append, match: number): void {
  // Synced already: only the term that the answer carries must be on disk before it leaves.
  const after = match <= state.log.persisted ? state.hardWrite : state.lastWrite
  send(
    state,
    append.from,
    {
      type: 'append-reply',
      match,
      rejected: false,
      hintIndex: 0,
      hintTerm: 0,
      sent_ms: append.sent_ms,
      replied_ms: state.now_ms,
      life: state.life,
      token: append.token,
      health: state.health,
    },
    after,
  )
}

/** The log does not hold what the append builds upon: tell where it may be equal. */
function reject(state: CoreState, append: Append): void {
  const { log } = state
  const { previousIndex, previousTerm } = append
  const hintIndex = log.findConflict(Math.min(previousIndex, log.lastIndex), previousTerm)
  send(
    state,
    append.from,
    {
      type: 'append-reply',
      match: previousIndex,
      rejected: true,
      hintIndex,
      hintTerm: log.termAt(hintIndex) ?? 0,
      sent_ms: append.sent_ms,
      replied_ms: state.now_ms,
      life: state.life,
      token: append.token,
      health: state.health,
    },
    state.hardWrite,
  )
}

/** Answers a leader of an earlier term, so that it steps down and nobody sticks (etcd `Step`). */
export function refuseStaleAppend(state: CoreState, append: Append): void {
  send(
    state,
    append.from,
    {
      type: 'append-reply',
      match: append.previousIndex,
      rejected: true,
      hintIndex: 0,
      hintTerm: 0,
      // By the clock of the term it was sent in; its sender may have started anew since, and lead.
      sent_ms: -1,
      replied_ms: state.now_ms,
      life: state.life,
      token: undefined,
      health: state.health,
    },
    state.hardWrite,
  )
}

/** A whole, checked snapshot of the present leader. One at or below the own commit is refused. */
export function handleSnapshot(
  state: CoreState,
  { from, meta }: { from: MemberId; meta: SnapshotMeta },
): void {
  hearLeader(state, from)
  const { log } = state
  if (meta.index > state.commit) {
    const keepLog = log.holds(meta)
    log.install(meta, keepLog)
    draftOf(state).install = { meta, keepLog }
    state.commit = meta.index
  }
  state.matched = Math.max(state.matched, meta.index)
  releaseReads(state)
  send(
    state,
    from,
    {
      type: 'append-reply',
      match: state.matched,
      rejected: false,
      hintIndex: 0,
      hintTerm: 0,
      // It answers no append, so it says nothing of when one was sent.
      sent_ms: -1,
      replied_ms: state.now_ms,
      life: state.life,
      token: undefined,
      health: state.health,
    },
    state.lastWrite,
  )
}
