/**
 * Stale reads: as old as they like within what was agreed, and no older (DESIGN §8).
 *
 *   - never from a state below the `minRevision` that the client passed;
 *   - no older than `maxStale`, and than the age that the answer tells. The state was the store's
 *     at some moment between call and return; so it holds all that was acknowledged before the call
 *     less that age. Both clocks run at about the same speed, which is all that is asked of them.
 */

import { shortText, spanText } from './explain.ts'
import type { Finding } from './finding.ts'
import { acknowledgedRevision, isBefore, type Operation } from './history.ts'
import type { HistoryIndex } from './history-index.ts'

type Report = (finding: Finding) => void

/** Ages are rounded, and timers of two machines differ a little. */
const SLACK_US = 5000
const CLOCK_DRIFT = 0.001

export function checkStaleReads(index: HistoryIndex, report: Report): void {
  const all = reached(index.byReturn)
  const byKey = new Map<string, Reached>()
  for (const read of index.operations) {
    const { action, outcome, key } = read
    if (action.type !== 'stale-read') continue
    if (outcome.type !== 'found' && outcome.type !== 'absent') continue
    checkMinRevision(read, report)
    const bound_us = boundOf(read)
    if (bound_us === undefined) continue
    const from_us = read.call_us - bound_us * (1 + CLOCK_DRIFT) - SLACK_US
    const missed = lastBefore(all, from_us)
    if (missed !== undefined && outcome.seen !== undefined) {
      const revision = acknowledgedRevision(missed) as number
      if (outcome.seen < revision) {
        report(tooStale(read, { missed, bound_us, shown: `the state at revision ${outcome.seen}` }))
        continue
      }
    }
    let own = byKey.get(key)
    if (own === undefined) {
      own = reached([...index.writesOf(key)].sort(byReturn))
      byKey.set(key, own)
    }
    const last = lastBefore(own, from_us)
    if (last === undefined || isShown(index, last, read)) continue
    const shown = outcome.type === 'found' ? `"${outcome.value}"` : 'no such key'
    report(tooStale(read, { missed: last, bound_us, shown }))
  }
}

function checkMinRevision(read: Operation, report: Report): void {
  const { action, outcome, key } = read
  if (action.type !== 'stale-read' || action.minRevision === undefined) return
  if (!('seen' in outcome) || outcome.seen === undefined) return
  if (outcome.seen >= action.minRevision) return
  report({
    type: 'below-min-revision',
    key,
    operations: [read],
    explanation:
      `A read that asked for revision ${action.minRevision} or later was answered from revision ` +
      `${outcome.seen}.`,
  })
}

/** How old the answer may be, µs; undefined: as old as it likes. */
function boundOf({ action, outcome }: Operation): number | undefined {
  const told_ms = 'age_ms' in outcome ? outcome.age_ms : undefined
  const asked_ms = action.type === 'stale-read' ? action.maxStale_ms : undefined
  if (told_ms === undefined && asked_ms === undefined) return undefined
  return 1000 * Math.min(told_ms ?? Infinity, asked_ms ?? Infinity)
}

/** Does the read show this write of its key, or one that may have come after it? */
function isShown(index: HistoryIndex, write: Operation, read: Operation): boolean {
  const { outcome } = read
  if (outcome.type === 'absent') {
    if (write.outcome.type === 'deleted') return true
    return index.mayBeRemoved(write, read) || index.deletedAfter(write, read)
  }
  if (outcome.type !== 'found') return true
  if (outcome.revision >= (acknowledgedRevision(write) as number)) {
    // Told so by revision; the times must allow it as well.
    const writer = index.writers.get(outcome.value)
    return writer === undefined || !isBefore(writer, write)
  }
  return false
}

function tooStale(
  read: Operation,
  { missed, bound_us, shown }: { missed: Operation; bound_us: number; shown: string },
): Finding {
  const since = spanText(read.call_us - (missed.return_us as number))
  return {
    type: 'too-stale',
    key: read.key,
    operations: [missed, read],
    explanation:
      `A stale read that was to be at most ${spanText(bound_us)} old showed ${shown}, although ` +
      `${shortText(missed)} had been acknowledged ${since} before it was sent.`,
  }
}

/** Acknowledged writes by return, each that reached a higher revision than all before it. */
type Reached = readonly Operation[]

function reached(byReturn: readonly Operation[]): Reached {
  const steps: Operation[] = []
  let highest = 0
  for (const operation of byReturn) {
    const revision = acknowledgedRevision(operation)
    if (revision === undefined || revision <= highest) continue
    highest = revision
    steps.push(operation)
  }
  return steps
}

function byReturn(one: Operation, other: Operation): number {
  return (one.return_us as number) - (other.return_us as number)
}

/** The last of them that returned before a time. */
function lastBefore(steps: Reached, time_us: number): Operation | undefined {
  let low = 0
  let high = steps.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((steps[middle]?.return_us as number) < time_us) low = middle + 1
    else high = middle
  }
  return steps[low - 1]
}
