/** Mutants of the state machine and of exactly once: `kv/`, `replica/`, `api/`. */

import type { Mutant } from './mutant.ts'

const PROPOSALS = 'src/database/replica/proposals.ts'
const SESSIONS = 'src/database/kv/sessions.ts'
const STATE = 'src/database/kv/state.ts'
const WAITING = 'src/database/replica/waiting-reads.ts'
const WRITER = 'src/api/writer.ts'

const EXPIRED_BY_LOG_TIME = "if (!isExpired(previous, time_ms)) return result('unchanged', 0)"

export const inState: readonly Mutant[] = [
  {
    name: 'below-the-floor-executed',
    danger: 'A late copy of a decided write takes effect once more, over newer values.',
    edits: [
      { file: SESSIONS, find: 'if (sequence <= session.floor) return BELOW_FLOOR', replace: '' },
      {
        file: STATE,
        find: 'session.results.set(sequence, result)',
        replace: 'if (sequence > session.floor) session.results.set(sequence, result)',
      },
    ],
  },
  {
    name: 'deduplication-by-highest-sequence',
    danger: 'A retry is answered with the result of another write.',
    edits: [
      {
        file: SESSIONS,
        find: 'const stored = session.results.get(sequence)',
        replace:
          'const highest = Math.max(...session.results.keys())\n' +
          '  const stored = sequence <= highest ? session.results.get(highest) : undefined',
      },
    ],
  },
  {
    name: 'sessions-left-out-of-snapshots',
    danger: 'A replica that was restored from a snapshot executes retries again, or refuses them.',
    edits: [
      {
        file: 'src/database/storage/snapshot-sender.ts',
        find: 'return { type, key: rowKey, value: unseal(key, stored) }',
        replace: 'return undefined',
      },
    ],
  },
  {
    name: 'sessions-not-stored',
    danger: 'A replica that restarts has forgotten which writes it executed.',
    edits: [
      {
        file: 'src/database/storage/disk-state.ts',
        find: 'else batch.put(key, seal(key, bytes))',
        replace: 'else batch.del(key)',
      },
    ],
  },
  {
    name: 'retry-gets-a-new-sequence',
    danger: 'A write that is sent again is executed again.',
    edits: [
      {
        file: WRITER,
        find: 'if (write.session === session) return true',
        replace: 'if (write.session === session) this.#release(write)',
      },
    ],
  },
  {
    name: 'doubtful-write-in-a-new-session',
    danger: 'A write that may have taken effect in an ended session is executed in the next one.',
    edits: [
      {
        file: 'src/api/write-outcome.ts',
        find: "return write.doubts > 0 ? unknown('the session ended') : AGAIN_IN_NEW_SESSION",
        replace: 'return AGAIN_IN_NEW_SESSION',
      },
      { file: WRITER, find: 'if (write.doubts > 0) {', replace: 'if (write.doubts < 0) {' },
    ],
  },
  {
    name: 'doubt-told-as-not-applied',
    danger: 'A client is told that a write never takes effect, and it does.',
    edits: [
      {
        file: WRITER,
        find: 'return write.inFlight || write.doubts > 0',
        replace: 'return write.inFlight',
      },
    ],
  },
  {
    name: 'answers-by-index-alone',
    danger: 'A write that was overwritten is answered with the result of the one in its place.',
    edits: [
      {
        file: PROPOSALS,
        find: 'if (waiting.term !== term) {',
        replace: 'if (waiting.term < 0) {',
      },
      { file: PROPOSALS, find: 'this.#proposed.clear()', replace: '' },
      {
        file: PROPOSALS,
        find: '{ origins } of proposed) for (const origin of origins) origin.refuse(true)',
        replace: '{ origins } of proposed) void origins',
      },
    ],
  },
  {
    name: 'expire-without-its-revision',
    danger: 'A key that was written again is deleted for the age of its former value.',
    edits: [
      {
        file: STATE,
        find: 'if (previous === undefined || recordRevision(previous) !== command.revision) {',
        replace: 'if (previous === undefined) {',
      },
      { file: STATE, find: EXPIRED_BY_LOG_TIME, replace: '' },
    ],
  },
  {
    name: 'expiry-by-the-local-clock',
    danger: 'Keys vanish before their time where a clock runs ahead.',
    edits: [
      {
        file: 'src/database/replica/housekeeping.ts',
        find: 'const now_ms = loop.status().logTime_ms',
        replace: 'const now_ms = this.#options.clock.wall_ms()',
      },
      { file: STATE, find: EXPIRED_BY_LOG_TIME, replace: '' },
    ],
  },
  {
    name: 'read-before-applied',
    danger: 'A replica answers from a state older than the read index it was given.',
    edits: [
      {
        file: WAITING,
        find: 'if (this.#state.applied() < waiting.index) return false',
        replace: '',
      },
    ],
  },
  {
    name: 'minimum-revision-ignored',
    danger: 'A client does not read its own write.',
    edits: [
      {
        file: WAITING,
        find: 'if (this.#state.revision() < terms.minRevision) return false',
        replace: '',
      },
    ],
  },
]
