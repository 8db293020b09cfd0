/**
 * The control API of a local cluster, on loopback only:
 *
 *     GET  /processes                                  what runs, where, since when
 *     POST /processes/<name>/kill                      SIGKILL; it is started again
 *     POST /processes/<name>/pause?for=10s             SIGSTOP, then SIGCONT
 *     POST /processes/<name>/resume                    SIGCONT now
 *     POST /processes/<name>/restart                   SIGTERM, then a start at once
 *     POST /processes/<name>/stop, /start              SIGTERM and stay down; start now
 *     GET, POST, DELETE /processes/<name>/faults/…     handed on to that replica (docs/break-it.md)
 *
 * `<name>` may be `leader`. Pages of other sites cannot use it: a browser's request is taken only
 * if both the page and the address it asked for are on loopback (DNS rebinding changes the latter).
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseDuration } from '../shared/duration.ts'
import { ClusterError, type ErrorCode } from '../shared/errors.ts'
import { CHILD_PAUSE_MS_MAX } from '../shared/limits.ts'
import { GRACE_MS, type LocalCluster } from './cluster.ts'
import { LOOPBACK } from './free-ports.ts'
import { probe } from './probe.ts'

const LOOPBACK_NAMES = new Set(['127.0.0.1', 'localhost', '[::1]'])
const PAUSE_MS = 10_000
/** A replica that does not answer within this time is down or paused. */
const FAULT_MS_MAX = 2000

const ACTIONS = ['kill', 'pause', 'resume', 'restart', 'stop', 'start'] as const
/** What can be done to a child, from the keyboard and over HTTP alike. */
export type ChildAction = (typeof ACTIONS)[number]

/**
 * Does `action` to a child, or to the leader where `name` is `leader`. Does not wait until a child
 * that is to stop has stopped. Fails with `not-found`.
 */
export function act(
  cluster: LocalCluster,
  name: string,
  action: ChildAction,
  pause_ms = PAUSE_MS,
): void {
  const target = nameOf(cluster, name)
  const child = cluster.child(target)
  const actions: Readonly<Record<ChildAction, () => void>> = {
    kill: () => child.kill(),
    pause: () => child.pause(pause_ms),
    resume: () => child.resume(),
    restart: () => void child.restart(GRACE_MS),
    stop: () => void cluster.stopChild(target),
    start: () => cluster.start(target),
  }
  actions[action]()
}

function nameOf(cluster: LocalCluster, name: string): string {
  const target = name === 'leader' ? cluster.leader : name
  if (target === undefined) throw new ClusterError('not-found', 'no leader is known')
  return target
}

function isLoopback(authority: string): boolean {
  return LOOPBACK_NAMES.has(authority.replace(/:\d+$/, ''))
}

function refuseForeigners(request: IncomingMessage): void {
  const { host = '', origin } = request.headers
  const page = origin === undefined ? undefined : origin.replace(/^https?:\/\//, '')
  if (isLoopback(host) && (page === undefined || isLoopback(page))) return
  throw new ClusterError('unauthorized', 'only pages and programs of this machine may do this')
}

/** The URL of a request target in origin-form or absolute-form (RFC 9112 §3.2). */
function urlOf(target: string): URL {
  const url = URL.parse(target.startsWith('/') ? `http://${LOOPBACK}${target}` : target)
  if (url === null) throw new ClusterError('bad-request', `"${target}" is no request target`)
  return url
}

function pauseLength(url: URL): number {
  const text = url.searchParams.get('for') ?? `${PAUSE_MS}ms`
  const pause_ms = parseDuration(text)
  if (pause_ms === undefined || pause_ms <= 0 || pause_ms > CHILD_PAUSE_MS_MAX) {
    throw new ClusterError('bad-request', `"${text}" is no pause; write for=10s, at most 10m`)
  }
  return pause_ms
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const isProblem = status >= 400
  response.writeHead(status, {
    'content-type': isProblem ? 'application/problem+json' : 'application/json',
    'cache-control': 'no-store',
  })
  response.end(`${JSON.stringify(body, undefined, 2)}\n`)
}

/** A failure of any kind is an answer: this process holds the whole cluster, and goes on. */
function problem(error: unknown): { status: number; code: ErrorCode; detail: string } {
  if (!(error instanceof ClusterError)) {
    return { status: 500, code: 'internal', detail: String(error) }
  }
  return { status: error.status, code: error.code, detail: error.message }
}

export class Control {
  readonly #cluster: LocalCluster
  readonly #server: Server

  constructor(cluster: LocalCluster) {
    this.#cluster = cluster
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  /** Listens on loopback; 0 takes a free port. Resolves to the URL. */
  async listen(port: number): Promise<string> {
    this.#server.listen({ host: LOOPBACK, port })
    await once(this.#server, 'listening')
    return `http://${LOOPBACK}:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume()
    try {
      refuseForeigners(request)
      const { origin } = request.headers
      if (origin !== undefined) {
        response.setHeader('access-control-allow-origin', origin)
        response.setHeader('vary', 'origin')
      }
      this.#route(request, response)
    } catch (error) {
      const { status, ...rest } = problem(error)
      answer(response, status, { status, ...rest })
    }
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const url = urlOf(request.url ?? '/')
    const [root, name, action, ...more] = url.pathname.split('/').slice(1)
    if (root === 'processes' && name !== undefined && action === 'faults') {
      const path = `/${[action, ...more].join('/')}${url.search}`
      void this.#press(name, { method: request.method ?? 'GET', path }, response)
      return
    }
    if (root !== 'processes' || more.length > 0) {
      throw new ClusterError('no-such-route', `there is no ${url.pathname}`)
    }
    if (name === undefined) {
      if (request.method !== 'GET') throw new ClusterError('method-not-allowed', 'only GET')
      answer(response, 200, this.#cluster.view())
      return
    }
    const known = ACTIONS.find((one) => one === action)
    if (known === undefined) {
      throw new ClusterError('no-such-route', `actions are ${ACTIONS.join(', ')}`)
    }
    if (request.method !== 'POST') throw new ClusterError('method-not-allowed', 'only POST')
    act(this.#cluster, name, known, pauseLength(url))
    answer(response, 202, this.#cluster.view())
  }

  /** Hands a request for faults on to the replica; its answer is this one's. Never rejects. */
  async #press(
    name: string,
    { method, path }: { method: string; path: string },
    response: ServerResponse,
  ): Promise<void> {
    try {
      const { plan } = this.#cluster.child(nameOf(this.#cluster, name))
      const said = await probe(plan.ports.client, path, FAULT_MS_MAX, method)
      if (said === undefined) throw new ClusterError('no-replica', `${plan.name} does not answer`)
      answer(response, said.status, JSON.parse(said.body))
    } catch (error) {
      const { status, ...rest } = problem(error)
      answer(response, status, { status, ...rest })
    }
  }
}
