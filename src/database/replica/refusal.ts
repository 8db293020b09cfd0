/**
 * What people are told while a peer refuses this replica: noted once, and over when the own link to
 * that peer is up. A peer that never said hello has no name; then it is over when all have said it.
 */

import type { Hello, PeerStatus } from './ports.ts'

export class Refusal {
  readonly #peers: () => readonly PeerStatus[]
  #current: { readonly ordinal: number | undefined; readonly why: string } | undefined

  constructor(peers: () => readonly PeerStatus[]) {
    this.#peers = peers
  }

  /** A peer refuses this replica. Returns why in words, and whether that is news. */
  noted(by: Hello | undefined, code: string): { why: string; news: boolean } {
    const who = by === undefined ? 'a peer' : `replica ${by.ordinal}`
    const why =
      code === 'tls-refused'
        ? `${who} and this replica do not trust each other: ${code}`
        : `${who} refuses this replica: ${code}`
    const news = this.#current?.why !== why
    this.#current = { ordinal: by?.ordinal, why }
    return { why, news }
  }

  /** Why this replica is refused now; undefined: it is not, or not any more. */
  get why(): string | undefined {
    if (this.#current === undefined) return undefined
    const { ordinal } = this.#current
    const peers = this.#peers()
    const over =
      ordinal === undefined
        ? peers.every(({ hello }) => hello !== undefined)
        : peers.every((peer) => peer.ordinal !== ordinal || peer.connected)
    if (over) this.#current = undefined
    return this.#current?.why
  }
}
