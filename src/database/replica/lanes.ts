/**
 * The replica's end of the links that API servers open: decodes their frames, hands writes and
 * reads to the loop, and sends the answers and this replica's status back. Everything here is per
 * frame, nothing per command (DESIGN §12).
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { ClusterError, type ErrorCode, type Outcome } from '../../shared/errors.ts'
import type { Link } from '../../shared/link.ts'
import { checkSegment } from '../kv/codec.ts'
import type { Query, QueryReply, ReadRequest, Refusal, StatusFrame } from '../kv/frame-types.ts'
import { FRAME } from '../kv/frame-types.ts'
import * as frames from '../kv/frames.ts'
import type { Loop } from './loop.ts'

/** API servers are told this replica's position at least this often. */
const STATUS_EVERY_MS = 250

export type LanesOptions = {
  readonly clock: Clock
  /** The running loop, or undefined while this replica belongs to no cluster. */
  readonly loop: () => Loop | undefined
  readonly status: () => StatusFrame
  readonly leader: () => number
  /** The refusal of whatever is asked while there is no loop. */
  readonly notInCluster: () => { code: ErrorCode; message: string }
  readonly answer: (query: Query) => Promise<QueryReply>
}

export class Lanes {
  readonly #options: LanesOptions
  readonly #links = new Set<Link>()
  #timer: Timer | undefined
  #closed = false

  constructor(options: LanesOptions) {
    this.#options = options
    const tick = () => {
      if (this.#closed) return
      this.broadcast()
      this.#timer = options.clock.after(STATUS_EVERY_MS, tick)
    }
    this.#timer = options.clock.after(STATUS_EVERY_MS, tick)
  }

  get size(): number {
    return this.#links.size
  }

  /** An API server opened a link. */
  accept(link: Link): void {
    this.#links.add(link)
    link.onClose = () => this.#links.delete(link)
    link.onFrame = (type, body) => {
      try {
        this.#frame(link, type, body)
      } catch (error) {
        // A frame that cannot be read has no id to answer: the link is of no use any more.
        if (!(error instanceof ClusterError)) throw error
        link.close()
      }
    }
    link.send(FRAME.status, [frames.encodeStatus(this.#options.status())].flat())
  }

  /** Tells all API servers where this replica stands. */
  broadcast(): void {
    if (this.#links.size === 0) return
    const parts = [frames.encodeStatus(this.#options.status())].flat()
    for (const link of this.#links) link.send(FRAME.status, parts)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const link of this.#links) link.close()
  }

  #frame(link: Link, type: number, body: Buffer): void {
    if (type === FRAME.write) this.#write(link, body)
    else if (type === FRAME.read) this.#read(link, frames.decodeRead(body))
    else if (type === FRAME.query) this.#query(link, body)
    else throw new ClusterError('malformed-frame', `a replica does not take frames of type ${type}`)
  }

  #write(link: Link, body: Buffer): void {
    const { frame, segment } = frames.decodeWrite(body)
    const refuse = (code: ErrorCode, message: string, outcome: Outcome) => {
      const results = this.#refusal(code, message, outcome)
      const revision = this.#revision()
      reply(link, FRAME.writeReply, frames.encodeWriteReply({ frame, results, revision }))
    }
    const loop = this.#options.loop()
    const refused = loop === undefined ? this.#options.notInCluster() : refuseWrite(loop)
    if (loop === undefined || refused !== undefined) {
      refuse(refused?.code ?? 'internal', refused?.message ?? '', 'not-applied')
      return
    }
    const { count, puts } = checkSegment(segment)
    if (puts && loop.refusing === 'disk-full') {
      refuse('disk-full', 'the disks of a quorum are full: deletes only', 'not-applied')
      return
    }
    try {
      loop.propose(segment, count, {
        answer: (results) => {
          const revision = this.#revision()
          reply(link, FRAME.writeReply, frames.encodeWriteReply({ frame, results, revision }))
        },
        refuse: (proposed) => {
          refuse('not-leader', 'the lead was lost', proposed ? 'unknown' : 'not-applied')
        },
      })
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      refuse(error.code, error.message, 'not-applied')
    }
  }

  #read(link: Link, request: ReadRequest): void {
    const { frame } = request
    const refuse = (code: ErrorCode, message: string) => {
      const records = this.#refusal(code, message, 'not-applied')
      const answer = { frame, records, revision: this.#revision(), age_ms: 0 }
      reply(link, FRAME.readReply, frames.encodeReadReply(answer))
    }
    const loop = this.#options.loop()
    if (loop === undefined) {
      const { code, message } = this.#options.notInCluster()
      refuse(code, message)
      return
    }
    loop.read(request, {
      run: (age_ms) => {
        const records = request.items.map((item) => ({
          record: loop.kv.get(item.key),
          metadataOnly: item.metadataOnly,
        }))
        const revision = this.#revision()
        const answer = { frame, records, revision, age_ms: Math.ceil(age_ms) }
        reply(link, FRAME.readReply, frames.encodeReadReply(answer))
      },
      refuse,
    })
  }

  #query(link: Link, body: Buffer): void {
    const { frame, query } = frames.decodeQuery(body)
    const say = (answer: QueryReply) => {
      reply(link, FRAME.queryReply, frames.encodeQueryReply(frame, answer))
    }
    this.#options.answer(query).then(say, (error: unknown) => {
      const code = error instanceof ClusterError ? error.code : 'internal'
      const message = error instanceof Error ? error.message : String(error)
      say({ type: 'refused', refusal: this.#refusal(code, message, 'not-applied') })
    })
  }

  #revision(): number {
    return this.#options.loop()?.revision ?? 0
  }

  #refusal(code: ErrorCode, message: string, outcome: Outcome): Refusal {
    return { code, message, outcome, leader: this.#options.leader() }
  }
}

/**
 * Sends an answer. A link whose queue is full has lost it: the link ends, so that the API server
 * asks again elsewhere instead of waiting for its deadline.
 */
function reply(link: Link, type: number, parts: readonly Uint8Array[]): void {
  if (!link.send(type, parts)) link.close()
}

/** Why this replica takes no client write now; undefined: it does. */
export function refuseWrite(
  loop: Pick<Loop, 'leads' | 'refusing'>,
): { code: ErrorCode; message: string } | undefined {
  if (!loop.leads) return { code: 'not-leader', message: 'another replica leads, or none' }
  if (loop.refusing === 'cluster-forming') {
    return { code: 'cluster-forming', message: 'not all replicas have stored the cluster id yet' }
  }
  if (loop.refusing === 'data-diverged') {
    return { code: 'data-diverged', message: 'replicas differ at one index: see their status' }
  }
  return undefined
}
