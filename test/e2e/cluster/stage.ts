/**
 * Where a test file plays: a namespace of its own, under Pod Security `restricted`, that is removed
 * in the end. A scenario that fails leaves a folder of logs, events and status.
 */

import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { openConnection } from './connection.ts'
import { foreignDials } from './dial-guard.ts'
import { leaveEvidence } from './evidence.ts'
import { Helm } from './helm.ts'
import { Kube, type KubeObject, path } from './kube.ts'
import { openProbe, type Probe } from './probe.ts'
import { Store } from './store.ts'
import { addRow } from './table.ts'
import { until } from './until.ts'

/** For a whole file. */
const FILE_MS_MAX = 900_000
const SCENARIO_MS_MAX = 400_000
export const READY_S_MAX = 60

// biome-ignore lint/suspicious/noConfusingVoidType: most scenarios have nothing to tell
type Play = (t: Test) => Promise<string | void>

export type Stage = {
  readonly kube: Kube
  readonly namespace: string
  readonly helm: Helm
  /** A release of this name, installed or not. */
  store(release?: string): Store
  probe(options?: { avoid?: readonly string[] }): Promise<Probe>
  /**
   * A test on this stage. What it resolves to stands in the table of the run. `skip`: why it cannot
   * be played here.
   */
  scenario(name: string, play: Play, skip?: string | false): void
}

/**
 * Opens the stage `name`, and removes it when `t` ends. `longer_ms`: what a scenario may take more.
 */
export async function openStage(t: Test, name: string, longer_ms = 0): Promise<Stage> {
  t.setTimeout(FILE_MS_MAX + longer_ms)
  const kube = new Kube(await openConnection())
  const namespace = `ordinal-${name}-${randomBytes(2).toString('hex')}`
  await kube.create(path('v1', undefined, 'namespaces'), {
    metadata: {
      name: namespace,
      labels: {
        'pod-security.kubernetes.io/enforce': 'restricted',
        'pod-security.kubernetes.io/warn': 'restricted',
      },
    },
  })
  t.teardown(async () => {
    await removeNamespace(kube, namespace)
    await kube.close()
  })
  return {
    kube,
    namespace,
    helm: new Helm(namespace),
    store: (release = 'db') => new Store(kube, namespace, release),
    probe: (options) => openProbe(kube, namespace, options),
    scenario: (title, play, skip = false) => {
      t.test(title, { timeout: SCENARIO_MS_MAX + longer_ms, skip }, async (t) => {
        const since_ms = performance.now()
        const leave = () => leaveEvidence(kube, namespace, `${name} ${title}`)
        const tell = (passed: boolean, text: string) => {
          const took_s = Math.round((performance.now() - since_ms) / 1000)
          t.comment(`${title}: ${text} (${took_s} s)`)
          addRow({ scenario: title, passed, text, took_s })
        }
        let row: string | undefined
        try {
          row = (await play(t)) ?? undefined
        } catch (error) {
          tell(false, String(error).split('\n')[0] ?? '')
          t.comment(`evidence: ${await leave()}`)
          throw error
        }
        t.same(foreignDials(), [], 'dials the API server and load balancers alone')
        if (!t.passing()) t.comment(`evidence: ${await leave()}`)
        tell(t.passing(), row ?? 'as it should be')
      })
    },
  }
}

/**
 * Pods by force first: nothing here is worth a graceful end, and the next file waits for the CPU.
 */
async function removeNamespace(kube: Kube, namespace: string): Promise<void> {
  for (const kind of ['statefulsets', 'deployments']) {
    await kube.delete(path('apps/v1', namespace, kind))
  }
  await kube.delete(path('v1', namespace, 'pods'), 0)
  await kube.delete(path('v1', undefined, 'namespaces', namespace))
}

/** Until a Pod has ended; resolves to what it printed, and whether it succeeded. */
export async function podEnded(
  stage: Stage,
  pod: string,
): Promise<{ readonly succeeded: boolean; readonly log: string }> {
  const target = path('v1', stage.namespace, 'pods', pod)
  const ended = await until(`Pod ${pod} has ended`, async () => {
    const { status } = await stage.kube.get(target)
    return /Succeeded|Failed/.test(status.phase) && (status.phase as string)
  })
  return { succeeded: ended === 'Succeeded', log: await stage.kube.text(`${target}/log`) }
}

/** Whether a Pod is ready. */
export function isReady(pod: KubeObject): boolean {
  const conditions = (pod.status?.conditions ?? []) as { type: string; status: string }[]
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

/** How often a Pod's containers were started again. */
export function restarts(pod: KubeObject): number {
  const statuses = (pod.status?.containerStatuses ?? []) as { restartCount: number }[]
  return statuses.reduce((sum, { restartCount }) => sum + restartCount, 0)
}
