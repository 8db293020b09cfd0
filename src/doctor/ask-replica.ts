/**
 * Asks one replica over a link, as an API server does: where it stands (it says so by itself), and
 * what it sees of the cluster. This needs the peers' secret and certificates, and no client token.
 */

import { type ClusterView, FRAME, type StatusFrame } from '../database/kv/frame-types.ts'
import { decodeQueryReply, decodeStatus, encodeQuery } from '../database/kv/frames.ts'
import type { Clock } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import type { ClusterDocument } from '../shared/http/schemas.ts'
import type { Link } from '../shared/link.ts'

const QUERY_FRAME = 1

export type ReplicaAnswer = { readonly status: StatusFrame; readonly cluster: ClusterDocument }

/** Both answers; closes the link. Rejects with `deadline-exceeded`, `no-replica`, or a refusal. */
export function askReplica(link: Link, clock: Clock, timeout_ms: number): Promise<ReplicaAnswer> {
  return new Promise<ReplicaAnswer>((resolve, reject) => {
    let status: StatusFrame | undefined
    let cluster: ClusterView | undefined
    const timer = clock.after(timeout_ms, () => {
      reject(new ClusterError('deadline-exceeded', `no answer within ${timeout_ms} ms`))
      link.close()
    })
    link.onClose = (reason) => {
      timer.cancel()
      const why = reason?.message ?? 'the other end closed it'
      reject(new ClusterError('no-replica', `the link broke: ${why}`))
    }
    link.onFrame = (type, body) => {
      try {
        if (type === FRAME.status) status = decodeStatus(body)
        if (type === FRAME.queryReply) {
          const { reply } = decodeQueryReply(body)
          if (reply.type === 'refused') {
            throw new ClusterError(reply.refusal.code, reply.refusal.message)
          }
          if (reply.type === 'cluster') cluster = reply.answer
        }
      } catch (error) {
        reject(error)
        link.close()
      }
      if (status === undefined || cluster === undefined) return
      const { problem, missing } = status
      resolve({ status, cluster: { ...cluster, problem, missing } })
      link.close()
    }
    link.send(FRAME.query, [encodeQuery(QUERY_FRAME, { type: 'cluster' })].flat())
  })
}
