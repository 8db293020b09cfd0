/** Mutants of log, commit and reads: `src/database/consensus`. */

import type { Edit, Mutant } from './mutant.ts'

const CORE = 'src/database/consensus/core.ts'
const FOLLOWING = 'src/database/consensus/following.ts'
const READS = 'src/database/consensus/reads.ts'
const REPLICATION = 'src/database/consensus/replication.ts'

const ACKNOWLEDGED_AFTER =
  'const after = match <= state.log.persisted ? state.hardWrite : state.lastWrite'
const COUNTED = 'for (const voter of voters) scratch.push(voter.match)'
const KEEP_LOG = 'const keepLog = log.holds(meta)'

/**
 * A leader offers a snapshot before it asks how far the other's log goes: at first, to one whose
 * link broke, and for a while after it first rejected an append; one at a time, since streams wait
 * for each other. Where none is needed the leader asks as always. As it is, snapshots hardly ever
 * meet a log that reaches as far as they do.
 */
const SNAPSHOT_FIRST: readonly Edit[] = [
  {
    file: REPLICATION,
    find: 'if (peer.next <= log.baseIndex) {',
    replace:
      'const { size } = state.streaming\n' +
      '    const early = log.baseIndex > 0 && peer.offered !== true && size === 0\n' +
      '    if (early) peer.offered = true\n' +
      '    if (early || peer.next <= log.baseIndex) {',
  },
  {
    file: REPLICATION,
    find: 'if (peer.rejected(reply.match, hint)) sendEntriesOrProbe(state, peer)',
    replace:
      'if (!peer.rejected(reply.match, hint)) return\n' +
      '    peer.doubted ??= state.now_ms\n' +
      '    if (state.now_ms - peer.doubted < 3000) peer.offered = false\n' +
      '    sendEntriesOrProbe(state, peer)',
  },
  {
    file: REPLICATION,
    find: 'peer.becomeProbe(sent.ok ? sent.index + 1 : peer.match + 1)',
    replace: 'peer.becomeProbe((sent.ok ? sent.index : state.log.lastIndex) + 1)',
  },
  {
    file: REPLICATION,
    find: 'if (peer !== undefined) peer.linkLost = true',
    replace: 'if (peer !== undefined) peer.offered = peer.doubted = void (peer.linkLost = true)',
  },
]

