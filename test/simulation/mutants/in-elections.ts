/** Mutants of elections, terms, and of who leads: `src/database/consensus`. */

import type { Mutant } from './mutant.ts'

const CORE = 'src/database/consensus/core.ts'
const ELECTION = 'src/database/consensus/election.ts'
const LOG = 'src/database/consensus/log.ts'
const RECEIVE = 'src/database/consensus/receive.ts'
const ROLES = 'src/database/consensus/roles.ts'
const TRANSFER = 'src/database/consensus/transfer.ts'
const VERBS = 'src/database/consensus/verbs.ts'

export const inElections: readonly Mutant[] = [
  {
    name: 'vote-not-persisted',
    danger: 'A replica that restarts votes twice in one term, which elects two leaders.',
    edits: [
      {
        file: VERBS,
        find: 'hardState: draft.hardState ? { term, vote } : undefined,',
        replace: "hardState: draft.hardState ? { term, vote: '' } : undefined,",
      },
    ],
  },
  {
    name: 'vote-for-a-shorter-log',
    danger: 'A candidate that lacks committed entries wins, and overwrites them (Raft §5.4.1).',
    edits: [
      {
        file: LOG,
        find: 'return lastTerm > own || (lastTerm === own && lastIndex >= this.#lastIndex)',
        replace: 'return lastTerm >= own',
      },
    ],
  },
  {
    name: 'pre-vote-off',
    danger: 'A replica that nobody hears raises its term, and deposes a good leader at its return.',
    edits: [
      {
        file: ROLES,
        find: "state.role = 'pre-candidate'",
        replace: 'becomeCandidate(state)\n  if (state.term > 0) return',
      },
    ],
  },
  {
    name: 'check-quorum-off',
    danger: 'A leader that no quorum hears leads on: behind a one-way partition nobody is elected.',
    edits: [
      {
        file: CORE,
        find: 'if (!late && silent_ms > state.config.electionTimeout_ms) {',
        replace: 'if (silent_ms < 0) {',
      },
    ],
  },
  {
    name: 'answers-counted-at-receipt',
    danger: 'Answers that were held up keep a leader in office that its quorum left long ago.',
    edits: [
      {
        file: 'src/database/consensus/replication.ts',
        find: 'if (reply.sent_ms > peer.answered_ms) peer.answered_ms = reply.sent_ms',
        replace: 'if (reply.sent_ms >= 0) peer.answered_ms = state.now_ms',
      },
    ],
  },
  {
    name: 'priority-vetoes-a-vote',
    danger: 'The only candidate with all entries is refused for its ordinal: no leader, for ever.',
    edits: [
      {
        file: ELECTION,
        find: 'const granted = free && ',
        replace: 'const granted = free && ordinalOf(from) <= ordinalOf(state.self) && ',
      },
    ],
  },
  {
    name: 'transfer-flag-survives-a-step-down',
    danger: 'A leader that handed over once takes no write when it leads again (hashicorp #487).',
    edits: [
      {
        file: TRANSFER,
        find: 'leading.transfer = { to, reason, since_ms: state.now_ms, sent_ms: -1 }',
        replace:
          'leading.transfer = { to, reason, since_ms: state.now_ms, sent_ms: -1 }\n' +
          '  state.transferring = true',
      },
      {
        file: TRANSFER,
        find: 'leading.transfer = undefined',
        replace: 'leading.transfer = undefined\n    state.transferring = false',
      },
      {
        file: ROLES,
        find: 'leading.transfer === undefined &&',
        replace: 'state.transferring !== true &&',
      },
    ],
  },
  {
    name: 'no-hand-back',
    danger: 'Leadership never returns to the lowest ordinal.',
    edits: [
      {
        file: TRANSFER,
        find: 'if (leading.transfer !== undefined || state.drain !== undefined) return',
        replace: 'if (leading.own !== undefined) return',
      },
    ],
  },
  {
    name: 'lower-term-not-answered',
    danger: 'A replica whose term is ahead of the leader’s is never heard again: it sticks.',
    edits: [{ file: RECEIVE, find: 'refuseStaleAppend(state, message)', replace: 'void message' }],
  },
  {
    name: 'paused-leader-serves',
    danger: 'A leader that slept through its own replacement goes on as if nothing had happened.',
    edits: [
      {
        file: CORE,
        find: 'else if (!isAlone(state.leading)) {',
        replace: 'else if (state.leading.voters.length < 1) {',
      },
    ],
  },
]
