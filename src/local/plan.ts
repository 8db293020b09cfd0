/**
 * Which processes a local cluster consists of, and what each is told by its environment: the same
 * variables as the chart sets, so that the children cannot tell the difference.
 */

import { join } from 'node:path'
import type { DataFolder } from './data-folder.ts'
import { freePorts, LOOPBACK } from './free-ports.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export type ChildPlan = {
  /** `db-0`, `api-1`. */
  readonly name: string
  readonly kind: 'replica' | 'api'
  readonly ordinal: number
  /** Chosen at the start and kept over restarts. Only replicas have a peer port. */
  readonly ports: {
    readonly client: number
    readonly metrics: number
    readonly peer: number | undefined
  }
  /** Only replicas have data. */
  readonly dataFolder: string | undefined
  readonly logFile: string
  readonly env: Environment
}

export type PlanOptions = {
  readonly replicas: number
  readonly api: number
  readonly folder: DataFolder
  /** `address:port` of the cluster's DNS zone. */
  readonly dnsServer: string
  /** The port that the API servers share while they are ready; undefined: a proxy has it. */
  readonly sharedPort: number | undefined
  /** What all children inherit. Their tuning (`ORDINAL_ELECTION_TIMEOUT`, …) may stand in it. */
  readonly env: Environment
  /** More for one child, by its name. */
  readonly childEnv: ((name: string) => Environment) | undefined
}

/** The names that the DNS zone answers for; the chart's defaults. */
export const ZONE = {
  service: 'db-headless',
  namespace: 'default',
  clusterDomain: 'cluster.local',
} as const

/** Defaults that `env` may overrule. */
const TUNING = {
  ORDINAL_FAULTS: 'on',
  ORDINAL_LOG_FORMAT: 'json',
  // No endpoint list lags behind here, so nothing has to be waited for.
  ORDINAL_SHUTDOWN_DELAY: '0',
  // LevelDB's threads; the default of four is shared with all other file access (DESIGN §6).
  UV_THREADPOOL_SIZE: '8',
}

function commonEnvironment(options: PlanOptions): Environment {
  return {
    ...TUNING,
    ...options.env,
    ORDINAL_CLUSTER: 'db',
    ORDINAL_SERVICE: ZONE.service,
    ORDINAL_NAMESPACE: ZONE.namespace,
    ORDINAL_CLUSTER_DOMAIN: ZONE.clusterDomain,
    ORDINAL_DNS_SERVERS: options.dnsServer,
    ORDINAL_HOST: LOOPBACK,
    ORDINAL_PEER_SECRET_FILE: options.folder.secretFile,
  }
}

function planReplica(options: PlanOptions, ordinal: number, ports: readonly number[]): ChildPlan {
  const name = `db-${ordinal}`
  const [client, metrics, peer] = ports as [number, number, number]
  const dataFolder = join(options.folder.path, name)
  return {
    name,
    kind: 'replica',
    ordinal,
    ports: { client, metrics, peer },
    dataFolder,
    logFile: join(options.folder.logs, `${name}.log`),
    env: {
      ...commonEnvironment(options),
      ORDINAL_NAME: name,
      ORDINAL_DATA: dataFolder,
      ORDINAL_REPLICAS: String(options.replicas),
      ORDINAL_FIRST_ORDINAL: '0',
      ORDINAL_CLIENT_PORT: String(client),
      ORDINAL_METRICS_PORT: String(metrics),
      ORDINAL_PEER_PORT: String(peer),
      ORDINAL_ADVERTISE: `${LOOPBACK}:${peer}`,
      ...options.childEnv?.(name),
    },
  }
}

function planApi(options: PlanOptions, ordinal: number, ports: readonly number[]): ChildPlan {
  const name = `api-${ordinal}`
  const [client, metrics] = ports as [number, number]
  const { sharedPort } = options
  return {
    name,
    kind: 'api',
    ordinal,
    ports: { client, metrics, peer: undefined },
    dataFolder: undefined,
    logFile: join(options.folder.logs, `${name}.log`),
    env: {
      ...commonEnvironment(options),
      ORDINAL_NAME: name,
      ORDINAL_CLIENT_PORT: String(client),
      ORDINAL_METRICS_PORT: String(metrics),
      ORDINAL_SHARED_PORT: sharedPort === undefined ? undefined : String(sharedPort),
      ...options.childEnv?.(name),
    },
  }
}

/** Chooses ports and environments. Rejects with `port-in-use`. */
export async function planChildren(options: PlanOptions): Promise<ChildPlan[]> {
  const ports = await freePorts(options.replicas * 3 + options.api * 2)
  const plans: ChildPlan[] = []
  for (let ordinal = 0; ordinal < options.replicas; ordinal++) {
    plans.push(planReplica(options, ordinal, ports.splice(0, 3)))
  }
  for (let ordinal = 0; ordinal < options.api; ordinal++) {
    plans.push(planApi(options, ordinal, ports.splice(0, 2)))
  }
  return plans
}
