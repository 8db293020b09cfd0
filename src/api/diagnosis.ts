/**
 * Why nothing was answered within a deadline, from what the replicas last said: the difference
 * between a cluster that forms, one that elects, and one whose majority is gone.
 */

import { ClusterError, type ErrorCode, type Outcome } from '../shared/errors.ts'
import type { ReadTerms } from '../shared/http/reader.ts'
import type { Replica, ReplicaPool } from './replica-pool.ts'

export type Diagnosis = {
  readonly code: ErrorCode
  readonly message: string
  /** Names of replicas that nobody hears. */
  readonly missing: readonly string[]
}

/** What keeps the cluster from answering now. */
export function diagnose(pool: ReplicaPool): Diagnosis {
  const fresh = pool.replicas.filter((replica) => pool.isFresh(replica))
  const missing = missingNames(fresh)
  if (fresh.length === 0) {
    return { code: 'no-replica', message: 'no replica can be reached', missing }
  }
  const leader = pool.leader()
  if (leader !== undefined) {
    const problem = leader.status.problem
    if (problem !== undefined)
      return { code: problem, message: describe(problem, missing), missing }
    const message = `${leader.name} leads, but did not answer in time`
    return { code: 'deadline-exceeded', message, missing }
  }
  if (fresh.every(holdsNothing) && fresh.some(wasMember)) {
    const names = fresh.map((replica) => replica.name).sort()
    const what = `no replica that answers holds the cluster's data; empty: ${names.join(', ')}`
    const message = what + adviceOf(fresh)
    return { code: 'quorum-lost', message, missing: [...new Set([...missing, ...names])].sort() }
  }
  const problems = fresh.flatMap(({ status }) => status.problem ?? [])
  const code =
    problems.find((problem) => problem === 'quorum-lost') ??
    problems.find((problem) => problem !== 'no-leader') ??
    'no-leader'
  return { code, message: describe(code, missing) + adviceOf(fresh), missing }
}

/** What the replicas tell people to do, with what stands before it; '': nothing. */
function adviceOf(fresh: readonly Replica[]): string {
  const advice = new Set(fresh.flatMap(({ status }) => status.advice ?? []))
  return advice.size === 0 ? '' : `; ${[...advice].join('; ')}`
}

/** Its disk is empty: new, or its data was set aside. */
function holdsNothing({ status }: Replica): boolean {
  return status.history === ''
}

/** It follows a cluster, or its disk remembers one: there is, or was, data. */
function wasMember({ status }: Replica): boolean {
  return status.clusterId !== ''
}

function missingNames(fresh: readonly Replica[]): string[] {
  // One that votes is there, whoever else does not hear it. A new disk under an old name is not.
  const voting = fresh.filter((replica) => replica.status.role !== 'learner')
  const heard = new Set(voting.map((replica) => replica.name))
  const missing = new Set<string>()
  for (const { status } of fresh) {
    for (const name of status.missing) if (!heard.has(name)) missing.add(name)
  }
  return [...missing].sort()
}

function describe(code: ErrorCode, missing: readonly string[]): string {
  const names = missing.length === 0 ? '' : `; missing: ${missing.join(', ')}`
  switch (code) {
    case 'quorum-lost':
      return `a majority of the replicas is missing${names}`
    case 'no-leader':
      return `no replica leads${names}`
    case 'cluster-forming':
      return `the cluster is still forming${names}`
    default:
      return `the replicas report ${code}${names}`
  }
}

/**
 * The refusal of a read whose time is up. That its revision was not there says more than that time
 * ran out; for a linearizable read, that nobody leads says more than either. `revision` is the
 * highest one known.
 */
export function refusalOfRead(
  diagnosis: Diagnosis,
  terms: Pick<ReadTerms, 'consistency' | 'minRevision'>,
  revision: number,
): ClusterError {
  const { code } = diagnosis
  const led = code === 'deadline-exceeded'
  if (terms.minRevision <= revision || code === 'no-replica') return refusalOf(diagnosis)
  if (!led && terms.consistency === 'linearizable') return refusalOf(diagnosis)
  const message = `revision ${terms.minRevision} is not there yet (now ${revision})`
  return new ClusterError('revision-not-reached', message)
}

/** A diagnosis as the refusal of one request. */
export function refusalOf(diagnosis: Diagnosis, outcome?: Outcome): ClusterError {
  return new ClusterError(diagnosis.code, diagnosis.message, {
    details: { missing: diagnosis.missing },
    ...(outcome === undefined ? {} : { outcome }),
  })
}