export const inReplication: readonly Mutant[] = [
  {
    name: 'ack-before-fsync',
    danger: 'A follower acknowledges what its disk does not have; a crash loses a committed write.',
    edits: [
      { file: FOLLOWING, find: ACKNOWLEDGED_AFTER, replace: 'const after = state.hardWrite' },
    ],
  },
  {
    name: 'duplicate-acknowledged-early',
    danger: 'The second copy of an append is acknowledged while the first is not synced yet.',
    edits: [
      {
        file: FOLLOWING,
        find: ACKNOWLEDGED_AFTER,
        replace: 'const after = state.draft === undefined ? state.hardWrite : state.lastWrite',
      },
    ],
  },
  {
    name: 'leader-counts-itself-unsynced',
    danger: 'A leader counts itself for entries that its own disk does not have.',
    edits: [
      {
        file: REPLICATION,
        find: COUNTED,
        replace:
          'for (const voter of voters) {\n' +
          '    scratch.push(voter === leading.own ? state.log.lastIndex : voter.match)\n  }',
      },
    ],
  },
  {
    name: 'quorum-counted-with-a-learner',
    danger: 'A commit rests on a member that has no vote: voters without the entry elect a leader.',
    edits: [
      {
        file: REPLICATION,
        find: COUNTED,
        replace: 'for (const voter of leading.progress.values()) scratch.push(voter.match)',
      },
    ],
  },
  {
    name: 'older-term-committed-by-counting',
    danger: 'An entry of an older term is called committed and overwritten later (Raft §5.4.2).',
    edits: [
      {
        file: REPLICATION,
        find: 'if (index <= state.commit || index < leading.firstIndex) return',
        replace: 'if (index <= state.commit) return',
      },
    ],
  },
  {
    name: 'completion-across-terms',
    danger: 'A write issued in an earlier term vouches for entries that replaced its own.',
    // All that waits goes into one batch, the new term among it; with a batch for each write the
    // core alone must know what a completion is worth.
    ground: [
      {
        file: 'src/database/replica/disk-writer.ts',
        find: 'const writes = this.#pending\n    this.#pending = []',
        replace: 'const writes = this.#pending.splice(0, 1)',
      },
      {
        // What was applied goes with the last one: it may rest on entries of any before.
        file: 'src/database/replica/disk-writer.ts',
        find: 'const changes = this.#handlers.takeChanges()',
        replace:
          'const last = this.#pending.length === 0\n' +
          '    const changes = last ? this.#handlers.takeChanges() : undefined',
      },
    ],
    edits: [
      {
        file: CORE,
        find: 'if (record.term === state.term) latest = record',
        replace: 'latest = record',
      },
      {
        file: CORE,
        find: 'if (log.termAt(latest.lastIndex) === latest.lastTerm) {',
        replace: 'if (log.lastIndex >= latest.lastIndex) {',
      },
    ],
  },
  {
    name: 'log-not-compared',
    danger: 'Entries are appended behind others than the leader has: logs differ below them.',
    edits: [
      {
        file: FOLLOWING,
        find: 'if (previousIndex >= log.baseIndex && known !== previousTerm) {',
        replace: 'if (previousIndex > log.lastIndex) {',
      },
    ],
  },
  {
    name: 'commit-beyond-the-match',
    danger: 'A follower commits its own suffix, which the leader has not.',
    edits: [
      {
        file: FOLLOWING,
        find: 'advanceCommit(state, Math.min(append.commit, last))',
        replace: 'advanceCommit(state, Math.min(append.commit, log.lastIndex))',
      },
    ],
  },
  {
    name: 'heartbeat-acknowledges-the-unmatched',
    danger: 'A follower acknowledges its own suffix, which the leader has not.',
    edits: [
      {
        file: FOLLOWING,
        find: 'acknowledge(state, append, Math.min(last, log.persisted))',
        replace: 'acknowledge(state, append, log.persisted)',
      },
    ],
  },
  {
    name: 'suffix-not-truncated',
    danger: 'Entries of a deposed leader stay where the present one has others.',
    edits: [
      {
        file: FOLLOWING,
        find: 'if (log.termAt(index) === entry.term) {',
        replace: 'if (index <= log.lastIndex) {\n        if (index > 0) continue',
      },
    ],
  },
  {
    name: 'snapshot-drops-an-acknowledged-suffix',
    danger: 'Entries that were acknowledged are thrown away with the log (openraft #559).',
    ground: SNAPSHOT_FIRST,
    edits: [{ file: FOLLOWING, find: KEEP_LOG, replace: 'const keepLog = false' }],
  },
  {
    name: 'snapshot-keeps-an-old-log',
    danger:
      'Entries of another log stay behind a snapshot that they do not follow (openraft #753).',
    ground: SNAPSHOT_FIRST,
    edits: [
      { file: FOLLOWING, find: KEEP_LOG, replace: 'const keepLog = meta.index <= log.lastIndex' },
    ],
  },
  {
    name: 'revision-from-memory',
    danger: 'A leader that leads again goes on where it stopped, and gives revisions twice.',
    edits: [
      {
        file: REPLICATION,
        find: 'firstRevision: log.nextRevision,',
        replace:
          'firstRevision: (state.given = (state.given ?? log.nextRevision) + count) - count,',
      },
    ],
  },
  {
    name: 'log-time-from-the-wall-clock',
    danger: 'A new leader whose clock runs ahead makes keys and sessions expire long before time.',
    edits: [
      {
        file: 'src/database/consensus/roles.ts',
        find: 'Math.min(Math.floor(wall_ms), last_ms + LOG_TIME_STEP_MS_MAX)',
        replace: 'Math.floor(wall_ms)',
      },
    ],
  },
  {
    name: 'reads-not-confirmed',
    danger: 'A leader that was replaced and does not know it answers with old values.',
    edits: [
      {
        file: READS,
        find: 'if (isAlone(leading)) {',
        replace: 'if (leading.own !== undefined) {',
      },
    ],
  },
  {
    name: 'read-before-the-first-commit',
    danger: 'A new leader answers from before commits that it has not heard of yet.',
    edits: [{ file: READS, find: 'if (!committedInTerm(state)) return', replace: '' }],
  },
  {
    name: 'answer-counted-for-another-token',
    danger: 'An answer from before a read arrived confirms the lead for it (etcd #20418).',
    edits: [
      {
        file: READS,
        find: 'if (round === undefined || token.round !== round.token.round) return',
        replace: 'if (round === undefined) return',
      },
    ],
  },
  {
    name: 'older-index-serves-later-reads',
    danger: 'A follower’s read takes the index that was answered to an earlier one.',
    edits: [
      {
        file: READS,
        find: 'if (reply.request < requests.first || reply.request > requests.last) return',
        replace: '',
      },
    ],
  },
  {
    name: 'stale-age-counted-at-receipt',
    danger: 'A message that was held up makes old state look fresh.',
    edits: [
      {
        file: FOLLOWING,
        find: 'state.freshAt_ms = Math.max(state.freshAt_ms, append.echo_ms)',
        replace: 'state.freshAt_ms = state.now_ms',
      },
    ],
  },
]
