/** Conditions of writes, as RFC 9110 §13.1 says, on revisions instead of entity tags. */

import type { Condition } from './types.ts'

/** Does the condition hold for a key whose present revision is this? 0: there is no such key. */
export function holds(condition: Condition | undefined, revision: number): boolean {
  if (condition === undefined) return true
  const { match, noneMatch } = condition
  if (match !== undefined) {
    if (revision === 0) return false
    if (match !== 'any' && !match.includes(revision)) return false
  }
  if (noneMatch !== undefined && revision !== 0) {
    if (noneMatch === 'any' || noneMatch.includes(revision)) return false
  }
  return true
}
