/**
 * Who is at the other end, as HTTP headers, and the checks that both ends make of it (DESIGN §7).
 *
 * A recycled address is harmless because the dialer names the ordinal it means to reach and the
 * listener names the one it is; clusters are told apart by their name, and by their id once both
 * have one. Refusals are problem documents (RFC 9457) whose `code` is that of a `ClusterError`.
 */

import type { IncomingHttpHeaders } from 'node:http'
import { STATUS_CODES } from 'node:http'
import { ClusterError, ERROR_TABLE, type ErrorCode } from '../../shared/errors.ts'
import type { LinkIdentity } from '../../shared/link.ts'

/** Where links are made: `GET` with `Upgrade: ordinal-link`. */
export const LINK_PATH = '/peer/v1/link'
export const LINK_PROTOCOL = 'ordinal-link'
/** Where snapshots are streamed to: `POST`. */
export const SNAPSHOT_PATH = '/peer/v1/snapshot'
/** The ordinal that the sender means to reach. */
export const TARGET_HEADER = 'ordinal-target'

/** Values are percent-encoded: a cluster's name may be any text. */
export function identityHeaders(identity: LinkIdentity): Record<string, string> {
  return {
    'ordinal-role': identity.role,
    'ordinal-name': encodeURIComponent(identity.name),
    'ordinal-cluster': encodeURIComponent(identity.clusterName),
    'ordinal-cluster-id': encodeURIComponent(identity.clusterId),
    'ordinal-number': String(identity.ordinal),
    'ordinal-incarnation': encodeURIComponent(identity.incarnation),
  }
}

/** Throws `malformed-frame` unless all headers are there and make sense. */
export function identityFrom(headers: IncomingHttpHeaders): LinkIdentity {
  const role = text(headers, 'ordinal-role')
  if (role !== 'replica' && role !== 'api') {
    throw new ClusterError('malformed-frame', 'the header ordinal-role is neither replica nor api')
  }
  const ordinal = Number(text(headers, 'ordinal-number'))
  if (!Number.isInteger(ordinal) || ordinal < -1 || ordinal > 0xffff) {
    throw new ClusterError('malformed-frame', 'the header ordinal-number is no ordinal')
  }
  return {
    role,
    name: text(headers, 'ordinal-name'),
    clusterName: text(headers, 'ordinal-cluster'),
    clusterId: text(headers, 'ordinal-cluster-id'),
    ordinal,
    incarnation: text(headers, 'ordinal-incarnation'),
  }
}

function text(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name]
  if (typeof value !== 'string') {
    throw new ClusterError('malformed-frame', `the header ${name} is missing`)
  }
  try {
    return decodeURIComponent(value)
  } catch (cause) {
    throw new ClusterError('malformed-frame', `the header ${name} is badly encoded`, { cause })
  }
}

/** Throws `wrong-cluster` if the two surely belong to different clusters. */
export function checkCluster(own: LinkIdentity, remote: LinkIdentity): void {
  if (own.clusterName !== remote.clusterName) {
    const message = `${remote.name} is of cluster "${remote.clusterName}", not "${own.clusterName}"`
    throw new ClusterError('wrong-cluster', message)
  }
  if (own.clusterId !== '' && remote.clusterId !== '' && own.clusterId !== remote.clusterId) {
    const message = `${remote.name} is of cluster id ${remote.clusterId}, not ${own.clusterId}`
    throw new ClusterError('wrong-cluster', message)
  }
}

/** What a replica asks of who comes to it. Throws `wrong-cluster`, `wrong-replica`. */
export function checkCaller(own: LinkIdentity, remote: LinkIdentity, target: string): void {
  checkCluster(own, remote)
  if (target !== String(own.ordinal)) {
    const message = `this is ${own.name}, ordinal ${own.ordinal}, and not ordinal ${target}`
    throw new ClusterError('wrong-replica', message)
  }
  if (remote.role === 'replica' && remote.ordinal === own.ordinal) {
    throw new ClusterError('wrong-replica', `ordinal ${own.ordinal} is taken by ${own.name}`)
  }
}

/** What a dialer asks of who answers. Throws `wrong-cluster`, `wrong-replica`. */
export function checkAnswer(own: LinkIdentity, remote: LinkIdentity, target: number): void {
  checkCluster(own, remote)
  if (remote.role !== 'replica' || remote.ordinal !== target) {
    const message = `${remote.name} answered where ordinal ${target} was meant`
    throw new ClusterError('wrong-replica', message)
  }
}

/** Status, headers and body of a refusal. */
export function problemOf(error: ClusterError): {
  status: number
  headers: Record<string, string>
  body: string
} {
  const { status, title } = ERROR_TABLE[error.code]
  const body = JSON.stringify({ title, status, code: error.code, detail: error.message })
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  }
}

/** The same as bytes on a socket that no HTTP response object belongs to (after `upgrade`). */
export function problemBytes(error: ClusterError): string {
  const { status, headers, body } = problemOf(error)
  return `${responseHead(status, { ...headers, connection: 'close' })}${body}`
}

export function responseHead(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`
}

/** The error that a refusal stands for; `no-replica` if it is not one of ours. */
export function errorFrom(status: number, body: string): ClusterError {
  let problem: unknown
  try {
    problem = JSON.parse(body)
  } catch (cause) {
    return new ClusterError('no-replica', `answered ${status} without a problem`, { cause })
  }
  const { code, detail } = (problem ?? {}) as { code?: unknown; detail?: unknown }
  if (typeof code !== 'string' || !Object.hasOwn(ERROR_TABLE, code)) {
    return new ClusterError('no-replica', `answered ${status} without a known code`)
  }
  return new ClusterError(code as ErrorCode, typeof detail === 'string' ? detail : code)
}
