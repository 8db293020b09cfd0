/**
 * Where replicas are that DNS does not find: a DNS keeps its answers, and its denials too, for
 * half a minute or so (RFC 2308 §5), while a Pod that was made anew has another address at once.
 * Replicas know each other's addresses by links; what answers there under its name is well.
 */

import type { ReplicaAnswer } from './ask-replica.ts'
import { about, type Finding } from './finding.ts'

export type Place = { readonly host: string; readonly port: number }

const CACHED = 'it caches answers for half a minute or so'
const REMEDY =
  'look again in a minute; if it stays, compare kubectl get endpointslices and kubectl get pods'

/** Where each ordinal is, by the word of those who have links with it; the leader's word counts. */
export function placesTold(answers: readonly ReplicaAnswer[]): Map<number, Place> {
  const leadersLast = [...answers].sort(
    (a, b) => Number(a.status.role === 'leader') - Number(b.status.role === 'leader'),
  )
  const told = new Map<number, Place>()
  for (const { status } of leadersLast) {
    for (const { ordinal, host, port } of status.peers ?? []) told.set(ordinal, { host, port })
  }
  return told
}

/** The replica answers at `place`, and DNS says `named` (undefined: nothing). */
export function behind(name: string, named: string | undefined, place: Place): Finding {
  const says = named === undefined ? 'does not know it' : `says ${named}`
  const text = `DNS is behind: it ${says}, the replica answers at ${place.host}`
  return about('dns', name).warning(`${text}; ${CACHED}`, REMEDY)
}

/** DNS names one that is not wanted, and nobody answers there. */
export function leftover(name: string): Finding {
  const text = 'DNS is behind: it names this one, which is not wanted any more'
  return about('dns', name).warning(`${text}; ${CACHED}`, REMEDY)
}
