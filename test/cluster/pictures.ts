/** What a cluster says of itself, for tests: its documents, its metrics, its content hashes. */

import { getJson, type TestCluster } from './harness.ts'

export type ReplicaRow = {
  readonly name: string
  readonly ordinal: number
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner' | 'unreachable'
  readonly incarnation?: string
  readonly term?: number
  readonly hash?: { readonly index: number; readonly value: string }
}

/** `GET /v1/cluster`. */
export type ClusterDocument = {
  readonly clusterId: string
  readonly history: string
  readonly revision: number
  readonly term: number
  readonly leader?: { readonly name: string; readonly why: string }
  readonly replicas: readonly ReplicaRow[]
}

/** `GET /status` of one replica. */
export type ReplicaStatus = {
  readonly name: string
  readonly role: string
  readonly term: number
  readonly ready: boolean
  readonly reason?: string
  readonly problem?: string
  readonly missing: readonly string[]
  readonly notes: readonly string[]
  readonly cluster: ClusterDocument
  readonly membership?: {
    readonly voters: readonly string[]
    readonly learners: readonly string[]
    readonly removed: readonly string[]
  }
}

export function clusterDocument(cluster: TestCluster): Promise<ClusterDocument> {
  return getJson(`${cluster.url}/v1/cluster`, 5000)
}

export function statusOf(cluster: TestCluster, name: string): Promise<ReplicaStatus> {
  return getJson(`${cluster.replicaUrls(name).client}/status`)
}

/**
 * Waits until all replicas have applied the same index, and resolves to their distinct content
 * hashes: one, if all is well. Nothing may be writing.
 */
export async function contentHashes(cluster: TestCluster, replicas = 3): Promise<string[]> {
  return (await contentPicture(cluster, replicas)).hashes
}

/** The same, and at which index. */
export async function contentPicture(
  cluster: TestCluster,
  replicas: number,
): Promise<{ index: number; hashes: string[] }> {
  return await cluster.waitFor(`${replicas} replicas at one index`, async () => {
    const document = await clusterDocument(cluster)
    const hashes = document.replicas.flatMap(({ hash }) => hash ?? [])
    if (hashes.length !== replicas) return undefined
    const [index, ...others] = new Set(hashes.map((hash) => hash.index))
    if (index === undefined || others.length > 0) return undefined
    return { index, hashes: [...new Set(hashes.map(({ value }) => value))] }
  })
}

/** Sum of one metric over processes; one that is down or does not have it counts nothing. */
export async function metricSum(cluster: TestCluster, name: string): Promise<number> {
  let sum = 0
  for (const { ports, state } of cluster.local.view().processes) {
    if (state !== 'running') continue
    const text = await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)
      .then((answer) => answer.text())
      .catch(() => '')
    for (const line of text.split('\n')) {
      const [, value] = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`).exec(line) ?? []
      if (value !== undefined) sum += Number(value)
    }
  }
  return sum
}

/** Waits until every replica is a voter that the leader hears, and nothing is being changed. */
export async function allVoting(
  cluster: TestCluster,
  { replicas = 3, timeout_ms = 60_000 } = {},
): Promise<ReplicaStatus> {
  const look = async () => {
    const status = await statusOf(cluster, await cluster.leader())
    const { voters = [], learners = [] } = status.membership ?? {}
    if (voters.length !== replicas || learners.length > 0) return undefined
    return status.missing.length === 0 ? status : undefined
  }
  try {
    return await cluster.waitFor(`${replicas} replicas vote`, look, timeout_ms)
  } catch (cause) {
    throw new Error(`not all vote\n${await describeReplicas(cluster)}`, { cause })
  }
}

/** What every replica says of itself, and the end of its log, for a failed test. */
async function describeReplicas(cluster: TestCluster): Promise<string> {
  const lines: string[] = []
  for (const { name, kind, state } of cluster.local.view().processes) {
    if (kind !== 'replica') continue
    const status = await statusOf(cluster, name).catch((error: unknown) => String(error))
    lines.push(`${name} (${state}): ${JSON.stringify(status)}`, cluster.logTail(name, 15))
  }
  return lines.join('\n')
}
