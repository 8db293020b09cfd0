/**
 * The configuration of a server process: one schema of environment variables, read once, checked,
 * frozen and handed down. `process.env` is read by the commands alone and given to these functions.
 *
 * The same variables are set by `ordinal local` and by the chart, so that a process does not know
 * which of both runs it. A value that is wrong is one line that names its variable.
 */

import { Resolver } from 'node:dns'
import { hostname } from 'node:os'
import type Type from 'typebox'
import type { Static } from 'typebox'
import Value from 'typebox/value'
import {
  ApiEnvironment,
  DNS_SERVERS,
  DoctorEnvironment,
  FIRST_ORDINAL,
  type LEVELS,
  REPLICAS,
  ReplicaEnvironment,
} from './config-variables.ts'
import { type CountRange, readCountFile } from './count-file.ts'
import { parseDuration } from './duration.ts'
import { ClusterError } from './errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What both tiers are told. */
export type SharedConfig = {
  /** `db-0`, `api-1`: the Pod's name. */
  readonly name: string
  /** Name of the cluster; peers of another one are refused. */
  readonly cluster: string
  /** Name of the headless Service that lists the replicas. */
  readonly service: string
  readonly namespace: string
  /** Undefined: from the `svc.` entry of /etc/resolv.conf, else `cluster.local`. */
  readonly clusterDomain: string | undefined
  /** `address:port` of DNS servers; empty: those of the system. */
  readonly dnsServers: readonly string[]
  /** Address to listen at. */
  readonly host: string
  readonly clientPort: number
  readonly metricsPort: number
  /** File with the shared secret of the peers; undefined: none is asked for. */
  readonly peerSecretFile: string | undefined
  /** File with the tokens of clients, one a line; undefined: none is asked for. */
  readonly tokensFile: string | undefined
  /** Folder with `tls.crt`, `tls.key`, `ca.crt`; undefined: plain connections. */
  readonly tlsFolder: string | undefined
  readonly logLevel: (typeof LEVELS)[number]
  readonly logFormat: 'auto' | 'json' | 'pretty'
  /** The routes that break things on purpose are there. */
  readonly faults: boolean
}

/** How a process asks the Kubernetes API about what runs it. */
export type KubernetesConfig = {
  /** `https://host:port` of the API server; undefined: this is no Pod. */
  readonly server: string | undefined
  /** Folder with the ServiceAccount's `token` and `ca.crt`. */
  readonly accountFolder: string
  readonly namespace: string
  readonly statefulSet: string
  /** The ConfigMap that notes that a cluster was formed; undefined: there is none. */
  readonly marker: string | undefined
}

export type ReplicaConfig = SharedConfig & {
  /** undefined: Kubernetes is not asked. */
  readonly kubernetes: KubernetesConfig | undefined
  /** Pods are started and stopped all at once, or one after another. */
  readonly podManagement: 'Parallel' | 'OrderedReady'
  readonly ordinal: number
  /** The StatefulSet's name: the own name without its ordinal. */
  readonly base: string
  /** Folder of this replica alone. */
  readonly data: string
  /** How many replicas form the cluster the first time. */
  readonly replicas: number
  readonly firstOrdinal: number
  readonly peerPort: number
  /** `host:port` at which the others reach the peer port; undefined: found by the command. */
  readonly advertise: string | undefined
  /** The Pod's address; undefined: not told. */
  readonly podIp: string | undefined
  /** From being told to stop to being killed. */
  readonly grace_ms: number
  readonly electionTimeout_ms: number
  readonly heartbeat_ms: number
  readonly stagger_ms: number
  readonly handBackAfter_ms: number
  readonly ballast_bytes: number
  readonly diskFreeMin_bytes: number
}

export type ApiConfig = SharedConfig & {
  /** A second port, listened at with `reusePort` only while ready; undefined: none. */
  readonly sharedPort: number | undefined
  /** How long it goes on answering after it was told to stop. */
  readonly shutdownDelay_ms: number
}

