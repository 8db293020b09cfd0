/**
 * Messages on their way out. One that promises something (a vote, an acknowledgement) is held until
 * the write that it depends on is on the disk (Raft, Figure 2).
 *
 *   send ──its write is synced──► transport
 *     └────it is not──► held ──persisted──► transport
 */

import type { Outgoing } from '../consensus/types.ts'
import type { Transport } from './ports.ts'

export class Outbox {
  readonly #transport: Pick<Transport, 'send'>
  #held: Outgoing[] = []
  /** Id of the last synced write; 0: none. */
  #persisted = 0

  constructor(transport: Pick<Transport, 'send'>) {
    this.#transport = transport
  }

  send(outgoing: Outgoing): void {
    if (outgoing.after <= this.#persisted) this.#transport.send(outgoing.message)
    else this.#held.push(outgoing)
  }

  /** The write `id` is on the disk: what waited for it leaves. False: that was known already. */
  persisted(id: number): boolean {
    if (id <= this.#persisted) return false
    this.#persisted = id
    const held = this.#held
    this.#held = []
    for (const outgoing of held) this.send(outgoing)
    return true
  }

  /** What is held never leaves. */
  drop(): void {
    this.#held = []
  }
}
