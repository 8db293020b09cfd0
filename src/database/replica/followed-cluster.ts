/**
 * Which cluster a replica belongs to. A cluster id is followed in memory, and stored only with the
 * first log content: who holds nothing of a cluster has nothing to be loyal to.
 *
 *   none ──a peer has one──► followed ──first content──► stored
 *     └──formed one here, or its log told of one──────────►┘
 */

import type { Restored } from '../consensus/types.ts'
import type { Storage } from './ports.ts'

export class FollowedCluster {
  readonly #storage: Storage
  /** The cluster that the log tells of. */
  readonly #logged: string | undefined
  #id: string
  #stored: boolean

  constructor(storage: Storage, log: Restored) {
    this.#storage = storage
    this.#logged = (log.memberships.at(-1)?.membership ?? log.base.membership)?.clusterId
    // Who holds nothing of a cluster belongs to none, whatever its disk remembers.
    this.#id = log.lastIndex > 0 ? storage.identity.clusterId : ''
    this.#stored = this.#id !== ''
  }

  /** '': none. */
  get id(): string {
    return this.#id
  }

  /** It is on the disk, with content: this replica belongs to it for good. */
  get stored(): boolean {
    return this.#stored
  }

  /** The founder stopped between its first entry and noting its cluster id. */
  get unnoted(): boolean {
    return this.#id === '' && this.#logged !== undefined
  }

  /** Notes the id that the log tells; only where it is `unnoted`. */
  async note(): Promise<void> {
    const id = this.#logged ?? ''
    await this.#storage.adopt(id)
    this.formed(id)
  }

  /** Belongs to this cluster from now on; on disk only with the first log content. */
  follow(id: string): void {
    this.#id = id
  }

  /** The disk holds the id and content of this cluster. */
  formed(id: string): void {
    this.#id = id
    this.#stored = true
  }

  /** Log content is about to be written: the id goes first. */
  async store(): Promise<void> {
    if (this.#stored) return
    await this.#storage.adopt(this.#id)
    this.#stored = true
  }
}
