/**
 * Snapshots between replicas, over the wire and between exactly the two members that they name:
 * any number may leave, one at a time is received.
 */

import { InvariantError } from '../../shared/assert.ts'
import { ClusterError } from '../../shared/errors.ts'
import type { LinkIdentity, PeerAddress } from '../../shared/link.ts'
import { type MemberId, memberId, ordinalOf } from '../consensus/types.ts'
import type { IncomingSnapshot, SnapshotSource } from '../replica/ports.ts'
import type { PeerWire, ReceivedSnapshot } from './wire.ts'

export type SnapshotTrafficOptions = {
  readonly wire: Pick<PeerWire, 'sendSnapshot'>
  /** Who this replica is. */
  readonly identity: () => LinkIdentity
  /** Where an ordinal may be, the likeliest first. */
  readonly addresses: (ordinal: number) => Promise<readonly PeerAddress[]>
  /** May anything pass between here and this ordinal? */
  readonly open: (direction: 'in' | 'out', ordinal: number) => boolean
  /** Resolves when the snapshot is stored. */
  readonly onSnapshot: (incoming: IncomingSnapshot) => Promise<void>
}

export class SnapshotTraffic {
  readonly #options: SnapshotTrafficOptions
  readonly #aborter = new AbortController()
  #receiving = false

  constructor(options: SnapshotTrafficOptions) {
    this.#options = options
  }

  /** Resolves when the other end has stored it. Rejects with a `ClusterError`. */
  async send(
    to: MemberId,
    options: { from: MemberId; term: number; source: SnapshotSource },
  ): Promise<void> {
    const { wire, addresses, open } = this.#options
    const { signal } = this.#aborter
    const ordinal = ordinalOf(to)
    const sends = open('out', ordinal) && !signal.aborted
    const [address] = sends ? await addresses(ordinal) : []
    if (address === undefined) throw new ClusterError('no-replica', `${to} has no known address`)
    const { from, term, source } = options
    await wire.sendSnapshot(
      { ...address, ordinal },
      { head: { from, to, term, meta: source.meta }, chunks: source.chunks(), signal },
    )
  }

  /** Resolves when it is stored. Rejects with a `ClusterError`, which the sender is told. */
  async receive(read: () => Promise<ReceivedSnapshot>, remote: LinkIdentity): Promise<void> {
    const { identity, open, onSnapshot } = this.#options
    if (this.#receiving) throw new ClusterError('overloaded', 'another snapshot is being received')
    if (!open('in', remote.ordinal)) throw new ClusterError('no-replica', 'isolated')
    this.#receiving = true
    try {
      const { head, chunks } = await read()
      const own = identity()
      const from = memberId(remote.ordinal, remote.incarnation)
      if (head.from !== from || head.to !== memberId(own.ordinal, own.incarnation)) {
        throw new ClusterError('wrong-replica', `a snapshot for ${head.to} came to ${own.name}`)
      }
      const { term, meta } = head
      await onSnapshot({ from, term, meta, chunks })
    } catch (error) {
      if (error instanceof ClusterError || error instanceof InvariantError) throw error
      const { message } = error as Error
      throw new ClusterError('internal', `the snapshot was not stored: ${message}`, {
        cause: error,
      })
    } finally {
      this.#receiving = false
    }
  }

  /** What is on its way out ends. */
  close(): void {
    this.#aborter.abort(new ClusterError('shutting-down', 'the transport is closing'))
  }
}
