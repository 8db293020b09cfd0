/**
 * The format of the entries that a leader makes: nothing that some member cannot read (DESIGN §7).
 * What each reads is told by its hello; of one that is not linked nothing is known, since it may
 * come back as an older version. Learners count too, for they are to catch up. So a log may hold
 * both formats in any order; whoever reads the newer one reads the older one too.
 */

import { FORMAT_ENABLED, FORMAT_OLDEST } from '../../shared/formats.ts'
import { membersOf } from './membership.ts'
import type { CoreState } from './state.ts'

/** See `CoreConfig.formatEnabled`. */
export function writtenFormat(state: CoreState): number {
  const { config, log, self, formats } = state
  let format = config.formatEnabled ?? FORMAT_ENABLED
  if (format === FORMAT_OLDEST) return format
  for (const member of membersOf(log.membership)) {
    if (member !== self) format = Math.min(format, formats.get(member) ?? FORMAT_OLDEST)
  }
  return Math.max(format, FORMAT_OLDEST)
}
