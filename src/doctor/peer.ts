/** One replica: does it answer under its name, and what of its clock and its volume? */

import type { Clock } from '../shared/clock.ts'
import { ClusterError, type ErrorCode } from '../shared/errors.ts'
import type { Dialer, PeerAddress } from '../shared/link.ts'
import { askReplica, type ReplicaAnswer } from './ask-replica.ts'
import { clockFinding } from './clock.ts'
import { about, type Finding } from './finding.ts'
import { documentOf, type HttpGet } from './http-get.ts'
import { type Times, timesFinding } from './volume.ts'

const ANSWER_MS_MAX = 3000

export type Target = Omit<PeerAddress, 'host' | 'name'> & {
  readonly name: string
  /** undefined: the name has no address. */
  readonly host: string | undefined
}

export type PeerOptions = {
  readonly dialer: Dialer
  readonly get: HttpGet
  readonly clock: Clock
  /** Where replicas answer `/status` without token and TLS. */
  readonly metricsPort: number
}

/** What was found; without an answer, `code` says why (undefined: it has no address). */
export type Seen = {
  readonly target: Target
  readonly findings: readonly Finding[]
  readonly answer?: ReplicaAnswer
  readonly code?: ErrorCode
}

/** Nobody is there, or another one. */
const UNREACHED: readonly ErrorCode[] = ['no-replica', 'wrong-replica', 'deadline-exceeded']

/** It does not answer where it was looked for; elsewhere it may. */
export function isNotThere({ answer, code }: Seen): boolean {
  return answer === undefined && (code === undefined || UNREACHED.includes(code))
}

/** `db-0` of its host name. */
export function shortName(name: string): string {
  return name.split('.', 1)[0] ?? name
}

/** Dials it and asks it. */
export async function checkPeer(options: PeerOptions, target: Target): Promise<Seen> {
  const name = shortName(target.name)
  const finding = about('peer', name)
  const { host } = target
  if (host === undefined) {
    const remedy = `is the Pod there? kubectl get pod ${name}; a new one is named within seconds`
    return { target, findings: [finding.failed(`${target.name} has no address`, remedy)] }
  }
  const [peer, own] = await Promise.all([
    dial(options, target, host),
    askStatus(options, name, host),
  ])
  if (peer instanceof ClusterError) {
    const remedy = REMEDIES[peer.code] ?? `look at the log of ${name}`
    return { target, code: peer.code, findings: [finding.failed(peer.message, remedy), ...own] }
  }
  const { status } = peer
  const place = `${host}:${target.port}`
  const text = `${place}, ${status.role}, term ${status.term}, revision ${status.revision}`
  return { target, findings: [finding.ok(text), ...own], answer: peer }
}

const REMEDIES: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'it holds another secret: compare ORDINAL_PEER_SECRET_FILE here and there',
  'tls-refused': 'compare tls.crt, tls.key and ca.crt (ORDINAL_TLS_FOLDER) here and there',
  'wrong-cluster': 'it is of another cluster: compare ORDINAL_CLUSTER, and the ids in /status',
  'wrong-replica': 'DNS lags behind a restarted Pod: try again in half a minute',
  'no-replica': 'is the Pod running, and may this one reach its peer port (NetworkPolicy)?',
  'shutting-down': 'it is starting or stopping: try again',
}

async function dial(
  options: PeerOptions,
  target: Target,
  host: string,
): Promise<ReplicaAnswer | ClusterError> {
  try {
    const { link } = await options.dialer.dial({ ...target, host })
    return await askReplica(link, options.clock, ANSWER_MS_MAX)
  } catch (error) {
    if (error instanceof ClusterError) return error
    throw error
  }
}

/** What it says on its metrics port, where that can be reached. */
async function askStatus(options: PeerOptions, name: string, host: string): Promise<Finding[]> {
  const { metricsPort, get } = options
  const place = host.includes(':') ? `[${host}]` : host
  try {
    const answer = await get(`http://${place}:${metricsPort}/status`, {})
    const disk = documentOf(answer.body)?.['disk'] as Partial<Times> | undefined
    const volume = about('volume', name)
    const { batches, median_ms, worst_ms } = disk ?? {}
    const known = batches !== undefined && median_ms !== undefined && worst_ms !== undefined
    return [
      known
        ? timesFinding(name, { batches, median_ms, worst_ms })
        : volume.skipped('it has written nothing yet'),
      clockFinding(name, answer),
    ]
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    const remedy = 'a NetworkPolicy may keep others from the metrics port; run this in that Pod'
    return [about('clock', name).skipped(`metrics port ${metricsPort}: ${error.message}`, remedy)]
  }
}
