/** A cluster as the doctor finds it, on a stage: who answers where, and what. */

import t from 'tap'
import { FRAME, type QueryReply, type StatusFrame } from '../../../src/database/kv/frame-types.ts'
import { decodeQuery, encodeQueryReply, encodeStatus } from '../../../src/database/kv/frames.ts'
import type { HttpAnswer, HttpGet } from '../../../src/doctor/http-get.ts'
import type { Target } from '../../../src/doctor/peer.ts'
import { checkPeers } from '../../../src/doctor/peers.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { ClusterError, type ErrorCode } from '../../../src/shared/errors.ts'
import type { ClusterDocument } from '../../../src/shared/http/schemas.ts'
import type { Dialer, FrameHandler, Link, LinkIdentity } from '../../../src/shared/link.ts'
import { led, row, short } from './pictures.ts'

export const answer = (
  status: number,
  document: unknown,
  more: Partial<HttpAnswer> = {},
): HttpAnswer => {
  const now_ms = Date.now()
  const body = JSON.stringify(document)
  return { status, body, date_ms: now_ms, sent_ms: now_ms, took_ms: 1, ...more }
}

export const statusOf = (ordinal: number, more: Partial<StatusFrame> = {}): StatusFrame => ({
  ordinal,
  role: ordinal === 0 ? 'leader' : 'follower',
  term: 4,
  leader: 0,
  writable: ordinal === 0,
  revision: 9,
  history: 'h',
  clusterId: 'c',
  age_ms: 0,
  missing: [],
  problem: undefined,
  ...more,
})

/** A link to a replica that says this status, and answers this to a query. */
class AnsweringLink implements Link {
  readonly queuedBytes = 0
  closed = false
  onFrame: FrameHandler = () => undefined
  onClose: (reason: Error | undefined) => void = () => undefined
  readonly #status: StatusFrame
  readonly #reply: QueryReply | undefined

  constructor(status: StatusFrame, reply: QueryReply | undefined) {
    this.#status = status
    this.#reply = reply
  }

  send(type: number, parts: readonly Uint8Array[]): boolean {
    const { frame, query } = decodeQuery(Buffer.concat(parts))
    if (type !== FRAME.query || query.type !== 'cluster') throw new Error('only that is asked')
    setImmediate(() => {
      this.onFrame(FRAME.status, Buffer.concat([encodeStatus(this.#status)].flat()))
      if (this.#reply === undefined) this.onClose(new Error('gone'))
      else {
        const body = Buffer.concat([encodeQueryReply(frame, this.#reply)].flat())
        this.onFrame(FRAME.queryReply, body)
      }
    })
    return true
  }

  close(): void {
    this.closed = true
    setImmediate(() => this.onClose(undefined))
  }
}

type Stage = {
  targets?: readonly Target[] | ClusterError
  statuses?: readonly StatusFrame[]
  cluster?: ClusterDocument
  refuse?: (ordinal: number, host: string) => ErrorCode | undefined
  own?: { ordinal: number; host: string }
  wanted?: boolean
  broken?: boolean
  get?: HttpGet
}

export const target = (ordinal: number, host: string | undefined = `10.0.0.${ordinal}`): Target => {
  return { ordinal, host, port: 7070, name: `db-${ordinal}.db-headless.default.svc.x` }
}

export const wellGet: HttpGet = async () =>
  answer(200, { disk: { batches: 10, median_ms: 1, worst_ms: 3 } })

export async function peers(stage: Stage) {
  const links: AnsweringLink[] = []
  const { targets = [target(0), target(1), target(2)] } = stage
  const statuses = stage.statuses ?? [0, 1, 2].map((ordinal) => statusOf(ordinal))
  const cluster = stage.cluster ?? led([row(0, 'leader'), row(1), row(2)])
  const dialer: Dialer = {
    dial: async ({ ordinal, host }) => {
      const code = stage.refuse?.(ordinal, host)
      if (code !== undefined) throw new ClusterError(code, `refused by ${ordinal}`)
      const reply = { type: 'cluster', answer: cluster } as QueryReply
      const link = new AnsweringLink(
        statuses[ordinal] as StatusFrame,
        stage.broken ? undefined : reply,
      )
      links.push(link)
      return { link, remote: {} as LinkIdentity }
    },
  }
  const findings = await checkPeers({
    record: '_peer._tcp.x.',
    targets: async () => {
      if (targets instanceof ClusterError) throw targets
      return targets
    },
    dialer,
    get: stage.get ?? wellGet,
    clock: systemClock,
    metricsPort: 9090,
    nameOf: (ordinal) => target(ordinal).name,
    own: stage.own,
    wanted: async () => stage.wanted,
  })
  t.ok(links.every(({ closed }) => closed) || stage.broken, 'no link stays')
  return short(findings)
}
