/**
 * Nodes: drained as `kubectl drain` does it, and broken by a command of the cluster's own, since no
 * API can do that. ORDINAL_E2E_NODE names it; it is called as `COMMAND NODE ACTION`.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Kube, type KubeAnswer, path } from './kube.ts'

const run = promisify(execFile)
const COMMAND = process.env['ORDINAL_E2E_NODE']
const ACTION_MS_MAX = 60_000
const NODES_MIN = 3

export type NodeAction = 'stop' | 'start' | 'pause' | 'resume' | 'isolate' | 'heal'

/** What tap's `skip` takes: false where nodes can be broken. Says so loudly where not. */
export function needsNodeFaults(): string | false {
  if (COMMAND) return false
  const message = 'SKIPPED, no node faults here (ORDINAL_E2E_NODE is not set)'
  process.stderr.write(`\n*** ${message} ***\n\n`)
  return message
}

/** The same for a cluster of fewer than three nodes. */
export async function needsNodes(kube: Kube): Promise<string | false> {
  const { length } = await kube.list('/api/v1/nodes')
  if (length >= NODES_MIN) return false
  const message = `SKIPPED, ${length} nodes are too few to drain one`
  process.stderr.write(`\n*** ${message} ***\n\n`)
  return message
}

export async function breakNode(node: string, action: NodeAction): Promise<void> {
  if (!COMMAND) throw new Error('ORDINAL_E2E_NODE is not set')
  await run(COMMAND, [node, action], { timeout: ACTION_MS_MAX })
}

/** No Pod is put there, or again. */
export async function cordon(kube: Kube, node: string, unschedulable: boolean): Promise<void> {
  await kube.patch(path('v1', undefined, 'nodes', node), { spec: { unschedulable } })
}

/**
 * Asks for a Pod's eviction, as a drain does: 201, or 429 where a PodDisruptionBudget refuses it.
 */
export function evict(kube: Kube, namespace: string, pod: string): Promise<KubeAnswer> {
  return kube.call('POST', path('v1', namespace, 'pods', pod, 'eviction'), {
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } },
  })
}
