/**
 * The one way to the disk: synced batches, one at a time, and none after the first that failed.
 *
 *   open ──batch──► busy ──synced──► open (the next in line goes)
 *                     └──refused──► failed: everything is refused from now on
 *
 * Why (DESIGN §6, measured): LevelDB's `sync` defaults to false; unsynced writes may vanish while
 * later ones survive; and after one ENOSPC it acknowledges writes that are gone at the next open.
 */

import type { AbstractChainedBatch } from 'abstract-level'
import { ClusterError } from '../../shared/errors.ts'
import type { Database } from './layout.ts'

export type Batch = AbstractChainedBatch<Database, Buffer, Buffer>

/** The one mode of writing. Never mixed with another. */
const SYNCED = { sync: true }

export class CommitGate {
  readonly #db: Database
  #busy = false
  #failure: ClusterError | undefined
  /** At most one per kind of work: the writer, a receiver, maintenance. */
  readonly #line: (() => void)[] = []

  constructor(db: Database) {
    this.#db = db
  }

  /** Why nothing is written any more. */
  get failure(): ClusterError | undefined {
    return this.#failure
  }

  /**
   * Fills a batch when its turn has come and writes it synced; then runs what `fill` returned,
   * before anybody else's turn. Rejects with `storage-failed`, then and for ever after, when the
   * disk refused one. What `fill` throws is thrown, and nothing is written.
   */
  async commit(fill: (batch: Batch) => (() => void) | undefined): Promise<void> {
    while (this.#busy) await this.#turn()
    if (this.#failure !== undefined) throw this.#failure
    this.#busy = true
    try {
      const batch: Batch = this.#db.batch()
      let synced: (() => void) | undefined
      try {
        synced = fill(batch)
      } catch (error) {
        await batch.close()
        throw error
      }
      await this.#write(batch)
      synced?.()
    } finally {
      this.#busy = false
      this.#line.shift()?.()
    }
  }

  async #write(batch: Batch): Promise<void> {
    try {
      await batch.write(SYNCED)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      this.#failure = new ClusterError('storage-failed', `the disk refused a write: ${why}`, {
        cause: error,
        outcome: 'unknown',
      })
      throw this.#failure
    }
  }

  /** Runs `look` at once when no batch is under way, else right after the present one. */
  async between<T>(look: () => T): Promise<T> {
    while (this.#busy) await this.#turn()
    try {
      return look()
    } finally {
      this.#line.shift()?.()
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#line.push(resolve))
  }
}
