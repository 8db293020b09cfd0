/**
 * The objects of the own namespace that are read and written, and nothing beside: the chart's Role
 * allows just these (chart/templates/database/role.yaml).
 */

import type {
  CoreV1Event,
  V1ConfigMap,
  V1Pod,
  V1SelfSubjectAccessReview,
  V1StatefulSet,
} from '@kubernetes/client-node'
import { KUBERNETES_CALL_MS_MAX } from '../shared/limits.ts'
import type { Answer } from './answer.ts'
import type { ApiServer, Call } from './api-server.ts'

/** As JSON has it: dates are texts. */
type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer E)[]
    ? Wire<E>[]
    : T extends object
      ? { [K in keyof T]: Wire<T[K]> }
      : T

export type Pod = Wire<V1Pod>
export type StatefulSet = Wire<V1StatefulSet>
export type ConfigMap = Wire<V1ConfigMap>
export type Event = Wire<CoreV1Event>
export type AccessReview = Wire<V1SelfSubjectAccessReview>

/** What a merge patch changes; null takes a key away. */
export type MetadataPatch = {
  readonly metadata: {
    readonly resourceVersion?: string
    readonly labels: Readonly<Record<string, string | null>>
  }
}

export class Objects {
  readonly #api: ApiServer
  readonly #core: string
  readonly #apps: string

  constructor(api: ApiServer, namespace: string) {
    this.#api = api
    this.#core = `/api/v1/namespaces/${namespace}`
    this.#apps = `/apis/apps/v1/namespaces/${namespace}`
  }

  statefulSet(name: string): Promise<Answer<StatefulSet>> {
    return this.#call('GET', `${this.#apps}/statefulsets/${name}`)
  }

  configMap(name: string): Promise<Answer<ConfigMap>> {
    return this.#call('GET', `${this.#core}/configmaps/${name}`)
  }

  patchConfigMap(
    name: string,
    body: { readonly data: Readonly<Record<string, string>> },
  ): Promise<Answer<ConfigMap>> {
    return this.#call('PATCH', `${this.#core}/configmaps/${name}`, body)
  }

  pod(name: string): Promise<Answer<Pod>> {
    return this.#call('GET', `${this.#core}/pods/${name}`)
  }

  patchPod(name: string, body: MetadataPatch): Promise<Answer<Pod>> {
    return this.#call('PATCH', `${this.#core}/pods/${name}`, body)
  }

  createEvent(event: Event): Promise<Answer<Event>> {
    return this.#call('POST', `${this.#core}/events`, event)
  }

  patchEvent(name: string, body: Partial<Event>): Promise<Answer<Event>> {
    return this.#call('PATCH', `${this.#core}/events/${name}`, body)
  }

  /** May this ServiceAccount do that? */
  reviewAccess(body: AccessReview): Promise<Answer<AccessReview>> {
    return this.#call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', body)
  }

  #call<T>(method: Call['method'], path: string, body?: unknown): Promise<Answer<T>> {
    return this.#api.call<T>({ method, path, body, timeout_ms: KUBERNETES_CALL_MS_MAX })
  }
}
