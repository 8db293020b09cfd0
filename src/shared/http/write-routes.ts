/**
 * The writing half of `/v1`: PUT and DELETE of one key, by path or by `?name=`, over any
 * `WriteTaker`: the API tier's asks the leader, a replica's is the leader itself, or refuses.
 *
 * A PUT of a new key answers 201, of an old one 200; a DELETE answers 200, or 404 `not-found` when
 * there was nothing to delete (the state is as wanted either way). Every refusal says `outcome`:
 * `not-applied` surely never takes effect, `unknown` may have, or may yet.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ClusterError } from '../errors.ts'
import { CONTENT_TYPE_BYTES_MAX, TTL_MS_MAX, VALUE_BYTES_MAX } from '../limits.ts'
import { announcedBytes, readBody } from './body.ts'
import { formatTag, parseConditions } from './conditions.ts'
import type { Face, RouteCount } from './face.ts'
import { type Key, keyOfBytes, keyOfPath } from './keys.ts'
import { toClusterError, withOutcome } from './problem.ts'
import { durationOf, QueryReader, timeoutOf } from './query.ts'
import type { AnswerSource } from './reader.ts'
import { DeleteQuery, NamedDeleteQuery, NamedPutQuery, PutQuery } from './schemas.ts'
import type { WriteCommand, WriteGate, WriteResult, WriteTaker } from './write-taker.ts'

const OCTETS = 'application/octet-stream'
/** What curl says unless told otherwise; nobody means it. */
const FORM = 'application/x-www-form-urlencoded'

export type WriteContext = {
  readonly face: Face
  readonly writer: WriteTaker
  readonly admission: WriteGate
}

type WriteQuery = { readonly timeout?: string; readonly ttl?: string; readonly name?: string }
type Target = { readonly key: Key; readonly query: WriteQuery }

/** Registers the routes. */
export function registerWriteRoutes(app: FastifyInstance, context: WriteContext): void {
  const put = new QueryReader(PutQuery)
  const namedPut = new QueryReader(NamedPutQuery)
  const remove = new QueryReader(DeleteQuery)
  const namedRemove = new QueryReader(NamedDeleteQuery)
  const byPath = (reader: { read(target: string): WriteQuery }) => (target: string) => ({
    query: reader.read(target),
    key: keyOfPath(target),
  })
  const byName =
    (reader: { read(target: string): WriteQuery & { name: string } }) => (target: string) => {
      const query = reader.read(target)
      return { query, key: keyOfBytes(Buffer.from(query.name)) }
    }
  const routes = [
    { method: 'PUT', url: '/v1/kv/*', path: '/v1/kv/{key}', targetOf: byPath(put) },
    { method: 'PUT', url: '/v1/key', path: '/v1/key', targetOf: byName(namedPut) },
    { method: 'DELETE', url: '/v1/kv/*', path: '/v1/kv/{key}', targetOf: byPath(remove) },
    { method: 'DELETE', url: '/v1/key', path: '/v1/key', targetOf: byName(namedRemove) },
  ] as const
  for (const { method, url, path, targetOf } of routes) {
    const route = context.face.route(method, path)
    const handle = method === 'PUT' ? handlePut : handleDelete
    app.route({
      method,
      url,
      handler: (request, reply) => {
        try {
          handle(context, route, { request, reply, target: targetOf(request.raw.url as string) })
        } catch (error) {
          refuse(context.face, route, { reply, error })
        }
      },
    })
  }
  registerKeyless(app, context.face)
}

/** A write without a key is a mistake, and never a write to all of them. */
function registerKeyless(app: FastifyInstance, face: Face): void {
  app.route({
    method: ['PUT', 'DELETE'],
    url: '/v1/kv',
    handler: (request, reply) => {
      const error = new ClusterError('invalid-key', 'a write needs a key: /v1/kv/<key>', {
        outcome: 'not-applied',
      })
      face.problem(reply, face.route(request.method, '/v1/kv'), error)
    },
  })
}

type Write = {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly target: Target
}

