/** The environment variables of the server processes: their names, forms and defaults. */

import Type from 'typebox'
import { DURATION_PATTERN } from './duration.ts'
import { BALLAST_BYTES, DISK_FREE_BYTES_MIN } from './limits.ts'

/** A DNS label; the part of a name between two dots (RFC 1123 §2.1). */
const LABEL = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?'
const ADDRESS = '(\\[[0-9a-fA-F:.]+\\]|[^:\\s,\\[\\]]+):\\d{1,5}'

const text = (pattern: string, description: string, fallback?: string) =>
  Type.String({
    pattern,
    description,
    ...(fallback === undefined ? {} : { default: fallback }),
  })
const duration = (fallback: string) =>
  text(DURATION_PATTERN, 'a duration such as 500ms, 5s or 2m', fallback)
const port = (fallback?: number) =>
  Type.Integer({
    minimum: 0,
    maximum: 65_535,
    description: 'a port from 0 to 65535',
    ...(fallback === undefined ? {} : { default: fallback }),
  })
const count = (options: { minimum: number; maximum: number; default: number }) =>
  Type.Integer({
    ...options,
    description: `a whole number from ${options.minimum} to ${options.maximum}`,
  })
const choice = <const T extends string[]>(values: readonly [...T], fallback: T[number]) =>
  Type.Enum<T>(values, { default: fallback, description: `one of ${values.join(', ')}` })
const flag = (fallback: 'on' | 'off') => choice(['on', 'off'], fallback)

export const REPLICAS = { minimum: 1, maximum: 99 }
export const FIRST_ORDINAL = { minimum: 0, maximum: 9999 }
const DISK_FREE_MIN = count({ minimum: 0, maximum: 2 ** 50, default: DISK_FREE_BYTES_MIN })

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** What is expected of ORDINAL_DNS_SERVERS. */
export const DNS_SERVERS = 'a list of addresses such as 127.0.0.1:53,[::1]:53'

const SharedVariables = {
  ORDINAL_SERVICE: text(`^${LABEL}$`, 'the name of the headless Service', 'db-headless'),
  ORDINAL_NAMESPACE: text(`^${LABEL}$`, 'the name of a namespace', 'default'),
  ORDINAL_CLUSTER_DOMAIN: Type.Optional(
    text(`^${LABEL}(\\.${LABEL})*\\.?$`, 'a domain such as cluster.local'),
  ),
  ORDINAL_DNS_SERVERS: text('^([^\\s,]+(,[^\\s,]+)*)?$', DNS_SERVERS, ''),
  ORDINAL_HOST: text('^[^\\s,]+$', 'an address to listen at', '0.0.0.0'),
  ORDINAL_PEER_SECRET_FILE: Type.Optional(text('^.+$', 'the path of a file')),
  ORDINAL_TOKENS_FILE: Type.Optional(text('^.+$', 'the path of a file')),
  ORDINAL_TLS_FOLDER: Type.Optional(text('^.+$', 'the path of a folder')),
  ORDINAL_METRICS_PORT: port(9090),
  ORDINAL_LOG_LEVEL: choice(LEVELS, 'info'),
  ORDINAL_LOG_FORMAT: choice(['auto', 'json', 'pretty'], 'auto'),
  ORDINAL_FAULTS: flag('off'),
}

/** Of a process in a Pod whose ServiceAccount may ask the Kubernetes API. */
const KubernetesVariables = {
  ORDINAL_KUBERNETES: flag('off'),
  ORDINAL_STATEFULSET: Type.Optional(text(`^${LABEL}$`, 'the name of a StatefulSet')),
  ORDINAL_MARKER: Type.Optional(text(`^${LABEL}(\\.${LABEL})*$`, 'the name of a ConfigMap')),
  ORDINAL_ACCOUNT_FOLDER: text(
    '^.+$',
    "the path of the ServiceAccount's folder",
    '/var/run/secrets/kubernetes.io/serviceaccount',
  ),
}

/** The environment of `ordinal replica`. */
export const ReplicaEnvironment = Type.Object({
  ...SharedVariables,
  ...KubernetesVariables,
  ORDINAL_NAME: text(`^${LABEL}-\\d{1,5}$`, 'a name that ends in its ordinal, such as db-0'),
  ORDINAL_CLUSTER: Type.Optional(text(`^${LABEL}$`, 'the name of the cluster')),
  ORDINAL_DATA: text('^.+$', 'the path of a folder', '/data'),
  ORDINAL_REPLICAS: count({ ...REPLICAS, default: 3 }),
  ORDINAL_REPLICAS_FILE: Type.Optional(text('^.+$', 'the path of a file')),
  ORDINAL_FIRST_ORDINAL: count({ ...FIRST_ORDINAL, default: 0 }),
  ORDINAL_FIRST_ORDINAL_FILE: Type.Optional(text('^.+$', 'the path of a file')),
  ORDINAL_CLIENT_PORT: port(8080),
  ORDINAL_PEER_PORT: port(7070),
  ORDINAL_ADVERTISE: Type.Optional(text(`^${ADDRESS}$`, 'an address such as 10.0.0.7:7070')),
  ORDINAL_POD_IP: Type.Optional(text('^[0-9a-fA-F:.]+$', 'an IP address without a port')),
  ORDINAL_POD_MANAGEMENT: choice(['Parallel', 'OrderedReady'], 'Parallel'),
  ORDINAL_GRACE: duration('60s'),
  ORDINAL_ELECTION_TIMEOUT: duration('1s'),
  ORDINAL_HEARTBEAT: duration('100ms'),
  ORDINAL_STAGGER: duration('150ms'),
  ORDINAL_HAND_BACK_AFTER: duration('5s'),
  ORDINAL_BALLAST_BYTES: count({ minimum: 0, maximum: 2 ** 40, default: BALLAST_BYTES }),
  ORDINAL_DISK_FREE_MIN_BYTES: DISK_FREE_MIN,
})

/** The environment of `ordinal api`. */
export const ApiEnvironment = Type.Object({
  ...SharedVariables,
  ORDINAL_NAME: text('^[^\\s]{1,253}$', 'a name without spaces'),
  ORDINAL_CLUSTER: Type.Optional(text(`^${LABEL}$`, 'the name of the cluster')),
  ORDINAL_CLIENT_PORT: port(8080),
  ORDINAL_SHARED_PORT: Type.Optional(port()),
  ORDINAL_SHUTDOWN_DELAY: duration('5s'),
})

/** The environment of `ordinal doctor`: what the process has that it is run beside. */
export const DoctorEnvironment = Type.Object({
  ...SharedVariables,
  ...KubernetesVariables,
  ORDINAL_NAME: text('^[^\\s]{1,253}$', 'a name without spaces'),
  ORDINAL_CLUSTER: Type.Optional(text(`^${LABEL}$`, 'the name of the cluster')),
  ORDINAL_CLIENT_PORT: port(8080),
  ORDINAL_POD_IP: Type.Optional(text('^[0-9a-fA-F:.]+$', 'an IP address without a port')),
  ORDINAL_DATA: Type.Optional(text('^.+$', 'the path of a folder')),
  ORDINAL_DISK_FREE_MIN_BYTES: DISK_FREE_MIN,
})
