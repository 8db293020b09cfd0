/**
 * A slow look at all data while the replica runs: LevelDB reads its blocks without checking them
 * (measured, DESIGN §6), so our own CRCs do it. It goes on where the last call stopped and starts
 * again behind the last key.
 */

import type { AbstractSnapshot } from 'abstract-level'
import { ClusterError } from '../../shared/errors.ts'
import { SCRUB_BYTES_MAX } from '../../shared/limits.ts'
import type { Entry } from '../consensus/entry.ts'
import type { CommitGate } from './commit-gate.ts'
import type { DiskState } from './disk-state.ts'
import {
  BASE_KEY,
  type Database,
  type GenerationLayout,
  generationOfKey,
  HARD_STATE_KEY,
  IDENTITY_KEY,
  indexOfLogKey,
  LIVE_KEY,
} from './layout.ts'
import { checkFollows, readEntry } from './log-reader.ts'
import { pages } from './pages.ts'
import { checkExpiry, checkStoredRecord } from './record-reader.ts'
import { decodeMeta, unseal } from './stored-values.ts'

const PAGE_ROWS = 256
const SEALED_KEYS = [IDENTITY_KEY, HARD_STATE_KEY, LIVE_KEY, BASE_KEY]

export class Scrubber {
  readonly #db: Database
  readonly #gate: CommitGate
  /** The last key read; undefined: from the start. */
  #cursor: Buffer | undefined
  #lastEntry: Entry | undefined

  constructor(db: Database, gate: CommitGate) {
    this.#db = db
    this.#gate = gate
  }

  /** Reads on for about SCRUB_BYTES_MAX bytes. Rejects with `data-damaged`. */
  async scrub(look: () => DiskState): Promise<void> {
    // Rows of the moment that the state tells of: of a batch under way the rows may show first,
    // and behind another base they would not follow one another.
    const { state, snapshot } = await this.#gate.between(() => {
      return { state: look(), snapshot: this.#db.snapshot() }
    })
    try {
      await this.#read(state, snapshot)
    } finally {
      await snapshot.close()
    }
  }

  async #read(state: DiskState, snapshot: AbstractSnapshot): Promise<void> {
    let bytes = 0
    // The log may be truncated between two calls: the chain is checked within one.
    this.#lastEntry = undefined
    const start = this.#cursor
    const range = start === undefined ? {} : { gt: start }
    const options = { ...range, snapshot, rows: PAGE_ROWS, bytes: SCRUB_BYTES_MAX / 4 }
    for await (const page of pages(this.#db, options)) {
      for (const [key, value] of page) {
        this.#check(key, value, state)
        bytes += key.length + value.length
        this.#cursor = key
      }
      if (bytes >= SCRUB_BYTES_MAX) return
    }
    this.#cursor = undefined
  }

  #check(key: Buffer, value: Buffer, state: DiskState): void {
    switch (key[0]) {
      case 0x67:
        if (generationOfKey(key) === state.live.number) checkRow(key, value, state.live)
        return
      case 0x6c:
        if (indexOfLogKey(key) > state.base.index) this.#checkEntry(key, value)
        return
      default:
        if (!SEALED_KEYS.some((known) => known.equals(key))) {
          const shown = JSON.stringify(key.toString('latin1'))
          throw new ClusterError('data-damaged', `the key ${shown} is none of ours`)
        }
        unseal(key, value)
    }
  }

  #checkEntry(key: Buffer, value: Buffer): void {
    const entry = readEntry(key, value)
    if (this.#lastEntry !== undefined) checkFollows(entry, this.#lastEntry)
    this.#lastEntry = entry
  }
}

function checkRow(key: Buffer, value: Buffer, live: GenerationLayout): void {
  if (key.equals(live.metaKey)) {
    decodeMeta(unseal(key, value))
    return
  }
  switch (live.rowType(key)) {
    case 'record':
      checkStoredRecord(live.rowKey(key), value)
      return
    case 'expiry':
      checkExpiry(key, value)
      return
    case 'session':
      unseal(key, value)
      return
    case undefined:
      throw new ClusterError('data-damaged', 'a row of an unknown kind')
  }
}