function handlePut(context: WriteContext, route: RouteCount, write: Write): void {
  const { face, writer, admission } = context
  const { request, reply, target } = write
  const { headers } = request
  if (headers['content-encoding'] !== undefined) checkEncoding(headers['content-encoding'])
  if (headers['transfer-encoding'] !== undefined) checkTransfer(headers['transfer-encoding'])
  if (headers['content-range'] !== undefined) {
    throw new ClusterError('bad-request', 'a value is written whole: Content-Range is refused')
  }
  const contentType = contentTypeOf(headers['content-type'])
  const condition = parseConditions(headers)
  const { query, key } = target
  const timeout_ms = timeoutOf(query.timeout, headers['ordinal-timeout'])
  const ttl_ms = query.ttl === undefined ? 0 : ttlOf(query.ttl)
  const announced = announcedBytes(request.raw)
  const held = Math.min(announced ?? VALUE_BYTES_MAX, VALUE_BYTES_MAX)
  const refusal = admission.enter(held)
  if (refusal !== undefined) throw refusal
  readBody(request.raw, VALUE_BYTES_MAX, (error, value) => {
    if (value === undefined) {
      admission.leave(held)
      if (error === undefined) return
      refuse(face, route, { reply, error })
      return
    }
    const command: WriteCommand = {
      type: 'put',
      key: key.bytes,
      value,
      contentType,
      ttl_ms,
      condition,
    }
    writer.submit(command, timeout_ms, (failure, result, source) => {
      admission.leave(held)
      if (failure !== undefined) face.problem(reply, route, failure)
      else answer(face, route, { reply, key, result, source } as Answer)
    })
  })
}

function handleDelete(context: WriteContext, route: RouteCount, write: Write): void {
  const { face, writer, admission } = context
  const { request, reply, target } = write
  const { query, key } = target
  const condition = parseConditions(request.headers)
  const timeout_ms = timeoutOf(query.timeout, request.headers['ordinal-timeout'])
  const refusal = admission.enter(0)
  if (refusal !== undefined) throw refusal
  const command: WriteCommand = { type: 'delete', key: key.bytes, condition }
  writer.submit(command, timeout_ms, (failure, result, source) => {
    admission.leave(0)
    if (failure !== undefined) face.problem(reply, route, failure)
    else answer(face, route, { reply, key, result, source } as Answer)
  })
}

type Answer = {
  readonly reply: FastifyReply
  readonly key: Key
  readonly result: WriteResult
  readonly source: AnswerSource
}

function answer(face: Face, route: RouteCount, answered: Answer): void {
  const { reply, key, result, source } = answered
  const { status, revision } = result
  if (status === 'condition-failed') {
    face.problem(reply, route, conditionFailed(source.history, revision), source)
    return
  }
  if (status === 'absent') {
    const error = new ClusterError('not-found', 'there is no such key', {
      outcome: 'not-applied',
      details: { key: key.text },
    })
    face.problem(reply, route, error, source)
    return
  }
  const name = JSON.stringify(key.text)
  const headers = ['Content-Type', 'application/json; charset=utf-8']
  if (status === 'deleted') {
    const body = `{"key":${name},"revision":${revision},"deleted":true}`
    face.send(reply, route, { status: 200, headers, body }, source)
    return
  }
  headers.push('ETag', formatTag(source.history, revision))
  const created = status === 'created'
  const body = `{"key":${name},"revision":${revision},"created":${created}}`
  face.send(reply, route, { status: created ? 201 : 200, headers, body }, source)
}

function conditionFailed(history: string, revision: number): ClusterError {
  const present = revision > 0
  const message = present ? `the key is at revision ${revision}` : 'there is no such key'
  return new ClusterError('precondition-failed', message, {
    outcome: 'not-applied',
    details: present ? { revision, etag: formatTag(history, revision) } : { revision: 0 },
  })
}

function refuse(
  face: Face,
  route: RouteCount,
  refused: { reply: FastifyReply; error: unknown },
): void {
  const error = toClusterError(refused.error)
  if (error.code === 'internal') throw refused.error
  face.problem(refused.reply, route, withOutcome(error, 'not-applied'))
}

function checkEncoding(encoding: string): void {
  if (encoding.trim().toLowerCase() === 'identity') return
  throw new ClusterError(
    'unsupported-encoding',
    'values are stored as they come: send them without Content-Encoding',
  )
}

/** Node takes the chunks apart, and leaves any coding beneath as it came (RFC 9112 §7). */
function checkTransfer(codings: string): void {
  if (codings.trim().toLowerCase() === 'chunked') return
  throw new ClusterError(
    'unsupported-encoding',
    'values are sent as they are: Transfer-Encoding may only be chunked',
  )
}

function contentTypeOf(header: string | undefined): string {
  if (header === undefined || header === '') return OCTETS
  if (header.length === FORM.length && header.toLowerCase() === FORM) return OCTETS
  if (header.length > CONTENT_TYPE_BYTES_MAX) {
    throw new ClusterError(
      'bad-request',
      `Content-Type has at most ${CONTENT_TYPE_BYTES_MAX} characters`,
    )
  }
  return header
}

function ttlOf(value: string): number {
  const ttl_ms = durationOf('ttl', value)
  if (ttl_ms >= 1 && ttl_ms <= TTL_MS_MAX) return ttl_ms
  throw new ClusterError('bad-request', 'ttl must be at least 1ms and at most a hundred years')
}