export type DoctorConfig = SharedConfig & {
  /** undefined: Kubernetes is not asked. */
  readonly kubernetes: KubernetesConfig | undefined
  /** The Pod's address, if it is a replica's; undefined: not told. */
  readonly podIp: string | undefined
  /** A volume to write to; undefined: this process has none. */
  readonly data: string | undefined
  readonly diskFreeMin_bytes: number
  /** Run in a Pod. */
  readonly inCluster: boolean
}

function invalid(variable: string, value: unknown, expected: string): ClusterError {
  return new ClusterError('invalid-config', `${variable} is "${value}", expected ${expected}`)
}

type Property = { readonly type?: string; readonly description?: string }

/** Takes the schema's variables out of `env`; an empty one counts as absent. */
function read<S extends Type.TObject>(schema: S, env: Environment): Static<S> {
  const properties = schema.properties as Readonly<Record<string, Property>>
  const given: Record<string, string | number> = {}
  for (const [variable, property] of Object.entries(properties)) {
    const value = env[variable]
    if (value === undefined || value === '') continue
    const isNumber = property.type === 'integer' && /^\d{1,15}$/.test(value)
    given[variable] = isNumber ? Number(value) : value
  }
  const values = Value.Default(schema, { ...given }) as Static<S>
  const [failure] = Value.Errors(schema, values)
  if (failure === undefined) return values
  const variable = failure.instancePath.slice(1)
  const expected = properties[variable]?.description ?? failure.message
  throw invalid(variable, given[variable] ?? '', expected)
}

type SharedValues =
  | Static<typeof ApiEnvironment>
  | Static<typeof ReplicaEnvironment>
  | Static<typeof DoctorEnvironment>

/** A duration that the schema has checked, in ms. */
function checkedDuration(value: string): number {
  return parseDuration(value) as number
}

/** Those that a resolver takes: addresses, with a port or without. */
function dnsServersOf(value: string): readonly string[] {
  const servers = value.split(',').filter((server) => server !== '')
  try {
    new Resolver().setServers(servers)
  } catch {
    throw invalid('ORDINAL_DNS_SERVERS', value, DNS_SERVERS)
  }
  return servers
}

function shared(values: SharedValues) {
  return {
    service: values.ORDINAL_SERVICE,
    namespace: values.ORDINAL_NAMESPACE,
    clusterDomain: values.ORDINAL_CLUSTER_DOMAIN?.replace(/\.$/, ''),
    dnsServers: dnsServersOf(values.ORDINAL_DNS_SERVERS),
    host: values.ORDINAL_HOST,
    clientPort: values.ORDINAL_CLIENT_PORT,
    metricsPort: values.ORDINAL_METRICS_PORT,
    peerSecretFile: values.ORDINAL_PEER_SECRET_FILE,
    tokensFile: values.ORDINAL_TOKENS_FILE,
    tlsFolder: values.ORDINAL_TLS_FOLDER,
    logLevel: values.ORDINAL_LOG_LEVEL,
    logFormat: values.ORDINAL_LOG_FORMAT,
    faults: values.ORDINAL_FAULTS === 'on',
  }
}

