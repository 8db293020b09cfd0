/** The doctor's questions to the Kubernetes API, and to the replica in the same Pod. */

import type { Check } from '../doctor/finding.ts'
import { documentOf, type HttpGet } from '../doctor/http-get.ts'
import { checkKubernetes, kubernetesUnasked } from '../doctor/kubernetes.ts'
import { openInspection } from '../kubernetes/inspection.ts'
import { type Environment, readDoctorConfig } from '../shared/config.ts'
import { ClusterError } from '../shared/errors.ts'
import type { FromKubernetes } from './doctor.ts'
import { createHttpGet } from './http-get.ts'

/** Nothing is found outside of Kubernetes. The doctor has checked the environment before. */
export function fromKubernetes(env: Environment): FromKubernetes {
  return { checks: checksOf(env), wanted: (ordinal) => isWanted(env, ordinal) }
}

async function isWanted(env: Environment, ordinal: number): Promise<boolean | undefined> {
  const { kubernetes } = readDoctorConfig(env)
  if (kubernetes === undefined) return undefined
  const inspection = openInspection(kubernetes)
  try {
    const read = await inspection.statefulSet()
    if ('why' in read) return undefined
    return ordinal >= read.first && ordinal < read.first + read.replicas
  } finally {
    inspection.close()
  }
}

function checksOf(env: Environment): readonly Check[] {
  return [
    async () => {
      const { kubernetes, metricsPort, inCluster, cluster } = readDoctorConfig(env)
      if (kubernetes === undefined) return inCluster ? [kubernetesUnasked(cluster)] : []
      const { statefulSet, marker } = kubernetes
      const inspection = openInspection(kubernetes)
      // Probes and status are plain HTTP, always.
      const get = createHttpGet(undefined)
      const replica = () => askReplica(get, { metricsPort, statefulSet })
      try {
        return await checkKubernetes({ ...inspection, names: { statefulSet, marker }, replica })
      } finally {
        inspection.close()
      }
    },
  ]
}

async function askReplica(
  get: HttpGet,
  { metricsPort, statefulSet }: { metricsPort: number; statefulSet: string },
) {
  try {
    const answer = await get(`http://localhost:${metricsPort}/status`, {})
    const { leader, cluster } = documentOf(answer.body) ?? {}
    const known = typeof leader === 'number' && leader >= 0
    const { clusterId } = (cluster ?? {}) as { clusterId?: unknown }
    return {
      leader: known ? `${statefulSet}-${leader}` : undefined,
      clusterId: typeof clusterId === 'string' ? clusterId : '',
    }
  } catch (error) {
    if (error instanceof ClusterError) return undefined
    throw error
  }
}
