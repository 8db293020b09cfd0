/** What replicas say of themselves, compared. */

import type { TestCluster } from '../cluster/harness.ts'
import { getJson } from '../cluster/harness.ts'

type Row = {
  readonly name: string
  readonly role: string
  readonly incarnation?: string
  readonly diskFreeBytes?: number
  readonly electable?: boolean
  readonly hash?: { readonly index: number; readonly value: string }
  readonly notes: readonly string[]
}

export type Status = {
  readonly name: string
  readonly role: string
  readonly ready: boolean
  readonly reason?: string
  readonly problem?: string
  readonly missing: readonly string[]
  readonly notes: readonly string[]
  readonly cluster: { readonly clusterId: string; readonly replicas: readonly Row[] }
}

/** `/status` of one replica. */
export function statusOf(cluster: TestCluster, name: string): Promise<Status> {
  return getJson<Status>(`${cluster.replicaUrls(name).metrics}/status`)
}

/** Its own row in what it says of the cluster. */
export async function ownRow(cluster: TestCluster, name: string): Promise<Row> {
  const { cluster: view } = await statusOf(cluster, name)
  const row = view.replicas.find((each) => each.name === name)
  if (row === undefined) throw new Error(`${name} does not list itself`)
  return row
}

/** Names of all replicas. */
export function replicaNames(cluster: TestCluster): string[] {
  return cluster.local
    .view()
    .processes.filter(({ kind }) => kind === 'replica')
    .map(({ name }) => name)
}

/** Waits until all replicas have applied the same index with the same content hash; that index. */
export async function agreed(cluster: TestCluster, timeout_ms = 20_000): Promise<number> {
  const names = replicaNames(cluster)
  return cluster.waitFor(
    'all replicas have the same content hash at the same index',
    async () => {
      const rows = await Promise.all(names.map((name) => ownRow(cluster, name)))
      const hashes = rows.map(({ hash }) => (hash === undefined ? '' : JSON.stringify(hash)))
      return new Set(hashes).size === 1 && hashes[0] !== '' ? rows[0]?.hash?.index : undefined
    },
    timeout_ms,
  )
}

/** A figure without labels on a replica's metrics page. */
export async function metricOf(
  cluster: TestCluster,
  name: string,
  figure: string,
): Promise<number> {
  const page = await (await fetch(`${cluster.replicaUrls(name).metrics}/metrics`)).text()
  const line = page.split('\n').find((text) => text.startsWith(`${figure} `))
  if (line === undefined) throw new Error(`${name} has no figure ${figure}`)
  return Number(line.slice(figure.length + 1))
}