/** Where a Pod finds the API server (Kubernetes, "Accessing the API from within a Pod"). */
function apiServerOf(env: Environment): string | undefined {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? ''
  if (host === '') return undefined
  const port = env['KUBERNETES_SERVICE_PORT'] || '443'
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function kubernetesOf(
  values: Static<typeof ReplicaEnvironment> | Static<typeof DoctorEnvironment>,
  env: Environment,
  base: string,
): KubernetesConfig | undefined {
  if (values.ORDINAL_KUBERNETES === 'off') return undefined
  return {
    server: apiServerOf(env),
    accountFolder: values.ORDINAL_ACCOUNT_FOLDER,
    namespace: values.ORDINAL_NAMESPACE,
    statefulSet: values.ORDINAL_STATEFULSET ?? base,
    marker: values.ORDINAL_MARKER,
  }
}

/** Reads the configuration of a replica. Fails with `invalid-config`. */
export function readReplicaConfig(env: Environment): ReplicaConfig {
  const values = read(ReplicaEnvironment, {
    ...env,
    ORDINAL_NAME: env['ORDINAL_NAME'] || hostname(),
  })
  const name = values.ORDINAL_NAME
  const dash = name.lastIndexOf('-')
  const base = name.slice(0, dash)
  const electionTimeout_ms = checkedDuration(values.ORDINAL_ELECTION_TIMEOUT)
  const heartbeat_ms = checkedDuration(values.ORDINAL_HEARTBEAT)
  if (heartbeat_ms < 1) {
    throw invalid('ORDINAL_HEARTBEAT', values.ORDINAL_HEARTBEAT, 'at least 1ms')
  }
  if (electionTimeout_ms < 3 * heartbeat_ms) {
    const expected = `at least three times ORDINAL_HEARTBEAT (${values.ORDINAL_HEARTBEAT})`
    throw invalid('ORDINAL_ELECTION_TIMEOUT', values.ORDINAL_ELECTION_TIMEOUT, expected)
  }
  const fileCount = (
    variable: 'ORDINAL_REPLICAS_FILE' | 'ORDINAL_FIRST_ORDINAL_FILE',
    range: CountRange,
  ) => readCountFile(variable, values[variable], range)
  return Object.freeze({
    ...shared(values),
    name,
    base,
    ordinal: Number(name.slice(dash + 1)),
    cluster: values.ORDINAL_CLUSTER ?? base,
    data: values.ORDINAL_DATA,
    replicas: fileCount('ORDINAL_REPLICAS_FILE', REPLICAS) ?? values.ORDINAL_REPLICAS,
    firstOrdinal:
      fileCount('ORDINAL_FIRST_ORDINAL_FILE', FIRST_ORDINAL) ?? values.ORDINAL_FIRST_ORDINAL,
    peerPort: values.ORDINAL_PEER_PORT,
    advertise: values.ORDINAL_ADVERTISE,
    podIp: values.ORDINAL_POD_IP,
    kubernetes: kubernetesOf(values, env, base),
    podManagement: values.ORDINAL_POD_MANAGEMENT,
    grace_ms: checkedDuration(values.ORDINAL_GRACE),
    electionTimeout_ms,
    heartbeat_ms,
    stagger_ms: checkedDuration(values.ORDINAL_STAGGER),
    handBackAfter_ms: checkedDuration(values.ORDINAL_HAND_BACK_AFTER),
    ballast_bytes: values.ORDINAL_BALLAST_BYTES,
    diskFreeMin_bytes: values.ORDINAL_DISK_FREE_MIN_BYTES,
  })
}

/** Reads the configuration of an API server. Fails with `invalid-config`. */
export function readApiConfig(env: Environment): ApiConfig {
  const values = read(ApiEnvironment, { ...env, ORDINAL_NAME: env['ORDINAL_NAME'] || hostname() })
  return Object.freeze({
    ...shared(values),
    name: values.ORDINAL_NAME,
    cluster: values.ORDINAL_CLUSTER ?? values.ORDINAL_SERVICE.replace(/-headless$/, ''),
    sharedPort: values.ORDINAL_SHARED_PORT,
    shutdownDelay_ms: checkedDuration(values.ORDINAL_SHUTDOWN_DELAY),
  })
}

/** Reads the configuration of the doctor. Fails with `invalid-config`. */
export function readDoctorConfig(env: Environment): DoctorConfig {
  const name = env['ORDINAL_NAME'] || hostname()
  const values = read(DoctorEnvironment, { ...env, ORDINAL_NAME: name })
  return Object.freeze({
    ...shared(values),
    name,
    cluster: values.ORDINAL_CLUSTER ?? values.ORDINAL_SERVICE.replace(/-headless$/, ''),
    podIp: values.ORDINAL_POD_IP,
    data: values.ORDINAL_DATA,
    diskFreeMin_bytes: values.ORDINAL_DISK_FREE_MIN_BYTES,
    kubernetes: kubernetesOf(values, env, values.ORDINAL_SERVICE.replace(/-headless$/, '')),
    inCluster: (env['KUBERNETES_SERVICE_HOST'] ?? '') !== '',
  })
}
