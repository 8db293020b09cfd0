/** All mutants, in the order of the table in docs/proof.md. */

import { belowTheDisk } from './below-the-disk.ts'
import { inElections } from './in-elections.ts'
import { inMembership } from './in-membership.ts'
import { inReplication } from './in-replication.ts'
import { inState } from './in-state.ts'
import { inStorage } from './in-storage.ts'
import type { Mutant } from './mutant.ts'

/** To be found by the simulator's general schedule. */
export const simulated: readonly Mutant[] = [
  ...inElections,
  ...inReplication,
  ...inMembership,
  ...inState,
  ...inStorage,
]

export { belowTheDisk }
