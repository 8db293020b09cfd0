/**
 * Mutants below the simulated disk: what our own reader believes of LevelDB's files, and what is
 * done with a folder that cannot be believed. The storage suite must find them.
 */

import type { DiskMutant } from './mutant.ts'

const CHECK = 'src/database/storage/level-files/check.ts'
const FOLDER = 'src/database/storage/folder.ts'
const LOG_FILE = 'src/database/storage/level-files/log-file.ts'
const TABLE = 'src/database/storage/level-files/table.ts'
const WAL = 'src/database/storage/level-files/write-ahead-log.ts'

const files = {
  suites: [
    'test/unit/storage/level-files.test.ts',
    'test/unit/storage/level-logs.test.ts',
    'test/unit/storage/level-bits.test.ts',
  ],
}
const folders = { suites: ['test/unit/storage/folder.test.ts'] }
const contract = { suites: ['test/contracts/storage.test.ts'] }

export const belowTheDisk: readonly DiskMutant[] = [
  {
    name: 'files-not-checked-before-open',
    danger: 'LevelDB opens damaged files, drops fsynced batches, and deletes the evidence.',
    ...folders,
    edits: [
      {
        file: FOLDER,
        find: 'const damage = await checkLevelFiles(databaseFolder(folder))',
        replace: 'const damage: Damage[] = []',
      },
    ],
  },
  {
    name: 'wal-crc-unchecked',
    danger: 'A flipped byte in the write-ahead log makes fsynced batches vanish at open.',
    ...files,
    edits: [
      {
        file: LOG_FILE,
        find: 'if (maskedCrc(block.subarray(at + 6, end)) !== block.readUInt32LE(at)) {',
        replace: 'if (end < at) {',
      },
    ],
  },
  {
    name: 'wal-tail-length-believed',
    danger: 'A last record whose length rotted passes for one that a crash cut short.',
    ...files,
    edits: [
      {
        file: LOG_FILE,
        find: 'if (rest.length >= HEADER_BYTES && holdsWholeRecord(rest)) {',
        replace: 'if (rest.length < 0) {',
      },
      { file: WAL, find: 'if (startsWithWholeBatch(content)) {', replace: 'if (offset < 0) {' },
    ],
  },
  {
    name: 'wal-torn-in-the-middle',
    danger: 'Batches behind a log that lost its end are believed, and those between are gone.',
    ...files,
    edits: [
      {
        file: WAL,
        find: "if (end.torn) throw new DamageFound('batches follow a log that ends within one')",
        replace: '',
      },
    ],
  },
  {
    name: 'wal-gap-unseen',
    danger: 'A batch that vanished from the middle of the log is not missed.',
    ...files,
    edits: [{ file: WAL, find: 'if (gap) {', replace: 'if (gap && offset < 0) {' }],
  },
  {
    name: 'missing-wal-unseen',
    danger: 'A write-ahead log that is gone takes all its fsynced batches along, without a word.',
    ...files,
    edits: [
      {
        file: CHECK,
        find: "findings.add({ file: fileName(logNumber, 'log'), what: 'is missing' })",
        replace: '',
      },
    ],
  },
  {
    name: 'missing-current-unseen',
    danger: 'LevelDB makes an empty database over the data that is there.',
    ...files,
    edits: [
      {
        file: CHECK,
        find: "if (!files.includes('CURRENT')) return checkUnborn(files)",
        replace: "if (!files.includes('CURRENT')) return []",
      },
    ],
  },
  {
    name: 'missing-table-unseen',
    danger: 'A table that is gone reads as keys that were never written.',
    ...files,
    edits: [
      {
        file: CHECK,
        find: "findings.add({ file: fileName(row.number, 'ldb'), what: 'is missing' })",
        replace: '',
      },
    ],
  },
  {
    name: 'table-crc-unchecked',
    danger: 'One flipped bit in a table makes values wrong, and thousands of keys absent.',
    ...files,
    edits: [
      {
        file: 'src/database/storage/level-files/block.ts',
        find: 'if (maskedCrc(block.subarray(0, size + 1)) !== block.readUInt32LE(size + 1)) {',
        replace: 'if (size < 0) {',
      },
    ],
  },
  {
    name: 'filter-block-unchecked',
    danger: 'A flipped bit in a filter makes keys read as absent.',
    ...files,
    edits: [
      {
        file: TABLE,
        find: "for (const handle of filters) await this.#block(handle, 'a filter block')",
        replace: '',
      },
    ],
  },
  {
    name: 'table-of-another-time-believed',
    danger: 'A whole table of another time has right checksums and old values.',
    ...files,
    edits: [
      {
        file: TABLE,
        find: 'if (found === undefined || !found.equals(named)) {',
        replace: 'if (found === undefined && named === undefined) {',
      },
    ],
  },
  {
    name: 'set-aside-disk-forgets-its-cluster',
    danger: 'Replicas whose disks were all set aside take themselves for new, and found a cluster.',
    ...folders,
    edits: [
      {
        file: FOLDER,
        find: 'formerClusterId: (await readCluster(folder))?.clusterId,',
        replace: 'formerClusterId: undefined,',
      },
    ],
  },
  {
    name: 'newer-format-overwritten',
    danger: 'An older version opens, and changes, a disk that it cannot read.',
    ...folders,
    edits: [{ file: FOLDER, find: 'if (format > STORAGE_FORMAT) {', replace: 'if (format < 0) {' }],
  },
  {
    name: 'another-process-taken-for-damage',
    danger: 'Data that a running process is writing is moved away under it.',
    ...folders,
    edits: [
      {
        file: FOLDER,
        find: 'if ((reason !== undefined || full) && (await options.lockHeld())) {',
        replace: 'if (reason !== undefined && folder.length === 0) {',
      },
    ],
  },
  {
    name: 'ballast-not-released',
    danger: 'A replica on a full disk cannot even open, let alone be repaired.',
    ...folders,
    edits: [
      {
        file: 'src/database/storage/disk-space.ts',
        find: 'await rm(ballastFile(folder), { force: true })',
        replace: '',
      },
    ],
  },
  {
    name: 'stored-seal-unchecked',
    danger: 'A term, vote or applied index that rotted is believed.',
    ...contract,
    edits: [
      {
        file: 'src/database/storage/stored-values.ts',
        find: 'if (crc32c(content, crc32c(key)) !== sealed.readUInt32BE(0))',
        replace: 'if (content.length < 0)',
      },
    ],
  },
  {
    name: 'hash-chain-unchecked',
    danger: 'An entry of another log is taken for this one’s.',
    ...contract,
    edits: [
      {
        file: 'src/database/storage/log-reader.ts',
        find: 'if (!followsChain(entry, last.chain))',
        replace: 'if (entry.index < 0)',
      },
    ],
  },
  {
    name: 'snapshot-cut-short-believed',
    danger: 'A snapshot whose stream broke is switched in, and keys are gone.',
    ...contract,
    edits: [
      {
        file: 'src/database/storage/snapshot-receiver.ts',
        find: "if (end === undefined) throw malformed('ended early')",
        replace:
          'end ??= { rows, meta: {\n' +
          '      applied: snapshot.meta.index, appliedTerm: snapshot.meta.term, keys,\n' +
          '      revision: snapshot.meta.nextRevision - 1, time_ms: snapshot.meta.time_ms,\n' +
          '      hash: hash.value } }',
      },
    ],
  },
]
