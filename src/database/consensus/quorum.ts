/**
 * Majorities. A quorum is more than half of the voters, so any two quorums share one (Raft §5.2).
 * Sets of voters are small (at most seven or so), hence plain arrays and an insertion sort.
 */

import type { MemberId } from './types.ts'

export type Tally = 'won' | 'lost' | 'pending'

/** How many of `voters` make a quorum. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1
}

/**
 * The highest value that a majority has reached; 0 without voters. Sorts `values` in place, so that
 * the caller can keep one scratch array for the hot path.
 */
export function quorumValue(values: number[]): number {
  const count = values.length
  if (count === 0) return 0
  for (let i = 1; i < count; i += 1) {
    const value = values[i] as number
    let at = i - 1
    while (at >= 0 && (values[at] as number) < value) {
      values[at + 1] = values[at] as number
      at -= 1
    }
    values[at + 1] = value
  }
  return values[majority(count) - 1] as number
}

/** How an election stands when `votes` holds the answers so far; only `voters` count. */
export function tally(voters: readonly MemberId[], votes: ReadonlyMap<MemberId, boolean>): Tally {
  let granted = 0
  let missing = 0
  for (const voter of voters) {
    const vote = votes.get(voter)
    if (vote === true) granted += 1
    else if (vote === undefined) missing += 1
  }
  const needed = majority(voters.length)
  if (granted >= needed) return 'won'
  return granted + missing < needed ? 'lost' : 'pending'
}
