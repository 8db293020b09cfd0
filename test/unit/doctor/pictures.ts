/** Pictures of clusters for the doctor's tests. */

import type { Finding } from '../../../src/doctor/finding.ts'
import type { ClusterDocument } from '../../../src/shared/http/schemas.ts'

type Row = ClusterDocument['replicas'][number]

export function row(ordinal: number, role: Row['role'] = 'follower'): Row {
  return {
    name: `db-${ordinal}`,
    ordinal,
    role,
    incarnation: `i${ordinal}`,
    term: undefined,
    lastIndex: undefined,
    commitIndex: undefined,
    appliedIndex: undefined,
    lag: role === 'follower' ? 0 : undefined,
    revision: undefined,
    diskUsedBytes: undefined,
    diskFreeBytes: undefined,
    hash: undefined,
    electable: undefined,
    notes: [],
  }
}

const FIRST = { name: 'db-0', ordinal: 0, why: 'lowest ordinal' } as const

export function picture(
  replicas: readonly Row[],
  leader: ClusterDocument['leader'],
): ClusterDocument {
  const cluster = { clusterId: 'c', name: 'db', history: 'h', revision: 9, term: 4 }
  return { ...cluster, leader, problem: undefined, missing: [], replicas }
}

/** One that its lowest ordinal leads. */
export function led(replicas: readonly Row[]): ClusterDocument {
  return picture(replicas, FIRST)
}

/** `state check about: text` of each. */
export function short(findings: readonly Finding[]): string[] {
  return findings.map(({ state, check, about, text }) => `${state} ${check} ${about}: ${text}`)
}
