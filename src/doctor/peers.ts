/**
 * The replicas together: whom DNS names, who answers there or elsewhere, and from all of them,
 * whether they are one cluster with a leader and a majority.
 */

import { ClusterError } from '../shared/errors.ts'
import type { ClusterDocument } from '../shared/http/schemas.ts'
import type { ReplicaAnswer } from './ask-replica.ts'
import { clusterFindings } from './cluster.ts'
import { behind, leftover, type Place, placesTold } from './dns-lag.ts'
import { about, type Finding } from './finding.ts'
import {
  checkPeer,
  isNotThere,
  type PeerOptions,
  type Seen,
  shortName,
  type Target,
} from './peer.ts'

export type PeersOptions = PeerOptions & {
  /** The host name of a replica, without a trailing dot. */
  readonly nameOf: (ordinal: number) => string
  /** The Pod that this runs in, if it is a replica's. */
  readonly own: { readonly ordinal: number; readonly host: string } | undefined
  /** Does the StatefulSet want it? undefined: that cannot be known from here. */
  readonly wanted: (ordinal: number) => Promise<boolean | undefined>
  /** The SRV record asked for. */
  readonly record: string
  /** Rejects with `no-replica`. */
  readonly targets: () => Promise<readonly Target[]>
}

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
  const first = await Promise.all(targets.map((target) => checkPeer(options, target)))
  const told = placesTold(answersOf(first))
  for (const { ordinal, port } of targets) {
    if (ordinal === options.own?.ordinal) told.set(ordinal, { host: options.own.host, port })
  }
  const again = await Promise.all(first.map((one) => elsewhere(options, one, told)))
  const seen = [...again, ...(await unnamed(options, again, told))]
  const names = targets.map(({ name }) => shortName(name)).join(', ')
  return [
    targets.length === 0
      ? dns.failed('it names no replica of this cluster', 'compare ORDINAL_SERVICE and Pod names')
      : dns.ok(`${options.record} names ${names}`),
    ...seen.flatMap(({ findings }) => findings),
    ...together(seen),
  ]
}

function answersOf(seen: readonly Seen[]): ReplicaAnswer[] {
  return seen.flatMap(({ answer }) => answer ?? [])
}

/** Who did not answer where DNS says is looked for where others say. */
async function elsewhere(
  options: PeersOptions,
  first: Seen,
  told: ReadonlyMap<number, Place>,
): Promise<Seen> {
  const { target } = first
  if (!isNotThere(first)) return first
  const name = shortName(target.name)
  const place = told.get(target.ordinal)
  if (place !== undefined && place.host !== target.host) {
    const second = await checkPeer(options, { ...target, ...place })
    if (second.answer === undefined) return first
    return { ...second, findings: [...second.findings, behind(name, target.host, place)] }
  }
  if ((await options.wanted(target.ordinal)) !== false) return first
  return { ...first, findings: [leftover(name)] }
}

/** Members that DNS does not name at all. */
async function unnamed(
  options: PeersOptions,
  seen: readonly Seen[],
  told: ReadonlyMap<number, Place>,
): Promise<readonly Seen[]> {
  const answers = answersOf(seen)
  if (answers.length === 0) return []
  const named = new Set(seen.map(({ target }) => target.ordinal))
  const left = bestPicture(answers).replicas.filter(({ ordinal }) => !named.has(ordinal))
  return Promise.all(
    left.map(async ({ ordinal, name }): Promise<Seen> => {
      const place = told.get(ordinal)
      const target = { ordinal, name: options.nameOf(ordinal), host: undefined, port: 0, ...place }
      const second = place === undefined ? undefined : await checkPeer(options, target)
      if (place !== undefined && second?.answer !== undefined) {
        return { ...second, findings: [...second.findings, behind(name, undefined, place)] }
      }
      const remedy = `is the Pod there? kubectl get pod ${name}; DNS may lag by half a minute`
      return {
        target,
        findings: [about('dns', name).failed('a member without an SRV record', remedy)],
      }
    }),
  )
}

/** Are they one cluster? */
function together(seen: readonly Seen[]): Finding[] {
  const answers = answersOf(seen)
  if (answers.length === 0) return []
  const findings: Finding[] = []
  const ids = new Set(answers.map(({ status }) => status.clusterId).filter((id) => id !== ''))
  if (ids.size > 1) {
    const remedy = 'one replica has the disk of another cluster: empty the one that is to join'
    findings.push(about('quorum', '-').failed(`there are ${ids.size} cluster ids`, remedy))
  }
  const advice = answers.find(({ status }) => status.problem === 'quorum-lost' && status.advice)
  return [...findings, ...clusterFindings(bestPicture(answers), advice?.status.advice)]
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
