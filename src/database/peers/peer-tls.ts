/**
 * Mutual TLS between replicas, and from API servers to them: both ends show a certificate of a CA
 * in `ca.crt`, and who dials checks that it names the replica meant: the SRV record's target, else
 * the name that ordinal has by rule, never the address, which tells nothing (DESIGN §7).
 *
 * A caller without a trusted certificate is refused above TLS, with a problem document: below it,
 * both ends would only see a connection that breaks. Nothing is read from the request before.
 */

import type { Server, ServerOptions } from 'node:http'
import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { REFUSAL_NOTE_MS, REFUSALS_NOTED_MAX, TLS_HANDSHAKE_MS_MAX } from '../../shared/limits.ts'
import type { PeerAddress } from '../../shared/link.ts'
import { Seldom } from '../../shared/seldom.ts'
import { tlsFailure, tlsReason } from '../../shared/tls-failure.ts'
import type { TlsFolder } from '../../shared/tls-folder.ts'
import type { PeerLog } from './log.ts'

export type PeerTlsOptions = {
  readonly folder: TlsFolder
  /** The name of the replica with this ordinal, without a trailing dot. */
  readonly nameOf: (ordinal: number) => string
  readonly clock?: Clock
  readonly log?: PeerLog
}

/** TLS of the peer port and of links dialed to others. */
export class PeerTls {
  readonly #folder: TlsFolder
  readonly #nameOf: (ordinal: number) => string
  readonly #clock: Clock
  readonly #log: PeerLog | undefined
  readonly #seldom: Seldom
  /** Who was refused lately → when, by the monotonic clock. */
  readonly #refusals = new Map<string, number>()

  constructor(options: PeerTlsOptions) {
    this.#folder = options.folder
    this.#nameOf = options.nameOf
    this.#clock = options.clock ?? systemClock
    this.#log = options.log
    this.#seldom = new Seldom(this.#clock)
  }

  /** How to dial this replica now. */
  connectTo(target: PeerAddress): { secureContext: SecureContext; servername: string } {
    const servername = target.name ?? this.#nameOf(target.ordinal)
    return { secureContext: this.#folder.material.context, servername }
  }

  /** A server that asks for certificates; its caller must `admit` who comes. */
  createServer(options: ServerOptions): Server {
    const server = createServer({
      ...options,
      ...this.#own(),
      handshakeTimeout: TLS_HANDSHAKE_MS_MAX,
      requestCert: true,
      rejectUnauthorized: false,
    })
    const stop = this.#folder.onChange(() => server.setSecureContext(this.#own()))
    server.once('close', stop)
    server.on('tlsClientError', (error, socket) => {
      // One that merely went away (a port scan, a balancer's check) says nothing about TLS.
      const why = tlsFailure(error)
      if (why !== undefined) this.#note(socket.remoteAddress, why)
    })
    // The same methods and events; only its type knows of no relation.
    return server as unknown as Server
  }

  /** Throws `tls-refused` unless who is at the other end showed a trusted certificate. */
  admit(socket: Socket): void {
    const secure = socket instanceof TLSSocket ? socket : undefined
    if (secure?.authorized === true) return
    const shown = secure?.getPeerX509Certificate() !== undefined
    const reason = String(secure?.authorizationError)
    const why = shown ? (tlsReason(reason) ?? reason) : 'it showed no certificate'
    this.#note(socket.remoteAddress, why)
    throw new ClusterError('tls-refused', `the caller is not trusted: ${why}`)
  }

  /** A line for each caller refused lately, and for what is wrong with the own files. */
  notes(): string[] {
    this.#forget()
    return [...this.#folder.notes(), ...this.#refusals.keys()]
  }

  #own(): { cert: string; key: string; ca: string } {
    const { cert, key, ca } = this.#folder.material
    return { cert, key, ca }
  }

  #note(address: string | undefined, why: string): void {
    const from = address ?? 'somebody'
    if (this.#seldom.due(`${from} ${why}`)) {
      this.#log?.warn(
        { from, code: 'tls-refused' },
        `a caller at the peer port was refused: ${why}`,
      )
    }
    const note = `tls-refused: ${from} came to the peer port, and ${why}`
    this.#forget()
    if (this.#refusals.size >= REFUSALS_NOTED_MAX && !this.#refusals.has(note)) return
    this.#refusals.set(note, this.#clock.now_ms())
  }

  #forget(): void {
    const now_ms = this.#clock.now_ms()
    for (const [note, at_ms] of this.#refusals) {
      if (now_ms - at_ms > REFUSAL_NOTE_MS) this.#refusals.delete(note)
    }
  }
}
