/**
 * Where the kernel does not spread connections by itself, this proxy stands in for kube-proxy: each
 * new connection goes to one of the API servers that are ready, chosen at random, and stays there.
 * It copies bytes and looks at none of them. With no server ready a connection is reset, as
 * kube-proxy rejects it.
 */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { BALANCER_CONNECTIONS_MAX } from '../shared/limits.ts'
import { LOOPBACK } from './free-ports.ts'

/** Carries bytes one way, the end of the stream too; a broken source breaks its target. */
function carry(source: Socket, target: Socket): void {
  source.pipe(target)
  source.on('error', () => target.destroy())
  // A source that ended properly leaves its target time to write what it still holds.
  source.on('close', () => {
    if (!source.readableEnded) target.destroy()
  })
}

export class Balancer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #targets: () => readonly number[]

  /** @param targets the ports, on loopback, of the servers that are ready now. */
  constructor(targets: () => readonly number[]) {
    this.#targets = targets
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#accept(client),
    )
    this.#server.maxConnections = BALANCER_CONNECTIONS_MAX
  }

  /** Listens on loopback; 0 takes a free port. Resolves to the port. */
  async listen(port: number): Promise<number> {
    this.#server.listen({ host: LOOPBACK, port })
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    this.#sockets.add(client)
    client.on('close', () => this.#sockets.delete(client))
    // Until a server is found an error only ends the attempt; `carry` adds its own handler.
    client.on('error', () => client.destroy())
    this.#connect(client, [...this.#targets()])
  }

  /** Tries servers in random order: one that has just died must not cost a request. */
  #connect(client: Socket, candidates: number[]): void {
    const [port] = candidates.splice(Math.floor(Math.random() * candidates.length), 1)
    if (port === undefined || client.destroyed) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ host: LOOPBACK, port, allowHalfOpen: true, noDelay: true })
    const onFailure = () => this.#connect(client, candidates)
    server.once('error', onFailure)
    server.once('connect', () => {
      server.off('error', onFailure)
      carry(client, server)
      carry(server, client)
    })
  }
}
