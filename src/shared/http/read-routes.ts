/**
 * The reading half of `/v1`, over any `Reader`: the API tier's asks the replicas, a replica's its
 * own disk. Answers are the same.
 *
 *   GET, HEAD /v1/kv/{key}   GET, HEAD /v1/key?name=   a value with its ETag
 *   GET, HEAD /v1/kv?prefix=&after=&limit=             keys in byte order, in pages
 *   GET, HEAD /v1/cluster, /v1/whoami
 *
 * A value goes out as whoever stored it typed it, so a browser is told not to guess and not to run
 * anything (nosniff, a sandboxing policy). Ranges are ignored, as RFC 9110 §14.2 allows.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ClusterError } from '../errors.ts'
import { KEY_BYTES_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from '../limits.ts'
import { evaluateForRead, formatTag, parseConditions, type TagCondition } from './conditions.ts'
import type { Face, RouteCount } from './face.ts'
import { type Key, keyOfBytes, keyOfPath } from './keys.ts'
import { formatPageToken, parseAfter } from './page-token.ts'
import { toClusterError } from './problem.ts'
import { integerOf, QueryReader, readTermsOf } from './query.ts'
import type { ListOutcome, ReadAnswer, Reader, ReadTerms, StoredValue } from './reader.ts'
import { type ListDocument, ListQuery, NamedReadQuery, ReadQuery } from './schemas.ts'

const KV_PATH = '/v1/kv/{key}'
/** What a media type may be made of in a header field; a stored one beyond goes out as bytes. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/

type Context = { readonly face: Face; readonly reader: Reader }

/** Registers the routes. Refusing the methods that are not here is the caller's part. */
export function registerReadRoutes(app: FastifyInstance, context: Context): void {
  const pathQuery = new QueryReader(ReadQuery)
  const nameQuery = new QueryReader(NamedReadQuery)
  for (const method of ['GET', 'HEAD'] as const) {
    const byPath = context.face.route(method, KV_PATH)
    const byName = context.face.route(method, '/v1/key')
    app.route({
      method,
      url: '/v1/kv/*',
      handler: (request, reply) => {
        attempt(context, byPath, reply, () => {
          const target = request.raw.url as string
          const terms = readTermsOf(pathQuery.read(target), request.headers['ordinal-timeout'])
          readKey(context, byPath, { request, reply, key: keyOfPath(target), terms })
        })
      },
    })
    app.route({
      method,
      url: '/v1/key',
      handler: (request, reply) => {
        attempt(context, byName, reply, () => {
          const query = nameQuery.read(request.raw.url as string)
          const terms = readTermsOf(query, request.headers['ordinal-timeout'])
          const key = keyOfBytes(Buffer.from(query.name))
          readKey(context, byName, { request, reply, key, terms })
        })
      },
    })
  }
  registerList(app, context)
  registerPictures(app, context)
}

/** Runs what may refuse; a refusal is answered, a bug becomes `internal`. */
function attempt(context: Context, route: RouteCount, reply: FastifyReply, run: () => void): void {
  try {
    run()
  } catch (error) {
    const refusal = toClusterError(error)
    if (refusal.code === 'internal') throw error
    context.face.problem(reply, route, refusal)
  }
}

type KeyRead = {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly key: Key
  readonly terms: ReadTerms
}

function readKey(context: Context, route: RouteCount, read: KeyRead): void {
  const { request, reply, key, terms } = read
  const condition = parseConditions(request.headers)
  const metadataOnly = route.method === 'HEAD'
  context.reader.read(key.bytes, metadataOnly, terms, (error, answer) => {
    if (error !== undefined) context.face.problem(reply, route, error)
    else answerValue(context.face, route, { read, condition, answer: answer as ReadAnswer })
  })
}

function answerValue(
  face: Face,
  route: RouteCount,
  found: { read: KeyRead; condition: TagCondition | undefined; answer: ReadAnswer },
): void {
  const { read, condition, answer } = found
  const { record, source } = answer
  if (record === undefined) {
    const error = new ClusterError('not-found', 'there is no such key', {
      details: { key: read.key.text },
    })
    face.problem(read.reply, route, error, source)
    return
  }
  const etag = formatTag(source.history, record.revision)
  const tag = { history: source.history, revision: record.revision }
  const verdict = evaluateForRead(condition, tag)
  if (verdict === 'precondition-failed') {
    const error = new ClusterError('precondition-failed', 'If-Match does not name this revision', {
      details: { etag, revision: record.revision },
    })
    face.problem(read.reply, route, error, source)
    return
  }
  const headers = ['ETag', etag, 'Cache-Control', 'no-cache']
  if (read.terms.consistency === 'stale') pushAge(headers, answer.age_ms)
  if (verdict === 'not-modified') {
    face.send(read.reply, route, { status: 304, headers, body: undefined }, source)
    return
  }
  pushRecord(headers, record)
  const head = route.method === 'HEAD'
  if (head && record.size_bytes !== undefined) {
    headers.push('Content-Length', String(record.size_bytes))
  }
  const body = head ? undefined : record.value
  face.send(read.reply, route, { status: 200, headers, body }, source)
}

