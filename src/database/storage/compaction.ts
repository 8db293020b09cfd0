/**
 * Deleting the beginning of the log. Each bounded batch moves the base and deletes what lies at or
 * below it, at once: whatever the moment of a crash, the log is contiguous from its base on.
 */

import { ClusterError } from '../../shared/errors.ts'
import { COMPACTION_ENTRIES_MAX } from '../../shared/limits.ts'
import type { Batch, CommitGate } from './commit-gate.ts'
import { type DiskState, membershipAt } from './disk-state.ts'
import { BASE_KEY, type Database, logKey } from './layout.ts'
import { readEntry } from './log-reader.ts'
import { type Base, encodeBase, seal } from './stored-values.ts'

/** Entries deleted by one batch. */
const BATCH_ENTRIES = 1024

/** Moves the base towards `until`, by COMPACTION_ENTRIES_MAX entries at most. */
export async function compactLog(
  db: Database,
  gate: CommitGate,
  log: { until: number; state: () => DiskState; moved: (next: DiskState) => void },
): Promise<void> {
  const end = Math.min(log.until, log.state().base.index + COMPACTION_ENTRIES_MAX)
  while (log.state().base.index < end) {
    await gate.commit((batch) => {
      const state = log.state()
      const next = putBase(db, batch, {
        state,
        index: Math.min(state.base.index + BATCH_ENTRIES, end),
      })
      return () => log.moved(next)
    })
  }
}

function putBase(
  db: Database,
  batch: Batch,
  target: { state: DiskState; index: number },
): DiskState {
  const { state, index } = target
  const key = logKey(index)
  const value = db.getSync(key)
  if (value === undefined) throw new ClusterError('data-damaged', `log entry ${index} is missing`)
  const { term, chain, time_ms, firstRevision, count } = readEntry(key, value)
  const base: Base = {
    index,
    term,
    chain,
    time_ms,
    nextRevision: firstRevision + count,
    membership: membershipAt(state, index),
  }
  batch.put(BASE_KEY, seal(BASE_KEY, encodeBase(base)))
  for (let at = state.base.index + 1; at <= index; at += 1) batch.del(logKey(at))
  return { ...state, base, memberships: state.memberships.filter((held) => held.index > index) }
}
