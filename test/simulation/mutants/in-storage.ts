/** Mutants of what reaches the disk and what is believed of it, above the simulated disk. */

import type { Mutant } from './mutant.ts'

const GATE = 'src/database/storage/commit-gate.ts'

export const inStorage: readonly Mutant[] = [
  {
    name: 'sync-false',
    danger: 'Batches are acknowledged before they are on the disk.',
    edits: [{ file: GATE, find: 'const SYNCED = { sync: true }', replace: 'const SYNCED = {}' }],
  },
  {
    name: 'refused-write-acknowledged',
    danger: 'A full disk’s refusal is swallowed, and what it did not take is acknowledged.',
    edits: [
      {
        file: GATE,
        find: 'await batch.write(SYNCED)',
        replace: 'await batch.write(SYNCED).catch(() => undefined)',
      },
    ],
  },
  {
    name: 'held-messages-leave-at-once',
    danger: 'Votes and acknowledgements leave before what they tell of is synced.',
    edits: [
      {
        file: 'src/database/replica/outbox.ts',
        find: 'outgoing.after <= this.#persisted',
        replace: 'outgoing.after >= 0',
      },
    ],
  },
  {
    name: 'suffix-left-on-disk',
    danger: 'Entries that were undone are there again after a restart.',
    edits: [
      {
        file: 'src/database/storage/disk-state.ts',
        find: 'index <= state.lastIndex; index += 1) batch.del(logKey(index))',
        replace: 'index <= state.lastIndex; index += 1) void logKey(index)',
      },
    ],
  },
  {
    name: 'compaction-by-the-state-in-memory',
    danger: 'The log is cut above the applied state on disk: after a crash entries are missing.',
    edits: [
      {
        file: 'src/database/storage/storage.ts',
        find: 'Math.min(index, state.meta.applied, this.#sender.lowestNeeded)',
        replace: 'Math.min(index, this.#sender.lowestNeeded)',
      },
    ],
  },
  {
    name: 'record-crc-unchecked',
    danger: 'A record that rotted is given to clients.',
    edits: [
      {
        file: 'src/database/storage/record-reader.ts',
        find: 'checkRecord(key, bytes)',
        replace: 'void key',
      },
    ],
  },
  {
    name: 'log-payload-crc-unchecked',
    danger: 'A log entry that rotted is applied, and sent to others.',
    edits: [
      {
        file: 'src/database/consensus/entry.ts',
        find: 'crc32c(bytes.subarray(ENTRY_HEADER_BYTES)) !== bytes.readUInt32BE(44)',
        replace: 'bytes.length < ENTRY_HEADER_BYTES',
      },
    ],
  },
  {
    name: 'entry-type-unchecked',
    danger: 'An entry whose type rotted is another one: commands are passed over as nothing.',
    edits: [
      {
        file: 'src/database/consensus/entry.ts',
        find: 'bytes.readUInt16BE(2) !== 0 && ',
        replace: 'bytes.length === 0 && ',
      },
    ],
  },
]
