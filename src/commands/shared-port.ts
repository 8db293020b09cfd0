/**
 * The port that all API servers of one machine share: the kernel spreads new connections over the
 * processes that listen (`SO_REUSEPORT`), as kube-proxy spreads them over Pods. A server that is
 * not ready stops listening there; connections it has are kept.
 */

import { createServer, type Server } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'

const LOOK_EVERY_MS = 100

export type SharedPortOptions = {
  readonly app: FastifyInstance
  readonly host: string
  readonly port: number
  readonly ready: () => boolean
  readonly log: Logger
}

export class SharedPort {
  readonly #options: SharedPortOptions
  readonly #timer: NodeJS.Timeout
  #server: Server | undefined
  #problem = ''

  constructor(options: SharedPortOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
    this.#look()
  }

  #look(): void {
    const ready = this.#options.ready()
    if (ready && this.#server === undefined) this.#listen()
    else if (!ready && this.#server !== undefined) this.#stop()
  }

  #listen(): void {
    const { app, host, port, log } = this.#options
    const server = createServer({ noDelay: true }, (socket) => {
      app.server.emit('connection', socket)
    })
    this.#server = server
    server.on('error', (err) => {
      if (this.#problem !== err.message) log.warn({ err, port }, 'the shared port cannot be opened')
      this.#problem = err.message
      this.#server = undefined
    })
    server.listen({ host, port, reusePort: true })
  }

  #stop(): void {
    this.#server?.close()
    this.#server = undefined
  }

  /** Stops listening there. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#stop()
  }
}
