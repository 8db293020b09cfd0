/**
 * The headless Service as each process sees it: records that come and go with the Pods, and
 * answers that are late, stale, partial or denied.
 */

import { ClusterError } from '../../src/shared/errors.ts'
import type { Discovery, PeerAddress } from '../../src/shared/link.ts'
import type { Chance } from './chance.ts'
import type { SimulatedProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

export type DnsTrouble = 'none' | 'denied' | 'partial' | 'stale' | 'silent'

/** A resolver gives up after this long. */
const SILENCE_MS = 1000

export class Dns {
  readonly #scheduler: Scheduler
  readonly #chance: Chance
  readonly #records = new Map<number, PeerAddress>()
  /** What a cache that is not refreshed goes on saying. */
  #stale: readonly PeerAddress[] = []
  #trouble: DnsTrouble = 'none'

  constructor(scheduler: Scheduler, chance: Chance) {
    this.#scheduler = scheduler
    this.#chance = chance
  }

  set(address: PeerAddress): void {
    this.#records.set(address.ordinal, address)
  }

  remove(ordinal: number): void {
    this.#records.delete(ordinal)
  }

  get isTroubled(): boolean {
    return this.#trouble !== 'none'
  }

  set trouble(trouble: DnsTrouble) {
    if (trouble === 'stale') this.#stale = this.#all()
    this.#trouble = trouble
  }

  #all(): PeerAddress[] {
    return [...this.#records.values()].sort((a, b) => a.ordinal - b.ordinal)
  }

  /** The resolver of one process. */
  resolver(process: SimulatedProcess): Discovery {
    return {
      lookup: () =>
        new Promise((resolve, reject) => {
          const trouble = this.#trouble
          const wait_ms = trouble === 'silent' ? SILENCE_MS : 0.5 + this.#chance.random() * 2
          this.#scheduler.after(wait_ms, process, () => {
            const found = this.#answer(trouble)
            if (found.length > 0) resolve(found)
            else reject(new ClusterError('no-replica', 'the name was not found'))
          })
        }),
    }
  }

  #answer(trouble: DnsTrouble): readonly PeerAddress[] {
    switch (trouble) {
      case 'none':
        return this.#all()
      case 'stale':
        return this.#stale
      case 'partial':
        return this.#all().filter(() => this.#chance.happens(0.5))
      case 'denied':
      case 'silent':
        return []
    }
  }
}
