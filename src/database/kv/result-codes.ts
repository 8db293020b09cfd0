/** The numbers of results on the wire and in stored sessions: added, never renumbered. */

import type { ResultStatus } from './types.ts'

const CODES = {
  created: 1,
  updated: 2,
  deleted: 3,
  absent: 4,
  'condition-failed': 5,
  'session-unknown': 6,
  'below-floor': 7,
  'session-full': 8,
  done: 9,
  unchanged: 10,
  'done-failure': 11,
} as const satisfies Record<ResultStatus, number>

const STATUSES: (ResultStatus | undefined)[] = []
for (const [status, code] of Object.entries(CODES)) STATUSES[code] = status as ResultStatus

/** The number of a status, below 128. */
export function codeOfStatus(status: ResultStatus): number {
  return CODES[status]
}

/** The status with this number, or undefined. */
export function statusOfCode(code: number): ResultStatus | undefined {
  return STATUSES[code]
}
