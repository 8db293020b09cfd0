/**
 * Removing what nothing names any more, a bounded part at a time: generations that are neither live
 * nor being received, and log entries at or below the base (left behind when a snapshot replaced
 * them). Nothing reads these, so a crash at any moment costs nothing.
 *
 * A snapshot may begin to be received while a sweep looks around: what is dead is said again in the
 * very turn in which the batch of deletions is filled.
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

/** What is in use. */
type Keep = {
  readonly base: Base
  readonly live: GenerationLayout
  readonly receiving: GenerationLayout | undefined
}

export class Sweeper {
  readonly #db: Database
  readonly #gate: CommitGate
  /** Nothing was left at the last look, and nothing was replaced since it began. */
  #clean = false

  constructor(db: Database, gate: CommitGate) {
    this.#db = db
    this.#gate = gate
  }

  /** Something was replaced: there is work again. */
  wake(): void {
    this.#clean = false
  }

  /** Deletes up to SWEEP_KEYS_MAX keys of what `look` does not name; true: nothing is left. */
  async sweep(look: () => Keep): Promise<boolean> {
    if (this.#clean) return true
    this.#clean = true
    const isDead = (key: Buffer) => deadRanges(look()).some((range) => isWithin(key, range))
    let left = SWEEP_KEYS_MAX
    for (const range of deadRanges(look())) {
      left -= await deleteRange(this.#db, this.#gate, { ...range, limit: left, isDead })
      if (left > 0) continue
      this.#clean = false
      return false
    }
    if (look().receiving !== undefined) this.#clean = false
    return true
  }
}

function deadRanges({ base, live, receiving }: Keep): Range[] {
  const ranges: Range[] = [
    { gte: LOG_START, lt: logKey(base.index + 1) },
    { gte: GENERATIONS_START, lt: live.start },
  ]
  if (receiving === undefined) return [...ranges, { gte: live.end, lt: GENERATIONS_END }]
  // A generation is received only right behind the live one.
  ranges.push({ gte: live.end, lt: receiving.start }, { gte: receiving.end, lt: GENERATIONS_END })
  return ranges
}

function isWithin(key: Buffer, { gte, lt }: Range): boolean {
  return Buffer.compare(key, gte) >= 0 && Buffer.compare(key, lt) < 0
}

/**
 * Deletes up to `limit` keys of a range in one synced batch, those that are dead when the batch is
 * filled; resolves to how many were found.
 */
export async function deleteRange(
  db: Database,
  gate: CommitGate,
  options: Range & { limit: number; isDead?: (key: Buffer) => boolean },
): Promise<number> {
  const { isDead, ...range } = options
  if (Buffer.compare(range.gte, range.lt) >= 0) return 0
  const keys = await db.keys(range).all()
  if (keys.length === 0) return 0
  await gate.commit((batch) => {
    for (const key of keys) if (isDead?.(key) ?? true) batch.del(key)
    return undefined
  })
  return keys.length
}
