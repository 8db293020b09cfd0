/** Rare requests to replicas, one frame each: listings, and their pictures of the cluster. */

import { FRAME, type Query, type QueryReply } from '../database/kv/frame-types.ts'
import { encodeQuery } from '../database/kv/frames.ts'
import type { Clock, Timer } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import type { Replica, ReplicaPool } from './replica-pool.ts'

type Waiting = {
  readonly replica: Replica
  readonly timer: Timer
  readonly resolve: (reply: QueryReply) => void
  readonly reject: (error: ClusterError) => void
}

export class ReplicaQueries {
  readonly #pool: ReplicaPool
  readonly #clock: Clock
  readonly #waiting = new Map<number, Waiting>()

  constructor(pool: ReplicaPool, clock: Clock) {
    this.#pool = pool
    this.#clock = clock
  }

  /** Its answer. Rejects with `no-replica` (lost), `deadline-exceeded`, or what it refuses with. */
  ask(replica: Replica, query: Query, timeout_ms: number): Promise<QueryReply> {
    return new Promise((resolve, reject) => {
      const frame = this.#pool.nextFrame()
      if (!replica.link.send(FRAME.query, encodeQuery(frame, query))) {
        reject(new ClusterError('overloaded', `the link to ${replica.name} is full`))
        return
      }
      const timer = this.#clock.after(timeout_ms, () => {
        this.#waiting.delete(frame)
        reject(new ClusterError('deadline-exceeded', `${replica.name} did not answer in time`))
      })
      this.#waiting.set(frame, { replica, timer, resolve, reject })
    })
  }

  onReply(frame: number, reply: QueryReply): void {
    const waiting = this.#waiting.get(frame)
    if (waiting === undefined) return
    this.#waiting.delete(frame)
    waiting.timer.cancel()
    if (reply.type === 'refused') {
      waiting.reject(new ClusterError(reply.refusal.code, reply.refusal.message))
    } else waiting.resolve(reply)
  }

  onLost(replica: Replica): void {
    for (const [frame, waiting] of [...this.#waiting]) {
      if (waiting.replica !== replica) continue
      this.#waiting.delete(frame)
      waiting.timer.cancel()
      waiting.reject(new ClusterError('no-replica', `the link to ${replica.name} was lost`))
    }
  }

  close(): void {
    for (const waiting of this.#waiting.values()) {
      waiting.timer.cancel()
      waiting.reject(new ClusterError('shutting-down', 'this API server is stopping'))
    }
    this.#waiting.clear()
  }
}
