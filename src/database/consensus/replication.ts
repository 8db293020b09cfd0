/**
 * The leader's sending side: appends with flow control, heartbeats, what followers answer, and the
 * commit index that follows from it. Raft §5.3, §5.4.2; after etcd's `maybeSendAppend`,
 * `stepLeader`, `maybeCommit`.
 *
 * A heartbeat is an append without entries behind the last entry sent. A follower that lost one of
 * those before rejects it, so that a loss is found within a heartbeat; and it answers at once, not
 * behind its own fsync, with what is synced by then.
 */

import { APPEND_BYTES_MAX } from '../../shared/limits.ts'
import type { Entry, EntryType } from './entry.ts'
import { makeEntry } from './entry.ts'
import { encodeMembership } from './membership.ts'
import { Progress } from './progress.ts'
import { quorumValue } from './quorum.ts'
import type { CoreState, Leading } from './state.ts'
import type { MemberId, Membership, Message, ReadToken } from './types.ts'
import { advanceCommit, appendEntry, send } from './verbs.ts'
import { writtenFormat } from './written-format.ts'

const NO_ENTRIES: readonly Entry[] = []

type AppendReply = Message & { type: 'append-reply' }

/** Log time now: it starts from the last entry's and advances by the monotonic clock. */
export function logTime_ms(state: CoreState): number {
  const { leading, log, now_ms } = state
  if (leading === undefined) return log.lastTime_ms
  const time_ms = leading.anchorTime_ms + Math.floor(now_ms - leading.anchorNow_ms)
  return Math.max(time_ms, log.lastTime_ms)
}

/** Appends a new entry to the leader's log and sends it to all who are ready for it. */
export function propose(
  state: CoreState,
  type: EntryType,
  { count, payload }: { count: number; payload: Uint8Array },
): Entry {
  const { log } = state
  const leading = state.leading as Leading
  const head = {
    index: log.lastIndex + 1,
    term: state.term,
    type,
    time_ms: logTime_ms(state),
    firstRevision: log.nextRevision,
    count,
  }
  const chain = log.chainAt(log.lastIndex) as number
  const entry = makeEntry(head, payload, chain, writtenFormat(state))
  appendEntry(state, entry)
  leading.uncommitted_bytes += entry.bytes.length
  if (type === 'membership') syncProgress(state, leading)
  for (const peer of leading.peers) sendEntries(state, peer)
  return entry
}

/** Proposes a membership; it is in force at once. */
export function proposeMembership(state: CoreState, membership: Membership): void {
  propose(state, 'membership', { count: 0, payload: encodeMembership(membership) })
}

/** Gives each member of the membership in force its progress. Removed ones are kept for a while. */
export function syncProgress(state: CoreState, leading: Leading): void {
  const { voters, learners } = state.log.membership as Membership
  const { progress } = leading
  for (const member of [...voters, ...learners]) {
    if (!progress.has(member)) progress.set(member, new Progress(member, state.log.lastIndex + 1))
  }
  leading.voters = voters.map((voter) => progress.get(voter) as Progress)
  leading.peers = [...progress.values()].filter((peer) => peer !== leading.own)
}

/** Sends `peer` as many entries as its window takes; asks for disk or snapshot where needed. */
export function sendEntries(state: CoreState, peer: Progress): void {
  const { log } = state
  while (!peer.paused && peer.next <= log.lastIndex) {
    if (peer.next <= log.baseIndex) {
      needSnapshot(state, peer)
      return
    }
    if (peer.next < log.firstCached) {
      if (!state.loading.has(peer.member)) {
        state.loading.add(peer.member)
        state.effects.load.push({
          to: peer.member,
          from: peer.next,
          bytes_max: APPEND_BYTES_MAX,
        })
      }
      return
    }
    sendAppend(state, peer, log.slice(peer.next, APPEND_BYTES_MAX))
  }
}

