/** What people are told to do where a cluster cannot help itself. */

import { majority } from '../consensus/quorum.ts'
import { type CoreStatus, type MemberId, ordinalOf } from '../consensus/types.ts'
import { type Orchestrator, rangeOf } from './orchestrator.ts'

/**
 * A quorum was lost by scaling down too fast: those that were to leave were killed before they were
 * removed. Their disks are kept; undefined: it is not so. `nameOf` an ordinal.
 */
export function scaledTooFar(view: {
  readonly status: CoreStatus | undefined
  readonly orchestrator: Orchestrator | undefined
  readonly hears: (member: MemberId) => boolean
  readonly nameOf: (ordinal: number) => string
}): string | undefined {
  const { status, orchestrator, hears, nameOf } = view
  const range = rangeOf(orchestrator?.topology)
  if (range === undefined || status?.membership === undefined) return undefined
  if (status.leader !== undefined) return undefined
  const { voters } = status.membership
  const missing = voters.filter((voter) => voter !== status.self && !hears(voter))
  if (voters.length - missing.length >= majority(voters.length)) return undefined
  const gone = missing
    .map(ordinalOf)
    .filter((ordinal) => ordinal < range.first || ordinal >= range.end)
  if (gone.length === 0) return undefined
  const span = Math.max(...voters.map(ordinalOf)) - range.first + 1
  // The chart takes odd numbers.
  const enough = span % 2 === 0 ? span + 1 : span
  const names = gone.map(nameOf).join(', ')
  const why = `${names} went before the cluster could do without`
  return `${why}: scale up to ${enough} again (the claims are kept), and down once all are ready`
}
