/**
 * In the end, is each acknowledged write still there, or superseded by a later one? Told by the
 * last linearizable read of each key, called after all its acknowledged writes had returned.
 */

import { answerText, shortText, spanText } from './explain.ts'
import type { Finding } from './finding.ts'
import { acknowledgedRevision, isBefore, type Operation } from './history.ts'
import type { HistoryIndex } from './history-index.ts'

export type Presence = {
  readonly acknowledged: number
  readonly confirmed: number
  readonly lost: number
  /** Keys that have acknowledged writes, and no such read. */
  readonly keysUnread: readonly string[]
}

export function checkPresence(index: HistoryIndex, report: (finding: Finding) => void): Presence {
  let acknowledged = 0
  let confirmed = 0
  let lost = 0
  const keysUnread: string[] = []
  for (const key of index.keys) {
    const writes = index.writesOf(key)
    const last = writes.at(-1)
    if (last === undefined) continue
    acknowledged += writes.length
    const read = finalRead(index, key, writes)
    if (read === undefined) {
      keysUnread.push(key)
      continue
    }
    const missing = missingWrites(index, writes, read)
    confirmed += writes.length - missing.length
    lost += missing.length
    const newest = missing.at(-1)
    if (newest === undefined) continue
    const since = spanText(read.call_us - (newest.return_us as number))
    const more = missing.length === 1 ? '' : ` (and ${missing.length - 1} before it)`
    report({
      type: 'lost-write',
      key,
      operations: [newest, read],
      explanation:
        `${sentence(shortText(newest))}${more} was acknowledged at revision ` +
        `${acknowledgedRevision(newest)}, and ${since} later a read of the key is answered ` +
        `${answerText(read)}: the write is lost.`,
    })
  }
  return { acknowledged, confirmed, lost, keysUnread }
}

/** The last read of a key that must show all its acknowledged writes. */
function finalRead(
  index: HistoryIndex,
  key: string,
  writes: readonly Operation[],
): Operation | undefined {
  let last_us = 0
  for (const { return_us } of writes) last_us = Math.max(last_us, return_us ?? 0)
  return index
    .operationsOf(key)
    .findLast(
      ({ action, outcome, call_us }) =>
        action.type === 'read' &&
        call_us > last_us &&
        (outcome.type === 'found' || outcome.type === 'absent'),
    )
}

/** Acknowledged writes, by revision, that nothing which the read shows has superseded. */
function missingWrites(
  index: HistoryIndex,
  writes: readonly Operation[],
  read: Operation,
): readonly Operation[] {
  const { outcome } = read
  if (outcome.type === 'found') {
    const writer = index.writers.get(outcome.value)
    return writes.filter(
      (write) =>
        // By revision; and whatever that says, what was written before cannot have superseded.
        (acknowledgedRevision(write) as number) > outcome.revision ||
        (writer !== undefined && isBefore(writer, write)),
    )
  }
  const deleted = writes.findLastIndex((write) => write.outcome.type === 'deleted')
  return writes.slice(deleted + 1).filter((write) => !index.mayBeRemoved(write, read))
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
