/** What a picture of the cluster means: who leads, is there a majority, who lags behind. */

import { readDataLost } from '../shared/data-lost.ts'
import type { ClusterDocument } from '../shared/http/schemas.ts'
import { CAUGHT_UP_ENTRIES } from '../shared/limits.ts'
import { about, type Finding } from './finding.ts'

const NO_LEADER =
  'wait for an election (some seconds); then look at /status of each replica, on its metrics port'
const NO_QUORUM =
  'bring the missing ones back with their disks; if those are lost: ordinal bootstrap --force'

const BY_HAND = 'nothing is decided by itself: docs/operations.md has the steps'

/**
 * Findings from the picture that the leader gives, or anybody else where none leads. `advice`:
 * what a replica that lacks a majority says of it.
 */
export function clusterFindings(document: ClusterDocument, advice?: string): Finding[] {
  const findings = [leaderFinding(document), quorumFinding(document, advice)]
  for (const { name, role, lag, notes } of document.replicas) {
    const finding = about('replica', name)
    if (role === 'unreachable') {
      findings.push(finding.failed('nobody hears it', `kubectl describe pod ${name}; its log`))
    } else if (lag !== undefined && lag > CAUGHT_UP_ENTRIES) {
      const remedy = 'it catches up by itself; if not, look at its log and its volume'
      findings.push(finding.warning(`${lag} entries behind the leader`, remedy))
    } else findings.push(finding.ok(role))
    for (const note of notes) findings.push(finding.warning(note, `its log says more`))
  }
  return findings
}

function leaderFinding({ leader, term, clusterId }: ClusterDocument): Finding {
  const finding = about('leader', leader?.name ?? '-')
  if (leader === undefined) {
    const formed = clusterId === '' ? 'the cluster is not formed yet' : 'nobody leads'
    return finding.failed(formed, NO_LEADER)
  }
  const text = `leads in term ${term} (${leader.why})`
  if (leader.why === 'lowest ordinal') return finding.ok(text)
  return finding.warning(text, 'the lowest ordinal leads again once it is well for some seconds')
}

function quorumFinding(document: ClusterDocument, advice: string | undefined): Finding {
  const { replicas, leader, problem, missing } = document
  const finding = about('quorum', '-')
  if (problem === 'quorum-lost') {
    const lost = allLost(document, advice)
    if (lost !== undefined) return finding.failed(lost.what, lost.remedy)
    if (missing.length === 0 && advice !== undefined) return finding.failed(advice, BY_HAND)
    // Who is listed need not be who is missed: an empty disk has the name, and no vote.
    const names = missing.length === 0 ? '' : `: ${missing.join(', ')}`
    const more = advice === undefined ? '' : `; ${advice}`
    return finding.failed(`a majority is missing${names}${more}`, NO_QUORUM)
  }
  const voters = replicas.filter(({ role }) => role !== 'learner')
  const heard = voters.filter(({ role }) => role !== 'unreachable')
  const text = `${heard.length} of ${voters.length} voters are heard`
  const majority = Math.floor(voters.length / 2) + 1
  if (heard.length < majority) return finding.failed(text, NO_QUORUM)
  // A picture of one that nobody leads says only whom that one hears.
  if (leader === undefined) return finding.warning(text, NO_LEADER)
  if (heard.length === voters.length) return finding.ok(text)
  const spare = heard.length - majority
  const more = `${text}; writes ${spare === 0 ? 'stop with the next one' : 'go on'}`
  return finding.warning(more, 'see the lines of the missing ones')
}

/** All are there, and none has the data: they say so, and note it. */
function allLost({ replicas }: ClusterDocument, advice = '') {
  for (const said of [advice, ...replicas.flatMap(({ notes }) => notes)]) {
    const lost = readDataLost(said)
    if (lost !== undefined) return lost
  }
  return undefined
}
