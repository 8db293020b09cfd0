/**
 * The replicas, one by one: what DNS names, who answers there, what it says of itself, of its clock
 * and its volume; and from all of them, whether they are one cluster with a leader and a majority.
 */

import type { Clock } from '../shared/clock.ts'
import { ClusterError, type ErrorCode } from '../shared/errors.ts'
import type { ClusterDocument } from '../shared/http/schemas.ts'
import type { Dialer, PeerAddress } from '../shared/link.ts'
import { askReplica, type ReplicaAnswer } from './ask-replica.ts'
import { clockFinding } from './clock.ts'
import { clusterFindings } from './cluster.ts'
import { about, type Finding } from './finding.ts'
import { documentOf, type HttpGet } from './http-get.ts'
import { type Times, timesFinding } from './volume.ts'

const ANSWER_MS_MAX = 3000

export type Target = Omit<PeerAddress, 'host' | 'name'> & {
  readonly name: string
  /** undefined: the name has no address. */
  readonly host: string | undefined
}

export type PeersOptions = {
  /** The SRV record asked for. */
  readonly record: string
  /** Rejects with `no-replica`. */
  readonly targets: () => Promise<readonly Target[]>
  readonly dialer: Dialer
  readonly get: HttpGet
  readonly clock: Clock
  /** Where replicas answer `/status` without token and TLS. */
  readonly metricsPort: number
}

type Seen = { readonly findings: readonly Finding[]; readonly answer?: ReplicaAnswer }

/** Everything about the replicas that DNS names. */
export async function checkPeers(options: PeersOptions): Promise<readonly Finding[]> {
  const dns = about('dns', '-')
  let targets: readonly Target[]
  try {
    targets = await options.targets()
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    const remedy =
      'is ORDINAL_SERVICE the headless Service, in this namespace? kubectl get endpointslices'
    return [dns.failed(error.message, remedy)]
  }
  const seen = await Promise.all(targets.map((target) => checkPeer(options, target)))
  const names = targets.map(({ name }) => shortName(name)).join(', ')
  const answers = seen.flatMap(({ answer }) => answer ?? [])
  return [
    targets.length === 0
      ? dns.failed('it names no replica of this cluster', 'compare ORDINAL_SERVICE and Pod names')
      : dns.ok(`${options.record} names ${names}`),
    ...seen.flatMap(({ findings }) => findings),
    ...together(answers, targets),
  ]
}

function shortName(name: string): string {
  return name.split('.', 1)[0] ?? name
}

async function checkPeer(options: PeersOptions, target: Target): Promise<Seen> {
  const name = shortName(target.name)
  const finding = about('peer', name)
  const { host } = target
  if (host === undefined) {
    const remedy = `is the Pod there? kubectl get pod ${name}; a new one is named within seconds`
    return { findings: [finding.failed(`${target.name} has no address`, remedy)] }
  }
  const [peer, own] = await Promise.all([
    dial(options, target, host),
    askStatus(options, name, host),
  ])
  if (peer instanceof ClusterError) {
    const remedy = REMEDIES[peer.code] ?? `look at the log of ${name}`
    return { findings: [finding.failed(peer.message, remedy), ...own] }
  }
  const { status } = peer
  const place = `${host}:${target.port}`
  const text = `${place}, ${status.role}, term ${status.term}, revision ${status.revision}`
  return { findings: [finding.ok(text), ...own], answer: peer }
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
  options: PeersOptions,
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
async function askStatus(options: PeersOptions, name: string, host: string): Promise<Finding[]> {
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

/** Are they one cluster? */
function together(answers: readonly ReplicaAnswer[], targets: readonly Target[]): Finding[] {
  if (answers.length === 0) return []
  const findings: Finding[] = []
  const ids = new Set(answers.map(({ status }) => status.clusterId).filter((id) => id !== ''))
  if (ids.size > 1) {
    const remedy = 'one replica has the disk of another cluster: empty the one that is to join'
    findings.push(about('quorum', '-').failed(`there are ${ids.size} cluster ids`, remedy))
  }
  const picture = bestPicture(answers)
  const ordinals = new Set(targets.map(({ ordinal }) => ordinal))
  for (const { name, ordinal } of picture.replicas) {
    if (ordinals.has(ordinal)) continue
    const remedy = `is the Pod there? kubectl get pod ${name}; DNS may lag by half a minute`
    findings.push(about('dns', name).failed('a member without an SRV record', remedy))
  }
  return [...findings, ...clusterFindings(picture)]
}

/** The leader's, of the highest term; without one that of who is farthest. */
function bestPicture(answers: readonly ReplicaAnswer[]): ClusterDocument {
  const order = (answer: ReplicaAnswer) => [
    answer.status.role === 'leader' ? 1 : 0,
    answer.status.term,
    answer.status.revision,
  ]
  const sorted = [...answers].sort((a, b) => {
    const [mine, other] = [order(a), order(b)]
    const at = mine.findIndex((value, index) => value !== other[index])
    return at < 0 ? 0 : (other[at] as number) - (mine[at] as number)
  })
  return (sorted[0] as ReplicaAnswer).cluster
}
