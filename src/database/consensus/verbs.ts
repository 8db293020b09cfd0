/**
 * The verbs that every rule uses on the state: send, emit, gather the step's write, commit. What a
 * step says is collected here and handed out at its end (core.ts).
 */

import type { Entry } from './entry.ts'
import type { CoreState, Draft, Leading } from './state.ts'
import type { CoreEvent, MemberId, MessageBody } from './types.ts'

/** Sends a message once write `after` is synced (0, or synced already: at once). */
export function send(state: CoreState, to: MemberId, body: MessageBody, write: number): void {
  const oldest = state.issued[0]?.id ?? (state.draft === undefined ? Infinity : state.lastWrite)
  const after = write < oldest ? 0 : write
  // One literal per message would need a switch; the spread is small and seldom more than a batch.
  const message = { from: state.self, to, term: state.term, ...body }
  state.effects.messages.push({ after, message })
}

export function emit(state: CoreState, event: CoreEvent): void {
  state.effects.events.push(event)
}

/** The write that this step gathers; made at first use, `lastWrite` names it from then on. */
export function draftOf(state: CoreState): Draft {
  if (state.draft === undefined) {
    state.draft = { hardState: false, truncateFrom: undefined, entries: [], install: undefined }
    state.lastWrite += 1
  }
  return state.draft
}

/** Term or vote changed: this step writes the hard state, and attests the last index again. */
export function touchHardState(state: CoreState): void {
  draftOf(state).hardState = true
  state.hardWrite = state.lastWrite
}

/** Appends to the log and to this step's write. */
export function appendEntry(state: CoreState, entry: Entry): void {
  state.log.append(entry)
  draftOf(state).entries.push(entry)
}

/** Closes the step's write. */
export function sealWrite(state: CoreState): void {
  const draft = state.draft
  if (draft === undefined) return
  state.draft = undefined
  const { log, term, vote, lastWrite } = state
  state.effects.write = {
    id: lastWrite,
    hardState: draft.hardState ? { term, vote } : undefined,
    truncateFrom: draft.truncateFrom,
    entries: draft.entries,
    install: draft.install,
  }
  state.issued.push({
    id: lastWrite,
    term,
    lastIndex: log.lastIndex,
    lastTerm: log.lastTerm,
    issued_ms: state.now_ms,
  })
}

/** Committed entries are handed out in order, at once. Raft §5.3. */
export function advanceCommit(state: CoreState, to: number): void {
  if (to <= state.commit) return
  const { log, leading } = state
  for (let index = state.commit + 1; index <= to; index += 1) {
    const entry = log.entryAt(index) as Entry
    state.effects.committed.push(entry)
    if (leading !== undefined) {
      leading.uncommitted_bytes = Math.max(0, leading.uncommitted_bytes - entry.bytes.length)
    }
  }
  state.commit = to
  log.evict(to)
}

/** The commit index lies in the current term: nothing older can be missing from it. */
export function committedInTerm(state: CoreState): boolean {
  const { leading } = state
  if (leading !== undefined) return state.commit >= leading.firstIndex
  return state.log.termAt(state.commit) === state.term
}

export function isVoter(state: CoreState): boolean {
  return state.log.membership?.voters.includes(state.self) ?? false
}

/**
 * May this replica campaign? A voter may; and so may one that its latest membership leaves out,
 * until that is committed, since it may be the only one that has it (Ongaro 2014 §4.2.2).
 */
export function mayCampaign(state: CoreState): boolean {
  const { log, commit, self } = state
  if (isVoter(state)) return true
  return log.membershipIndex > commit && (log.formerMembership?.voters.includes(self) ?? false)
}

/** Nobody else has to be asked. */
export function isAlone({ voters, own }: Leading): boolean {
  return voters.length === 1 && voters[0] === own
}

/** The data contradicts what was agreed: nothing that depends on it may leave any more. */
export function diverge(state: CoreState, index: number, why: string): void {
  state.halted = true
  emit(state, { type: 'diverged', index, why })
}
