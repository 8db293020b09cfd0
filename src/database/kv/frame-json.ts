/**
 * The rare frames, as JSON: a replica's status, queries and their answers. What comes in is
 * checked as far as the code that reads it relies on it.
 *
 *   status       JSON
 *   query        u32 frame | JSON      query reply  u32 frame | JSON
 */

import { ClusterError } from '../../shared/errors.ts'
import type { Query, QueryReply, StatusFrame } from './frame-types.ts'

const ROLES: readonly unknown[] = ['leader', 'follower', 'candidate', 'learner']

/** The parts of a status frame's body. */
export function encodeStatus(status: StatusFrame): Uint8Array[] {
  return [Buffer.from(JSON.stringify(status))]
}

/** Throws `malformed-frame`. */
export function decodeStatus(body: Buffer): StatusFrame {
  const status = parse(body)
  const shape =
    ROLES.includes(status['role']) &&
    typeof status['writable'] === 'boolean' &&
    ['ordinal', 'term', 'leader', 'revision', 'age_ms'].every((name) => isNumber(status, name)) &&
    ['history', 'clusterId'].every((name) => typeof status[name] === 'string') &&
    Array.isArray(status['missing'])
  if (!shape || !arePeers(status['peers'])) throw malformed('status frame')
  return { problem: undefined, ...status } as unknown as StatusFrame
}

/** The parts of a query frame's body. */
export function encodeQuery(frame: number, query: Query): Uint8Array[] {
  return [frameId(frame), Buffer.from(JSON.stringify(query))]
}

/** Throws `malformed-frame`. */
export function decodeQuery(body: Buffer): { frame: number; query: Query } {
  const frame = readFrameId(body)
  const query = parse(body.subarray(4))
  if (query['type'] === 'cluster') return { frame, query: { type: 'cluster' } }
  const after = query['after']
  const shape =
    query['type'] === 'list' &&
    typeof query['prefix'] === 'string' &&
    (after === undefined || typeof after === 'string') &&
    (query['consistency'] === 'linearizable' || query['consistency'] === 'stale') &&
    ['limit', 'maxStale_ms', 'minRevision', 'timeout_ms'].every((name) => isNumber(query, name))
  if (!shape) throw malformed('query frame')
  return { frame, query: { after: undefined, ...query } as unknown as Query }
}

/** The parts of a query reply's body. */
export function encodeQueryReply(frame: number, reply: QueryReply): Uint8Array[] {
  return [frameId(frame), Buffer.from(JSON.stringify(reply))]
}

/** Throws `malformed-frame`. */
export function decodeQueryReply(body: Buffer): { frame: number; reply: QueryReply } {
  const frame = readFrameId(body)
  const reply = parse(body.subarray(4))
  const content = reply['type'] === 'refused' ? reply['refusal'] : reply['answer']
  const known = ['list', 'cluster', 'refused'].includes(reply['type'] as string)
  if (!known || !isObject(content)) throw malformed('query reply')
  if (reply['type'] === 'list' && !Array.isArray(content['keys'])) throw malformed('query reply')
  if (reply['type'] === 'cluster' && !Array.isArray(content['replicas'])) {
    throw malformed('query reply')
  }
  return { frame, reply: reply as unknown as QueryReply }
}

function parse(body: Buffer): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new ClusterError('malformed-frame', 'a frame is not JSON', { cause: error })
  }
  if (!isObject(value)) throw malformed('JSON frame')
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** None, from a replica that tells of none, or addresses. */
function arePeers(value: unknown): boolean {
  if (value === undefined) return true
  const isPeer = (peer: unknown) =>
    isObject(peer) &&
    isNumber(peer, 'ordinal') &&
    isNumber(peer, 'port') &&
    typeof peer['host'] === 'string'
  return Array.isArray(value) && value.every(isPeer)
}

function isNumber(object: Record<string, unknown>, name: string): boolean {
  return typeof object[name] === 'number'
}

function frameId(frame: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(frame, 0)
  return bytes
}

function readFrameId(body: Buffer): number {
  if (body.length < 4) throw malformed('frame without an id')
  return body.readUInt32BE(0)
}

function malformed(what: string): ClusterError {
  return new ClusterError('malformed-frame', `malformed ${what}`)
}
