/** One release as the tests see it: its objects, and what its replicas and API servers say. */

import { type Kube, type KubeObject, path, type Tree } from './kube.ts'
import { until } from './until.ts'

export type ReplicaView = {
  readonly name: string
  readonly ordinal: number
  readonly role: string
  readonly incarnation?: string
  readonly lag?: number
  readonly appliedIndex?: number
  readonly notes?: readonly string[]
}

/** `GET /v1/cluster`, as far as the tests look at it. */
export type ClusterView = {
  readonly clusterId: string
  readonly history: string
  readonly term: number
  readonly revision: number
  readonly leader: { readonly name: string; readonly ordinal: number; readonly why: string } | null
  readonly replicas: readonly ReplicaView[]
}

export type HttpAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

const METRICS_PORT = 9090
const WORKING = new Set(['leader', 'follower'])

export class Store {
  readonly #kube: Kube
  readonly namespace: string
  readonly release: string
  /** What everything is named by: `db`, or `demo-db`. */
  readonly name: string

  constructor(kube: Kube, namespace: string, release: string) {
    this.#kube = kube
    this.namespace = namespace
    this.release = release
    this.name = release.includes('db') ? release : `${release}-db`
  }

  /** Where clients in the cluster find the API. */
  get url(): string {
    return `http://${this.name}-api.${this.namespace}`
  }

  core(...rest: string[]): string {
    return path('v1', this.namespace, ...rest)
  }

  apps(...rest: string[]): string {
    return path('apps/v1', this.namespace, ...rest)
  }

  /** Pods of a tier, by name. */
  async pods(tier: 'database' | 'api'): Promise<KubeObject[]> {
    const labels = `app.kubernetes.io/instance=${this.release},app.kubernetes.io/component=${tier}`
    const pods = await this.#kube.list(this.core('pods'), labels)
    return pods.sort((a, b) => a.metadata.name.localeCompare(b.metadata.name))
  }

  pod(ordinal: number): Promise<KubeObject> {
    return this.#kube.get(this.core('pods', `${this.name}-${ordinal}`))
  }

  deletePod(ordinal: number, grace_s?: number): Promise<void> {
    return this.#kube.delete(this.core('pods', `${this.name}-${ordinal}`), grace_s)
  }

  statefulSet(): Promise<KubeObject> {
    return this.#kube.get(this.apps('statefulsets', this.name))
  }

  /** Addresses behind a Service that are ready, with their Pods' names. */
  async endpoints(service: string): Promise<string[]> {
    const slices = await this.#kube.list(
      path('discovery.k8s.io/v1', this.namespace, 'endpointslices'),
      `kubernetes.io/service-name=${service}`,
    )
    const endpoints = slices.flatMap((slice) => (slice as Tree).endpoints ?? [])
    return endpoints
      .filter((each: Tree) => each.conditions?.ready === true)
      .map((each: Tree) => each.targetRef.name as string)
      .sort()
  }

  /** `/status` of a replica, from its own port. */
  async status(ordinal: number): Promise<Tree> {
    const pod = `${this.name}-${ordinal}:${METRICS_PORT}`
    return JSON.parse(await this.#kube.text(`${this.core('pods', pod, 'proxy')}/status`))
  }

  /** What an API server says of the cluster. */
  async cluster(): Promise<ClusterView> {
    const answer = await this.ask('GET', '/v1/cluster')
    if (answer.status !== 200) throw new Error(`/v1/cluster: ${answer.status} ${answer.text}`)
    return JSON.parse(answer.text) as ClusterView
  }

  /** The latest revision that an API server knows of. */
  async revision(): Promise<number> {
    return (await this.cluster()).revision
  }

  /** A request to the API tier, through the API server's proxy to the Service. */
  ask(method: string, target: string, body?: string): Promise<HttpAnswer> {
    const service = this.core('services', `${this.name}-api:80`, 'proxy')
    return this.#kube.call(method, `${service}${target}`, {
      type: 'text/plain',
      ...(body === undefined ? {} : { body }),
    })
  }

  async put(key: string, value: string): Promise<void> {
    const answer = await this.ask('PUT', `/v1/kv/${key}`, value)
    if (answer.status !== 200 && answer.status !== 201) {
      throw new Error(`PUT ${key}: ${answer.status} ${answer.text}`)
    }
  }

  /** The value; undefined: there is none. */
  async read(key: string): Promise<string | undefined> {
    const answer = await this.ask('GET', `/v1/kv/${key}`)
    if (answer.status === 404) return undefined
    if (answer.status !== 200) throw new Error(`GET ${key}: ${answer.status} ${answer.text}`)
    return answer.text
  }

  /** Until all replicas vote and are caught up, and the lowest ordinal leads. */
  whole(replicas = 3, timeout_ms?: number): Promise<ClusterView> {
    return until(
      `${replicas} replicas of ${this.name} work, the lowest leads`,
      async () => {
        const set = (await this.statefulSet()).status
        const cluster = await this.cluster()
        const working = cluster.replicas.filter(
          ({ role, lag = 0 }) => WORKING.has(role) && lag < 100,
        )
        const lowest = Math.min(...cluster.replicas.map(({ ordinal }) => ordinal))
        return (
          (set.readyReplicas ?? 0) === replicas &&
          set.replicas === replicas &&
          (set.updatedReplicas ?? replicas) === replicas &&
          cluster.replicas.length === replicas &&
          working.length === replicas &&
          cluster.leader?.ordinal === lowest &&
          cluster
        )
      },
      timeout_ms,
    )
  }
}