/** Sends these entries, which begin at `peer.next`. */
function sendAppend(state: CoreState, peer: Progress, entries: readonly Entry[]): void {
  const previousIndex = peer.next - 1
  let bytes = 0
  for (const entry of entries) bytes += entry.bytes.length
  post(state, peer, { previousIndex, entries, token: undefined })
  peer.sentEntries(previousIndex + entries.length, bytes)
}

/** An append without entries, with the token of a read round if there is one. */
export function sendHeartbeat(
  state: CoreState,
  peer: Progress,
  token: ReadToken | undefined,
): void {
  let previousIndex = peer.state === 'snapshot' ? peer.match : peer.next - 1
  // Behind what the log still knows only the log's very beginning is surely equal.
  if (state.log.termAt(previousIndex) === undefined) {
    previousIndex = 0
    // Nor would such a heartbeat be rejected where appends were lost: they count for nothing.
    if (peer.state === 'replicate') peer.becomeProbe(peer.match + 1)
  }
  peer.heartbeat_ms = state.now_ms
  post(state, peer, { previousIndex, entries: NO_ENTRIES, token })
}

function post(
  state: CoreState,
  peer: Progress,
  append: { previousIndex: number; entries: readonly Entry[]; token: ReadToken | undefined },
): void {
  const { previousIndex, entries, token } = append
  peer.sent_ms = state.now_ms
  peer.commitSent = Math.max(
    peer.commitSent,
    Math.min(state.commit, previousIndex + entries.length),
  )
  send(
    state,
    peer.member,
    {
      type: 'append',
      previousIndex,
      previousTerm: state.log.termAt(previousIndex) ?? 0,
      acked: peer.match,
      entries,
      commit: state.commit,
      sent_ms: state.now_ms,
      echo_ms: peer.replied_ms,
      echoLife: peer.life,
      token,
    },
    0,
  )
}

function needSnapshot(state: CoreState, peer: Progress): void {
  if (state.now_ms < peer.snapshotAfter_ms) return
  peer.becomeSnapshot()
  if (state.streaming.has(peer.member)) return
  state.streaming.add(peer.member)
  state.effects.snapshots.push({ to: peer.member })
}

/** Each heartbeat: to all that nothing was sent to, or that have not answered for a while. */
export function sendHeartbeats(state: CoreState, leading: Leading): void {
  const { now_ms, config } = state
  for (const peer of leading.peers) {
    const idle = now_ms - peer.sent_ms >= config.heartbeat_ms
    // Answers to entries wait for the other's disk; a heartbeat's does not.
    const silent =
      now_ms - peer.answered_ms >= 2 * config.heartbeat_ms &&
      now_ms - peer.heartbeat_ms >= config.heartbeat_ms
    if (!idle && !silent) continue
    peer.probeSent = false
    sendHeartbeat(state, peer, undefined)
  }
}

/**
 * Tells followers of a commit that no append has carried, at the next tick: a busy leader has
 * proposed by then, and its append carried the news for nothing. Nobody waits for it: a read's
 * answer brings its own index. A change of leader or of the membership is told at once.
 */
export function sendCommitNotices(state: CoreState, leading: Leading): void {
  leading.commitNotice = 'none'
  for (const peer of leading.peers) {
    if (peer.state === 'replicate' && peer.commitSent < Math.min(state.commit, peer.next - 1)) {
      sendHeartbeat(state, peer, undefined)
    }
  }
}