/** A replica that has heard no leader since its start does not know how old its state is. */
function pushAge(headers: string[], age_ms: number): void {
  if (age_ms >= 0) headers.push('Ordinal-Age-Ms', String(Math.round(age_ms)))
}

function pushRecord(headers: string[], record: StoredValue): void {
  const typed = FIELD_VALUE.test(record.contentType)
  headers.push(
    'Content-Type',
    typed ? record.contentType : 'application/octet-stream',
    'X-Content-Type-Options',
    'nosniff',
    'Content-Security-Policy',
    "sandbox; default-src 'none'",
    'Ordinal-Create-Revision',
    String(record.createRevision),
    'Ordinal-Version',
    String(record.version),
  )
  if (record.expires_ms > 0) {
    headers.push('Ordinal-Expires', new Date(record.expires_ms).toISOString())
  }
}

function registerList(app: FastifyInstance, context: Context): void {
  const { face, reader } = context
  const queryOf = new QueryReader(ListQuery)
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const route = face.route(request.method, '/v1/kv')
    try {
      const query = queryOf.read(request.raw.url as string)
      const terms = readTermsOf(query, request.headers['ordinal-timeout'])
      const limit = limitOf(query.limit)
      const { after, history } = parseAfter(query.after)
      const prefix = boundOf('prefix', query.prefix) ?? ''
      const outcome = await reader.list({ prefix, after: boundOf('after', after), limit, terms })
      if (history !== undefined && history !== outcome.source.history) {
        throw new ClusterError('bad-request', 'the page token is of another history; list anew')
      }
      const headers = ['Cache-Control', 'no-cache']
      if (terms.consistency === 'stale') pushAge(headers, outcome.age_ms)
      const document = listDocument(outcome)
      face.json(reply, route, { status: 200, headers, document }, outcome.source)
    } catch (error) {
      const refusal = toClusterError(error)
      if (refusal.code === 'internal') throw error
      face.problem(reply, route, refusal)
    }
    return reply
  }
  app.route({ method: ['GET', 'HEAD'], url: '/v1/kv', handler })
}

function boundOf(name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined
  const size = Buffer.byteLength(value)
  if (size <= KEY_BYTES_MAX) return value
  throw new ClusterError('bad-request', `${name} has ${size} bytes; no key is that long`)
}

function limitOf(value: string | undefined): number {
  if (value === undefined) return LIST_LIMIT_DEFAULT
  const limit = integerOf('limit', value)
  if (limit >= 1 && limit <= LIST_LIMIT_MAX) return limit
  throw new ClusterError('bad-request', `limit must lie between 1 and ${LIST_LIMIT_MAX}`)
}

function listDocument(outcome: ListOutcome): ListDocument {
  const { keys, more, source } = outcome
  const last = keys[keys.length - 1]
  return {
    history: source.history,
    revision: source.revision,
    keys: [...keys],
    ...(more && last !== undefined ? { next: formatPageToken(source.history, last.key) } : {}),
  }
}

function registerPictures(app: FastifyInstance, context: Context): void {
  const { face, reader } = context
  const method = ['GET', 'HEAD']
  const url = '/v1/cluster'
  app.route({
    method,
    url,
    handler: async (request, reply) => {
      const route = face.route(request.method, url)
      try {
        const { document, source } = await reader.cluster()
        const headers = ['Cache-Control', 'no-store']
        face.json(reply, route, { status: 200, headers, document }, source)
      } catch (error) {
        const refusal = toClusterError(error)
        if (refusal.code === 'internal') throw error
        face.problem(reply, route, refusal)
      }
      return reply
    },
  })
  app.route({
    method,
    url: '/v1/whoami',
    handler: (request, reply) => {
      const headers = ['Cache-Control', 'no-store']
      const route = face.route(request.method, '/v1/whoami')
      face.json(reply, route, { status: 200, headers, document: reader.whoami() })
    },
  })
}
