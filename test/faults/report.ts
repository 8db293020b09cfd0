/** What a person reads: a line for each step while it runs, and the table at the end. */

import { longestGap, median } from './gaps.ts'
import type { Taken } from './nemesis.ts'
import { describeAction, kindOf } from './plan.ts'

/** What one step did to the writes: the longest time without an acknowledged one, ms. */
export type StepGaps = {
  readonly taken: Taken
  /** From its beginning to the next step's. */
  readonly longest_ms: number
  /** As much of it as lies behind the end of the fault. */
  readonly after_ms: number
}

export function gapsOf(taken: Taken, acks_ms: readonly number[]): StepGaps {
  const { from_ms, over_ms, to_ms } = taken
  return {
    taken,
    longest_ms: longestGap(acks_ms, { from_ms, to_ms }),
    after_ms: longestGap(acks_ms, { from_ms: over_ms, to_ms }),
  }
}

/** `  12.3 s  #4 kill the leader (db-0)  gap 1120 ms, 20 ms after it` */
export function stepLine(gaps: StepGaps, start_ms: number): string {
  const { step, did, whole, from_ms } = gaps.taken
  const what = did.map(({ action, names, note }) => {
    const more = note === undefined ? '' : `: ${note}`
    return `${describeAction(action)} (${names.join(', ')}${more})`
  })
  const at = `${((from_ms - start_ms) / 1000).toFixed(1)} s`.padStart(9)
  const waited = `gap ${ms(gaps.longest_ms)}, ${ms(gaps.after_ms)} after it`
  const left = whole ? '' : ' (not all voted yet)'
  return `${at}  ${String(step.number).padStart(3)}  ${what.join(', and ')}${left}  ${waited}`
}

type Row = { longest_ms: number[]; after_ms: number[] }

/** A line for each kind of step: how often, and the gaps in writes. Pairs are one kind. */
export function gapTable(all: readonly StepGaps[]): string {
  const rows = new Map<string, Row>()
  for (const { taken, longest_ms, after_ms } of all) {
    const name = groupOf(taken)
    const row = rows.get(name) ?? { longest_ms: [], after_ms: [] }
    row.longest_ms.push(longest_ms)
    row.after_ms.push(after_ms)
    rows.set(name, row)
  }
  const lines = [...rows]
    .sort(([, a], [, b]) => Math.max(...b.longest_ms) - Math.max(...a.longest_ms))
    .map(([name, row]) => [
      name,
      String(row.longest_ms.length),
      ms(median(row.longest_ms)),
      ms(Math.max(...row.longest_ms)),
      ms(Math.max(...row.after_ms)),
    ])
  return layOut([['what', 'times', 'median gap', 'longest gap', 'longest after it'], ...lines])
}

function groupOf({ step, whole }: Taken): string {
  const [first, second] = step.actions
  if (first === undefined || second !== undefined) return 'two at once'
  const kind = describeKind(kindOf(first), first.who)
  return whole ? kind : `${kind} (not all voted yet)`
}

function describeKind(kind: string, who: { tier: string; pick: string }): string {
  return `${kind}: ${who.tier === 'api' ? `API servers, ${who.pick}` : who.pick}`
}

function ms(value: number): string {
  return `${Math.round(value)} ms`
}

/** Whether all replicas hold the same, in a sentence; `hashes` are those that differ. */
export function contentsOf(picture: {
  index: number
  hashes: readonly string[]
  replicas: number
}): {
  readonly equal: boolean
  readonly said: string
} {
  const { index, hashes, replicas } = picture
  const [hash] = hashes
  return hashes.length === 1
    ? {
        equal: true,
        said: `all ${replicas} replicas have the content hash ${hash} at index ${index}`,
      }
    : {
        equal: false,
        said: `the replicas' content hashes differ at index ${index}: ${hashes.join(', ')}`,
      }
}

/** Columns as wide as they need, the first to the left. */
function layOut(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('   '),
    )
    .join('\n')
}
