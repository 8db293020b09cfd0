/**
 * What `ordinal doctor` asks of the Kubernetes API: may this ServiceAccount do what replicas do,
 * and what do the StatefulSet, the marker and the Pods' labels say?
 */

import type { MarkerState, Topology } from '../database/replica/orchestrator.ts'
import { type Clock, systemClock } from '../shared/clock.ts'
import type { KubernetesConfig } from '../shared/config.ts'
import { KUBERNETES_CALL_MS_MAX } from '../shared/limits.ts'
import { ApiServer } from './api-server.ts'
import { MarkerNote } from './marker.ts'
import { Objects } from './objects.ts'
import { leads } from './role-label.ts'
import { Standing } from './standing.ts'
import { topologyOf } from './topology.ts'

/** One thing that the chart's Role grants (chart/templates/database/role.yaml). */
export type Right = {
  readonly verb: 'get' | 'patch' | 'create'
  readonly group: '' | 'apps'
  readonly resource: string
  readonly name?: string
}

/** undefined: it could not be asked. */
export type Granted = Right & { readonly allowed: boolean | undefined; readonly why: string }

export interface Inspection {
  rights(topology: Topology | undefined): Promise<readonly Granted[]>
  statefulSet(): Promise<Topology | { readonly why: string }>
  marker(): Promise<MarkerState>
  /** Which of these Pods carry the leader's label; `why`: one cannot be read. */
  labelled(pods: readonly string[]): Promise<readonly string[] | { readonly why: string }>
  close(): void
}

/** What replicas of such a StatefulSet do. */
export function rightsOf(
  { statefulSet, marker }: Pick<KubernetesConfig, 'statefulSet' | 'marker'>,
  { first, replicas }: Pick<Topology, 'first' | 'replicas'>,
): Right[] {
  const pods = Array.from({ length: replicas }, (_, at) => `${statefulSet}-${first + at}`)
  const both = ['get', 'patch'] as const
  return [
    ...pods.flatMap((name) =>
      both.map((verb): Right => ({ verb, group: '', resource: 'pods', name })),
    ),
    { verb: 'get', group: 'apps', resource: 'statefulsets', name: statefulSet },
    { verb: 'create', group: '', resource: 'events' },
    { verb: 'patch', group: '', resource: 'events' },
    ...(marker === undefined ? [] : both).map((verb): Right => {
      return { verb, group: '', resource: 'configmaps', name: marker as string }
    }),
  ]
}

export function openInspection(config: KubernetesConfig, clock: Clock = systemClock): Inspection {
  const api = new ApiServer({ ...config, clock })
  const { namespace, statefulSet, marker: name } = config
  const objects = new Objects(api, namespace)
  const silent = { info: () => undefined, warn: () => undefined }
  const marker = new MarkerNote({ objects, name, standing: new Standing(silent), clock })
  const ask = async (right: Right): Promise<Granted> => {
    const { verb, group, resource } = right
    const attributes = { namespace, verb, group, resource }
    const answer = await objects.reviewAccess({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes:
          right.name === undefined ? attributes : { ...attributes, name: right.name },
      },
    })
    if (answer.type !== 'ok') return { ...right, allowed: undefined, why: answer.why }
    const { allowed, reason } = answer.object.status ?? { allowed: false }
    return { ...right, allowed, why: reason ?? '' }
  }
  return {
    rights: (topology) =>
      Promise.all(rightsOf(config, topology ?? { first: 0, replicas: 1 }).map(ask)),
    statefulSet: async () => {
      const answer = await objects.statefulSet(statefulSet)
      return answer.type === 'ok' ? topologyOf(answer.object) : { why: answer.why }
    },
    marker: () => marker.read(KUBERNETES_CALL_MS_MAX),
    labelled: async (pods) => {
      const found = await Promise.all(pods.map((pod) => objects.pod(pod)))
      const failed = found.find(({ type }) => type !== 'ok' && type !== 'absent')
      if (failed !== undefined && failed.type !== 'ok') return { why: failed.why }
      return pods.filter((_, at) => {
        const answer = found[at]
        return answer?.type === 'ok' && leads(answer.object)
      })
    },
    close: () => api.close(),
  }
}
