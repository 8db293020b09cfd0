/**
 * An API server without its HTTP: the pool of replicas, and what writes, reads and asks through it.
 * The server builds its routes upon this (create-api.ts); the simulator calls it directly.
 */

import type { Logger } from 'pino'
import { FRAME } from '../database/kv/frame-types.ts'
import { decodeQueryReply, decodeReadReply, decodeWriteReply } from '../database/kv/frames.ts'
import type { Clock } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import type { Dialer, Discovery } from '../shared/link.ts'
import { KeyReads, type KeyReadsOptions } from './key-reads.ts'
import { type PoolListener, ReplicaPool } from './replica-pool.ts'
import { ReplicaQueries } from './replica-queries.ts'
import { Writer, type WriterMeters } from './writer.ts'

export type TierOptions = {
  readonly name: string
  readonly dialer: Dialer
  readonly discovery: Discovery
  readonly clock: Clock
  readonly logger: Logger
  /** How to run something after the events at hand. */
  readonly defer: (run: () => void) => void
  readonly meters: { readonly writes: WriterMeters; readonly reads: KeyReadsOptions['meters'] }
}

export type Tier = {
  readonly pool: ReplicaPool
  readonly writer: Writer
  readonly reads: KeyReads
  readonly queries: ReplicaQueries
}

/** Puts the parts together: who hears of what from the pool. The pool is not started yet. */
export function createTier(options: TierOptions): Tier {
  const { name, dialer, discovery, clock, logger, defer, meters } = options
  const listener: PoolListener = {
    onReply: (replica, type, body) => {
      if (type === FRAME.writeReply) writer.onReply(replica, decodeWriteReply(body))
      else if (type === FRAME.readReply) reads.onReply(replica, decodeReadReply(body))
      else if (type === FRAME.queryReply) {
        const { frame, reply } = decodeQueryReply(body)
        queries.onReply(frame, reply)
      } else throw new ClusterError('malformed-frame', `no API server takes type ${type}`)
    },
    onLost: (replica) => {
      writer.onLost(replica)
      reads.onLost(replica)
      queries.onLost(replica)
    },
    onSilent: (replica) => reads.onLost(replica),
    onChange: () => {
      writer.onChange()
      reads.onChange()
    },
  }
  const pool = new ReplicaPool({ name, dialer, discovery, clock, logger, listener })
  const writer = new Writer({ pool, clock, meters: meters.writes, defer })
  const reads = new KeyReads({ pool, clock, meters: meters.reads, defer })
  const queries = new ReplicaQueries(pool, clock)
  return { pool, writer, reads, queries }
}

/** Refuses what waits, ends the session, and lets go of the replicas. */
export function closeTier({ writer, reads, queries, pool }: Tier): void {
  writer.close()
  reads.close()
  queries.close()
  pool.close()
}
