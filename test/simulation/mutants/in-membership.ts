/** Mutants of membership and bootstrap: who counts, and who may begin. */

import type { Mutant } from './mutant.ts'

const CHANGES = 'src/database/consensus/changes.ts'
const POLICY = 'src/database/consensus/membership-policy.ts'

export const inMembership: readonly Mutant[] = [
  {
    name: 'swap-in-one-step',
    danger: 'Old and new membership have majorities that do not meet: two leaders commit.',
    edits: [
      {
        file: POLICY,
        find: 'const next = without(membership, old)',
        replace:
          'const rest = without(membership, old)\n' +
          '    const voters = byOrdinal([...rest.voters, learner])\n' +
          '    const learners = rest.learners.filter((id) => id !== learner)\n' +
          '    const next = { ...rest, voters, learners }',
      },
    ],
  },
  {
    name: 'change-before-the-first-commit',
    danger: 'Changes of two leaders overlap, and their majorities do not meet (Ongaro 2015).',
    edits: [
      {
        file: CHANGES,
        find: 'if (leading.transfer !== undefined || !committedInTerm(state)) return',
        replace: 'if (leading.transfer !== undefined) return',
      },
    ],
  },
  {
    name: 'two-changes-at-once',
    danger: 'A change builds upon one that may yet be undone: majorities that do not meet.',
    edits: [{ file: CHANGES, find: 'if (log.membershipIndex > commit) return', replace: '' }],
  },
  {
    name: 'empty-disk-votes-again',
    danger: 'A replica whose disk is new votes and acknowledges as the one that lost its entries.',
    edits: [
      {
        file: 'src/database/storage/open-storage.ts',
        find: 'incarnation: newIncarnation(),',
        replace: "incarnation: String(ordinal).padStart(8, '0'),",
      },
    ],
  },
  {
    name: 'size-taken-from-dns',
    danger: 'A replica that lost its disk and finds nobody in DNS founds a second cluster.',
    edits: [
      {
        file: 'src/database/replica/bootstrap.ts',
        find: 'expectedOrdinals({ firstOrdinal, expected }: BootstrapView)',
        replace: 'expectedOrdinals({ firstOrdinal, peers: { length: found } }: BootstrapView)',
      },
      {
        file: 'src/database/replica/bootstrap.ts',
        find: 'Array.from({ length: expected },',
        replace: 'Array.from({ length: found + 1 },',
      },
    ],
  },
  {
    name: 'removed-replica-not-told',
    danger: 'An old disk that comes back waits for ever, and its ordinal is missing.',
    edits: [
      {
        file: 'src/database/replica/hellos.ts',
        find: "return hello.stopping === 'goes' ? undefined : 'removed-replica'",
        replace: 'return undefined',
      },
    ],
  },
]
