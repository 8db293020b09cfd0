/**
 * The peer port: links from replicas and API servers, and snapshots. Everything else is a 404.
 *
 * The order of the checks is fixed: certificate (with TLS), secret, shape of the headers, cluster,
 * ordinal meant, then what the replica itself knows (removed incarnations). Nothing of this replica
 * is told to who does not hold the secret.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { FramedLink } from '../../shared/framing.ts'
import { LINK_LINGER_MS_MAX, PEER_CONNECTIONS_MAX } from '../../shared/limits.ts'
import type { Link, LinkIdentity } from '../../shared/link.ts'
import {
  checkCaller,
  identityFrom,
  identityHeaders,
  LINK_PATH,
  LINK_PROTOCOL,
  problemBytes,
  problemOf,
  responseHead,
  SNAPSHOT_PATH,
  TARGET_HEADER,
} from './identity.ts'
import type { PeerTls } from './peer-tls.ts'
import type { PeerSecret } from './secret.ts'

export type PeerServerHandlers = {
  /** Who this replica is. */
  identity(): LinkIdentity
  onLink(link: Link, remote: LinkIdentity): void
  /** Resolves when the snapshot is stored; a rejection with a `ClusterError` is told. */
  onSnapshot(body: IncomingMessage, remote: LinkIdentity): Promise<void>
}

export type PeerServerOptions = {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly secret: PeerSecret
  /** undefined: plain HTTP. */
  readonly tls?: PeerTls | undefined
  readonly clock?: Clock
}

const TIMES = { keepAliveTimeout: 1000, requestTimeout: 0 } as const

/** The HTTP server of the peer port. */
export class PeerServer {
  readonly #options: PeerServerOptions
  readonly #server: Server
  #handlers: PeerServerHandlers | undefined
  readonly #clock: Clock
  /** With TLS: all connections. The HTTP server does not know of those in their handshake. */
  readonly #sockets = new Set<Socket>()
  /** After an upgrade the HTTP server no longer counts a socket, and cannot close it. */
  readonly #upgraded = new Map<Duplex, FramedLink | undefined>()

  constructor(options: PeerServerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const { tls } = options
    this.#server = tls === undefined ? createServer(TIMES) : tls.createServer(TIMES)
    if (tls !== undefined) {
      this.#server.on('connection', (socket: Socket) => {
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
      })
    }
    this.#server.headersTimeout = 5000
    this.#server.maxConnections = PEER_CONNECTIONS_MAX
    this.#server.on('request', (request, response) => this.#request(request, response))
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
  }

  /** Binds the port. Rejects with `port-in-use`, or `invalid-config` for another reason. */
  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        resolve()
      })
    }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE') {
        const message = `the peer port ${host}:${port} is in use by another process`
        throw new ClusterError('port-in-use', message, { cause })
      }
      const message = `the peer port ${host}:${port} cannot be opened: ${cause.message}`
      throw new ClusterError('invalid-config', message, { cause })
    })
    const address = this.#server.address() as AddressInfo
    return { host: address.address, port: address.port }
  }

  /** Until then whoever comes is told to come again. */
  serve(handlers: PeerServerHandlers): void {
    this.#handlers = handlers
  }

  /** Closes the port and all links accepted here; what is queued on them has a while to leave. */
  async close(): Promise<void> {
    this.#handlers = undefined
    for (const link of this.#upgraded.values()) link?.close()
    const timer = this.#clock.after(2 * LINK_LINGER_MS_MAX, () => {
      for (const socket of [...this.#upgraded.keys(), ...this.#sockets]) socket.destroy()
    })
    if (this.#server.listening) {
      const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
      this.#server.closeAllConnections()
      await closed
    }
    timer.cancel()
  }

  /** Checks who asks. Throws what they are to be told. */
  #admit(request: IncomingMessage): {
    handlers: PeerServerHandlers
    own: LinkIdentity
    remote: LinkIdentity
  } {
    const handlers = this.#handlers
    if (handlers === undefined) throw new ClusterError('shutting-down', 'not serving peers now')
    if (!this.#options.secret.accepts(request.headers.authorization)) {
      throw new ClusterError('unauthorized', 'the shared secret is missing or wrong')
    }
    const own = handlers.identity()
    const remote = identityFrom(request.headers)
    checkCaller(own, remote, String(request.headers[TARGET_HEADER]))
    return { handlers, own, remote }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until a link owns the socket, an error of it is the end of it and of nothing else.
    socket.on('error', () => socket.destroy())
    this.#upgraded.set(socket, undefined)
    socket.once('close', () => this.#upgraded.delete(socket))
    try {
      this.#options.tls?.admit(request.socket)
      if (request.url !== LINK_PATH || request.headers.upgrade !== LINK_PROTOCOL) {
        throw new ClusterError('no-such-route', `nothing to upgrade to at ${request.url}`)
      }
      const { handlers, own, remote } = this.#admit(request)
      const headers = {
        connection: 'Upgrade',
        upgrade: LINK_PROTOCOL,
        ...identityHeaders(own),
      }
      socket.write(responseHead(101, headers))
      if (head.length > 0) socket.unshift(head)
      const link = new FramedLink(socket, { clock: this.#clock })
      this.#upgraded.set(socket, link)
      handlers.onLink(link, remote)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      socket.resume()
      socket.end(problemBytes(error), () => socket.destroy())
    }
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    this.#answer(request).then(
      () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
      (error: unknown) => {
        if (!(error instanceof ClusterError)) throw error
        const { status, headers, body } = problemOf(error)
        response.writeHead(status, headers).end(body)
        // What is still being sent is thrown away for a while: a reset could overtake the answer.
        request.resume()
        const timer = this.#clock.after(LINK_LINGER_MS_MAX, () => request.destroy())
        request.once('close', () => timer.cancel())
      },
    )
  }

  async #answer(request: IncomingMessage): Promise<void> {
    this.#options.tls?.admit(request.socket)
    if (request.url !== SNAPSHOT_PATH) {
      throw new ClusterError('no-such-route', `there is nothing at ${request.url}`)
    }
    if (request.method !== 'POST') throw new ClusterError('method-not-allowed', 'only POST')
    const { handlers, remote } = this.#admit(request)
    await handlers.onSnapshot(request, remote)
  }
}
