/**
 * The Fastify instance that both HTTP faces are built on, set up once so that they refuse alike:
 * problem documents for everything that goes wrong before a route is reached, 405 with Allow for
 * known paths, no logging per request, and room for the longest key in a path. Pipelined requests
 * take their turns (pipelining.ts).
 *
 * No method has a body parser: a route that takes a body reads it itself (body.ts), which saves the
 * parsing of content types and takes any of them.
 */

import { createServer, maxHeaderSize, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { ClusterError } from '../errors.ts'
import { REQUEST_RECEIVE_MS_MAX, VALUE_BYTES_MAX } from '../limits.ts'
import type { TlsFolder } from '../tls-folder.ts'
import type { Face } from './face.ts'
import { type Guard, guardRoutes } from './guard.ts'
import { KEY_PATH_CHARACTERS_MAX } from './keys.ts'
import { inTurn } from './pipelining.ts'
import { problemHeaders, problemOf, toClusterError, withOutcome } from './problem.ts'
import { createSecureServer } from './secure-server.ts'

const NO_QUERY: Record<string, string> = Object.freeze({})
/** Idle connections stay open longer than those of common balancers and proxies (60 s). */
const KEEP_ALIVE_MS = 72_000
/** How late it may be found out that a request takes too long; by itself Node looks each 30 s. */
const TIMES_CHECK_MS = 5000
const TIMES = {
  keepAliveTimeout: KEEP_ALIVE_MS,
  requestTimeout: REQUEST_RECEIVE_MS_MAX,
  connectionsCheckingInterval: TIMES_CHECK_MS,
} as const
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Who may come in, and how; what is absent lets everybody in, over plain HTTP. */
export type Access = { readonly guard?: Guard | undefined; readonly tls?: TlsFolder | undefined }

export type HttpServerOptions = Access & { readonly face: Face; readonly logger: Logger }

/** Makes the server of one face; routes are registered by the caller. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { face, logger, guard, tls } = options
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
    serverFactory: (listener) =>
      tls === undefined
        ? createServer(TIMES, inTurn(listener))
        : createSecureServer(tls, TIMES, inTurn(listener)),
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
  if (guard !== undefined) guardRoutes(app, guard)
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

/**
 * Bytes that are no HTTP request, or not the rest of one: nobody to hand them to, and a connection
 * to end. While an earlier request is under way this is no answer to that one, and none is given.
 */
function refuseConnection(cause: NodeJS.ErrnoException, socket: Socket): void {
  // Node's own name for the response whose turn it is; its own handler of such bytes looks there.
  const { _httpMessage: current } = socket as { _httpMessage?: ServerResponse | null }
  const answered = current?.headersSent === true || current?.req.complete === true
  // A handshake that failed leaves nothing to answer through.
  const secure = !/^ERR_(SSL|TLS)_/.test(cause.code ?? '')
  if (cause.code === 'ECONNRESET' || !socket.writable || answered || !secure) {
    socket.destroy(cause)
    return
  }
  const error = withOutcome(refusalOfBytes(cause), 'not-applied')
  const body = JSON.stringify(problemOf(error))
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  const fields = problemHeaders(error)
  for (let at = 0; at < fields.length; at += 2) head.push(`${fields[at]}: ${fields[at + 1]}`)
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function refusalOfBytes(cause: NodeJS.ErrnoException): ClusterError {
  if (cause.code === 'HPE_HEADER_OVERFLOW') {
    const message = `the request line and header have at most ${maxHeaderSize} bytes together`
    return new ClusterError('header-too-large', message, { cause })
  }
  if (cause.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const message = `the whole request must come within ${REQUEST_RECEIVE_MS_MAX} ms`
    return new ClusterError('request-timeout', message, { cause })
  }
  return new ClusterError('bad-request', cause.code ?? 'not HTTP', { cause })
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
