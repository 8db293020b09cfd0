/**
 * The Fastify instance that both HTTP faces are built on, set up once so that they refuse alike:
 * problem documents for everything that goes wrong before a route is reached, 405 with Allow for
 * known paths, no logging per request, and room for the longest key in a path.
 *
 * No method has a body parser: a route that takes a body reads it itself (body.ts), which saves the
 * parsing of content types and takes any of them.
 */

import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { ClusterError } from '../errors.ts'
import { REQUEST_RECEIVE_MS_MAX, VALUE_BYTES_MAX } from '../limits.ts'
import type { Face } from './face.ts'
import { KEY_PATH_CHARACTERS_MAX } from './keys.ts'
import { toClusterError, withOutcome } from './problem.ts'

const NO_QUERY: Record<string, string> = Object.freeze({})
/** Idle connections stay open longer than those of common balancers and proxies (60 s). */
const KEEP_ALIVE_MS = 72_000
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Makes the server of one face; routes are registered by the caller. */
export function createHttpServer(options: { face: Face; logger: Logger }): FastifyInstance {
  const { face, logger } = options
  const refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const refusal = refusalOf(error, request)
    if (refusal.code === 'internal') logger.error({ err: error }, 'a request failed')
    const path = request.is404 ? '' : (request.routeOptions?.url ?? '')
    face.problem(reply, face.route(request.method, path), refusal)
  }
  const app: FastifyInstance = fastify({
    logger: false,
    bodyLimit: VALUE_BYTES_MAX,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_RECEIVE_MS_MAX,
    // Queries are read by the routes, from the raw target (query.ts).
    routerOptions: {
      maxParamLength: KEY_PATH_CHARACTERS_MAX,
      querystringParser: () => NO_QUERY,
    },
    frameworkErrors: refuse,
    clientErrorHandler: refuseConnection,
  })
  for (const method of ['PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY']) {
    app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  }
  app.setErrorHandler(refuse)
  app.setNotFoundHandler((request, reply) => {
    refuse(
      new ClusterError('no-such-route', `there is nothing at ${request.raw.url ?? ''}`),
      request,
      reply,
    )
  })
  return app
}

/** What goes wrong before or outside a route surely did not write. */
function refusalOf(error: unknown, request: FastifyRequest): ClusterError {
  const refusal = toClusterError(error)
  if (SAFE.has(request.method) || refusal.code === 'internal') return refusal
  return withOutcome(refusal, 'not-applied')
}

/** Bytes that are no HTTP request: there is no request to answer, only a connection to end. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy(error)
    return
  }
  const body = JSON.stringify({
    type: 'urn:ordinal:problem:bad-request',
    title: 'The request is malformed',
    status: 400,
    detail: error.code ?? 'not HTTP',
    code: 'bad-request',
    retry: false,
  })
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/**
 * Answers 405 with Allow to all methods of a path that are not allowed, save those that `except`
 * names because they are refused by a route of their own.
 */
export function refuseOtherMethods(
  app: FastifyInstance,
  face: Face,
  options: { url: string; allowed: readonly string[]; except?: readonly string[] },
): void {
  const allow = options.allowed.join(', ')
  const taken = [...options.allowed, ...(options.except ?? [])]
  const others = app.supportedMethods.filter((method) => !taken.includes(method))
  app.route({
    method: others,
    url: options.url,
    handler: (request, reply) => {
      const error = new ClusterError('method-not-allowed', `only ${allow} are allowed here`, {
        details: { allow },
        ...(SAFE.has(request.method) ? {} : { outcome: 'not-applied' as const }),
      })
      face.problem(reply, face.route(request.method, options.url), error)
    },
  })
}
