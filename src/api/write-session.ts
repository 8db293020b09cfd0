/**
 * Opens this server's session with the leader, one attempt at a time, and forgets it when the
 * replicas do. An attempt whose answer is lost leaves a session behind that expires by itself.
 *
 *   none ──open-session sent──► opening ──its revision is the id──► open
 *    ▲  └───── refused, link lost, another leader ◄──┘                │
 *    └──────── session unknown to the replicas, or another history ───┘
 */

import { FRAME, type WriteReply } from '../database/kv/frame-types.ts'
import { encodeWrite } from '../database/kv/frames.ts'
import { SegmentBuilder } from '../database/kv/segment-builder.ts'
import type { CommandResult } from '../database/kv/types.ts'
import { SequenceFloor } from './floor.ts'
import type { WriteSession } from './pending-write.ts'
import type { Replica, ReplicaPool } from './replica-pool.ts'

export class SessionOpener {
  readonly #pool: ReplicaPool
  readonly #meters: { sessionOpened(): void }
  #session: WriteSession | undefined
  #opening: { frame: number; replica: Replica; term: number } | undefined

  constructor(pool: ReplicaPool, meters: { sessionOpened(): void }) {
    this.#pool = pool
    this.#meters = meters
  }

  get session(): WriteSession | undefined {
    return this.#session
  }

  /** The session to use with this leader; undefined: it is being opened. */
  sessionWith(leader: Replica): WriteSession | undefined {
    const { history, term } = leader.status
    if (this.#session?.history === history) return this.#session
    // A number means another session in another history, so it must not be taken there.
    this.#session = undefined
    const opening = this.#opening
    if (opening !== undefined && opening.replica === leader && opening.term === term) {
      return undefined
    }
    const frame = this.#pool.nextFrame()
    const builder = new SegmentBuilder(64)
    builder.add(0, { type: 'open-session' })
    const segment = builder.finish({ session: 0, floor: 0 })
    const sent = leader.link.send(FRAME.write, encodeWrite(frame, segment))
    this.#opening = sent ? { frame, replica: leader, term } : undefined
    return undefined
  }

  /** Whether the reply was to an attempt to open a session, and how that ended. */
  onReply(reply: WriteReply): 'not-mine' | 'opened' | 'refused' {
    const opening = this.#opening
    if (opening === undefined || opening.frame !== reply.frame) return 'not-mine'
    this.#opening = undefined
    const results = Array.isArray(reply.results) ? (reply.results as CommandResult[]) : []
    const [result] = results
    if (result?.status !== 'done') return 'refused'
    const { history } = opening.replica.status
    this.#session = { id: result.revision, history, sequences: new SequenceFloor() }
    this.#meters.sessionOpened()
    return 'opened'
  }

  /** The replicas know this session no more. */
  forget(session: WriteSession | undefined): void {
    if (this.#session === session) this.#session = undefined
  }

  onLost(replica: Replica): void {
    if (this.#opening?.replica === replica) this.#opening = undefined
  }

  /** Tells the leader, if there is one, that this session is over; no answer is waited for. */
  close(): void {
    const leader = this.#pool.leader()
    const session = this.#session
    this.#session = undefined
    if (leader === undefined || session === undefined) return
    const builder = new SegmentBuilder(64)
    builder.add(0, { type: 'close-session', session: session.id })
    const segment = builder.finish({ session: 0, floor: 0 })
    leader.link.send(FRAME.write, encodeWrite(this.#pool.nextFrame(), segment))
  }
}
