/**
 * Removing what nothing names any more, a bounded part at a time: generations that are neither live
 * nor being received, and log entries at or below the base (left behind when a snapshot replaced
 * them). Nothing reads these, so a crash at any moment costs nothing.
 */

import { SWEEP_KEYS_MAX } from '../../shared/limits.ts'
import type { CommitGate } from './commit-gate.ts'
import {
  type Database,
  GENERATIONS_END,
  GENERATIONS_START,
  type GenerationLayout,
  LOG_START,
  logKey,
} from './layout.ts'
import type { Base } from './stored-values.ts'

type Range = { readonly gte: Buffer; readonly lt: Buffer }

export class Sweeper {
  readonly #db: Database
  readonly #gate: CommitGate
  /** Nothing was left at the last look, and nothing was replaced since. */
  #clean = false

  constructor(db: Database, gate: CommitGate) {
    this.#db = db
    this.#gate = gate
  }

  /** Something was replaced: there is work again. */
  wake(): void {
    this.#clean = false
  }

  /** Deletes up to SWEEP_KEYS_MAX keys; true when nothing is left. */
  async sweep(keep: {
    base: Base
    live: GenerationLayout
    receiving: GenerationLayout | undefined
  }): Promise<boolean> {
    if (this.#clean) return true
    let left = SWEEP_KEYS_MAX
    for (const range of deadRanges(keep)) {
      left -= await deleteRange(this.#db, this.#gate, { ...range, limit: left })
      if (left === 0) return false
    }
    this.#clean = keep.receiving === undefined
    return true
  }
}

function deadRanges(keep: {
  base: Base
  live: GenerationLayout
  receiving: GenerationLayout | undefined
}): Range[] {
  const { base, live, receiving } = keep
  const ranges: Range[] = [
    { gte: LOG_START, lt: logKey(base.index + 1) },
    { gte: GENERATIONS_START, lt: live.start },
  ]
  if (receiving === undefined) return [...ranges, { gte: live.end, lt: GENERATIONS_END }]
  // A generation is received only right behind the live one.
  ranges.push({ gte: live.end, lt: receiving.start }, { gte: receiving.end, lt: GENERATIONS_END })
  return ranges
}

/** Deletes up to `limit` keys of a range in one synced batch; resolves to how many there were. */
export async function deleteRange(
  db: Database,
  gate: CommitGate,
  options: { gte: Buffer; lt: Buffer; limit: number },
): Promise<number> {
  if (Buffer.compare(options.gte, options.lt) >= 0) return 0
  const keys = await db.keys(options).all()
  if (keys.length === 0) return 0
  await gate.commit((batch) => {
    for (const key of keys) batch.del(key)
    return undefined
  })
  return keys.length
}
