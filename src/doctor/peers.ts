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
  const seen = await lookAround(options, targets)
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

/**
 * Looks where DNS says, then where those who answer have the others, for as long as that finds
 * more: after a rolling update it may be the own Pod alone that is found at first.
 */
async function lookAround(
  options: PeersOptions,
  targets: readonly Target[],
): Promise<readonly Seen[]> {
  let seen = await Promise.all(targets.map((target) => checkPeer(options, target)))
  let answered = -1
  while (answersOf(seen).length > answered) {
    const answers = answersOf(seen)
    answered = answers.length
    const places = placesTold(answers)
    tellOwn(options, targets, places)
    const all = [...seen, ...unnamed(options, seen)]
    seen = await Promise.all(all.map((one) => elsewhere(options, one, places)))
  }
  const named = new Set(targets.map(({ ordinal }) => ordinal))
  return Promise.all(
    seen.map(async (one) => {
      const { ordinal, name } = one.target
      if (!named.has(ordinal) || !isNotThere(one)) return one
      if ((await options.wanted(ordinal)) !== false) return one
      return { ...one, findings: [leftover(shortName(name))] }
    }),
  )
}

/** Of the own Pod no word counts but its own. All replicas of a StatefulSet have one port. */
function tellOwn(
  { own }: PeersOptions,
  targets: readonly Target[],
  places: Map<number, Place>,
): void {
  const { port } = targets.find(({ ordinal }) => ordinal === own?.ordinal) ?? targets[0] ?? {}
  if (own !== undefined && port !== undefined) places.set(own.ordinal, { host: own.host, port })
}

/** Who did not answer where DNS says is looked for where others say. */
async function elsewhere(
  options: PeersOptions,
  before: Seen,
  places: ReadonlyMap<number, Place>,
): Promise<Seen> {
  const { target } = before
  const place = places.get(target.ordinal)
  if (!isNotThere(before) || place === undefined || place.host === target.host) return before
  const found = await checkPeer(options, { ...target, ...place })
  if (found.answer === undefined) return before
  const lag = behind(shortName(target.name), target.host, place)
  return { ...found, findings: [...found.findings, lag] }
}

/** Members, and the own Pod, that DNS does not name: not found yet. */
function unnamed({ own, nameOf }: PeersOptions, seen: readonly Seen[]): readonly Seen[] {
  const answers = answersOf(seen)
  const members = answers.length === 0 ? [] : bestPicture(answers).replicas
  const ordinals = new Set(members.map(({ ordinal }) => ordinal))
  if (own !== undefined) ordinals.add(own.ordinal)
  for (const { target } of seen) ordinals.delete(target.ordinal)
  return [...ordinals].map((ordinal): Seen => {
    const target = { ordinal, name: nameOf(ordinal), host: undefined, port: 0 }
    const name = shortName(target.name)
    const remedy = `is the Pod there? kubectl get pod ${name}; DNS may lag by half a minute`
    return { target, findings: [about('dns', name).failed('it has no SRV record', remedy)] }
  })
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