/** An answer in the leader's own term. Read rounds look at the token themselves. */
export function handleAppendReply(state: CoreState, leading: Leading, reply: AppendReply): void {
  const peer = leading.progress.get(reply.from)
  if (peer === undefined) return
  peer.replied(reply)
  if (reply.sent_ms > peer.answered_ms) peer.answered_ms = reply.sent_ms
  peer.linkLost = false
  if (peer.steadySince_ms < 0) peer.steadySince_ms = state.now_ms
  peer.health = reply.health
  if (reply.rejected) {
    const hint =
      reply.hintTerm > 0
        ? state.log.findConflict(Math.min(reply.hintIndex, state.log.lastIndex), reply.hintTerm)
        : reply.hintIndex
    if (peer.rejected(reply.match, hint)) sendEntriesOrProbe(state, peer)
    return
  }
  // What it holds beyond the own log is not equal to anything here: it does not count.
  if (reply.match > state.log.lastIndex) return
  const advanced = reply.match > peer.match
  peer.acked(reply.match)
  if (peer.state === 'snapshot' && peer.match >= state.log.baseIndex)
    peer.becomeProbe(peer.match + 1)
  if (advanced) maybeCommit(state, leading)
  if (peer.next <= state.log.lastIndex) sendEntries(state, peer)
}

function sendEntriesOrProbe(state: CoreState, peer: Progress): void {
  if (peer.next <= state.log.lastIndex) sendEntries(state, peer)
  else sendHeartbeat(state, peer, undefined)
}

/** Commits what a quorum of the voters has synced, by counting an entry of the own term only. */
export function maybeCommit(state: CoreState, leading: Leading): void {
  const { scratch, voters } = leading
  scratch.length = 0
  for (const voter of voters) scratch.push(voter.match)
  const index = quorumValue(scratch)
  if (index <= state.commit || index < leading.firstIndex) return
  const wanted = Math.max(leading.firstIndex, state.log.membershipIndex)
  const urgent = state.commit < wanted && wanted <= index
  advanceCommit(state, index)
  if (urgent) leading.commitNotice = 'urgent'
  else if (leading.commitNotice === 'none') leading.commitNotice = 'due'
}

/** When a quorum's latest answers were asked for, by the own clock: it led then, surely. */
export function quorumAnswered_ms(state: CoreState, leading: Leading): number {
  const { scratch, voters, own } = leading
  scratch.length = 0
  for (const voter of voters) {
    scratch.push(voter === own ? state.now_ms : Math.max(voter.answered_ms, leading.since_ms))
  }
  return quorumValue(scratch)
}

/** Entries that were read from the disk for a follower. */
export function handleLoaded(
  state: CoreState,
  loaded: { to: MemberId; from: number; entries: readonly Entry[] },
): void {
  state.loading.delete(loaded.to)
  const peer = state.leading?.progress.get(loaded.to)
  if (peer === undefined || peer.paused || peer.next > state.log.lastIndex) return
  if (peer.next === loaded.from && peer.next > state.log.baseIndex) {
    if (loaded.entries.length === 0) {
      // The disk holds less than the core was told yet (`compacted` is on its way).
      needSnapshot(state, peer)
      return
    }
    // Read in an earlier term they may have been overwritten since: each must still be the log's.
    const same = loaded.entries.every((entry) => state.log.termAt(entry.index) === entry.term)
    if (same) sendAppend(state, peer, loaded.entries)
  }
  sendEntries(state, peer)
}

/** The stream of a snapshot ended. */
export function handleSnapshotSent(
  state: CoreState,
  sent: { to: MemberId; index: number; ok: boolean },
): void {
  state.streaming.delete(sent.to)
  const peer = state.leading?.progress.get(sent.to)
  if (peer === undefined || peer.state !== 'snapshot') return
  peer.becomeProbe(sent.ok ? sent.index + 1 : peer.match + 1)
  // Its own answer, once it has switched the snapshot in, goes first; a next stream waits a while.
  peer.probeSent = true
  peer.snapshotAfter_ms = state.now_ms + state.config.electionTimeout_ms
}

/** The link to a member broke: what was on its way may be lost. */
export function handleUnreachable(state: CoreState, to: MemberId): void {
  const peer = state.leading?.progress.get(to)
  if (peer !== undefined) peer.linkLost = true
  if (peer?.state === 'replicate') peer.becomeProbe(peer.match + 1)
}
