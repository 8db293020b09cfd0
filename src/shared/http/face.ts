/**
 * How a server of ours answers: each answer carries `Ordinal-Revision` and `Ordinal-Served-By`, is
 * counted by route and status, and asks for a new connection while the server drains.
 *
 * Answers are written to Node's response as one flat list of fields and one body, past the
 * framework's reply: on the hot path (DESIGN §12) that is the difference of several microseconds.
 */

import type { FastifyReply } from 'fastify'
import type { ClusterError } from '../errors.ts'
import { problemHeaders, problemOf } from './problem.ts'
import type { AnswerSource } from './reader.ts'

/** Counts the answers of one route. */
export class RouteCount {
  readonly method: string
  readonly path: string
  readonly byStatus = new Map<number, number>()

  constructor(method: string, path: string) {
    this.method = method
    this.path = path
  }

  add(status: number): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1)
  }
}

/** The answering side of one server. */
export class Face {
  readonly #name: string
  readonly #revision: () => number
  readonly #routes = new Map<string, RouteCount>()
  /** While true, answers say `Connection: close`, so that clients move to another server. */
  closing = false

  /** @param revision the highest revision known, for answers that no state gave. */
  constructor(options: { name: string; revision: () => number }) {
    this.#name = options.name
    this.#revision = options.revision
  }

  get routes(): Iterable<RouteCount> {
    return this.#routes.values()
  }

  /** The counter of a route, made when first asked for. */
  route(method: string, path: string): RouteCount {
    const name = `${method} ${path}`
    let route = this.#routes.get(name)
    if (route === undefined) {
      route = new RouteCount(method, path)
      this.#routes.set(name, route)
    }
    return route
  }

  /**
   * Writes one whole answer. `headers` is a flat list and is taken over. An answer to a client that
   * has gone is dropped.
   */
  send(
    reply: FastifyReply,
    route: RouteCount,
    answer: { status: number; headers: string[]; body: string | Uint8Array | undefined },
    source?: AnswerSource,
  ): void {
    const { status, headers, body } = answer
    route.add(status)
    const raw = reply.raw
    if (raw.headersSent || raw.destroyed) return
    if (body !== undefined) {
      const size = typeof body === 'string' ? Buffer.byteLength(body) : body.length
      headers.push('Content-Length', String(size))
    }
    headers.push(
      'Ordinal-Revision',
      String(source === undefined ? this.#revision() : source.revision),
      'Ordinal-Served-By',
      source === undefined ? this.#name : source.servedBy,
    )
    if (this.closing) headers.push('Connection', 'close')
    raw.writeHead(status, headers)
    raw.end(body)
  }

  /** Answers a JSON document. */
  json(
    reply: FastifyReply,
    route: RouteCount,
    answer: { status: number; headers: string[]; document: unknown },
    source?: AnswerSource,
  ): void {
    const headers = answer.headers
    headers.push('Content-Type', 'application/json; charset=utf-8')
    this.send(
      reply,
      route,
      { status: answer.status, headers, body: JSON.stringify(answer.document) },
      source,
    )
  }

  /** Answers a problem document. */
  problem(
    reply: FastifyReply,
    route: RouteCount,
    error: ClusterError,
    source?: AnswerSource,
  ): void {
    this.send(
      reply,
      route,
      {
        status: error.status,
        headers: problemHeaders(error),
        body: JSON.stringify(problemOf(error)),
      },
      source,
    )
  }
}
