/**
 * Applies committed entries to the state machine, in order and at once; and while a snapshot is
 * being switched in, keeps them until the state machine was started again from it.
 *
 *   applying ──install begun──► installing (entries wait) ──synced, reloaded──► applying
 */

import { assert } from '../../shared/assert.ts'
import { type Entry, payloadOf } from '../consensus/entry.ts'
import { KvState } from '../kv/state.ts'
import type { CommandResult, KvChanges } from '../kv/types.ts'
import { FINGERPRINT_EVERY_ENTRIES, type Fingerprint } from './fingerprints.ts'
import type { Storage, StoredState } from './ports.ts'

export type ApplierOptions = {
  readonly storage: Storage
  readonly stored: StoredState
  /** The results of an entry, one list a segment. */
  readonly onApplied: (entry: Entry, results: readonly (readonly CommandResult[])[]) => void
  /** The content hash at an index where all replicas note theirs. */
  readonly onFingerprint: (fingerprint: Fingerprint) => void
}

export class Applier {
  readonly #options: ApplierOptions
  #kv: KvState
  #installing = false
  #deferred: Entry[] = []
  /** Figures for metrics. */
  readonly counters = { entries: 0, commands: 0, repeated: 0 }

  constructor(options: ApplierOptions) {
    this.#options = options
    this.#kv = this.#open(options.stored)
  }

  get kv(): KvState {
    return this.#kv
  }

  get installing(): boolean {
    return this.#installing
  }

  /** Index of the last applied entry; -1 while a snapshot is being switched in. */
  get applied(): number {
    return this.#installing ? -1 : this.#kv.applied
  }

  /** What changed since the last batch; the state that a snapshot replaces is not written. */
  takeChanges(): KvChanges | undefined {
    return this.#installing ? undefined : this.#kv.takeChanges()
  }

  /** A snapshot is on its way into the place of the present state. */
  installBegun(): void {
    this.#installing = true
  }

  /** Applies entries, or keeps them for after the installation. Throws `data-damaged`. */
  commit(entries: readonly Entry[]): void {
    if (this.#installing) this.#deferred.push(...entries)
    else for (const entry of entries) this.#apply(entry)
  }

  /** The snapshot is in place: starts again from it, with the log that the disk tells. */
  async installed(): Promise<StoredState> {
    const stored = await this.#options.storage.load()
    this.#kv = this.#open(stored)
    this.#installing = false
    const deferred = this.#deferred
    this.#deferred = []
    this.commit(deferred.filter((entry) => entry.index > this.#kv.applied))
    return stored
  }

  #open({ meta, sessions }: StoredState): KvState {
    return new KvState(this.#options.storage.records, { meta, sessions })
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#kv.applied + 1, `entry ${entry.index} applied out of order`)
    const results = this.#kv.apply(entry, payloadOf(entry))
    this.counters.entries += 1
    this.counters.commands += entry.count
    for (const segment of results) {
      for (const result of segment) if (result.repeated) this.counters.repeated += 1
    }
    if (entry.index % FINGERPRINT_EVERY_ENTRIES === 0) {
      this.#options.onFingerprint({ index: entry.index, hash: this.#kv.meta().hash })
    }
    this.#options.onApplied(entry, results)
  }
}
