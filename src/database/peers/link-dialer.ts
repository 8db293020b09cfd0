/**
 * Opens links: an HTTP Upgrade (RFC 9110 §7.8) through undici, after which the socket carries
 * frames. Replicas dial replicas with it, and API servers too.
 *
 *   GET /peer/v1/link, Upgrade: ordinal-link, Authorization, own identity, ordinal meant
 *   101 with the identity of who answers   |   a problem document with a code
 *
 * undici's own `upgrade()` knows no refusal but "bad upgrade", so the request is dispatched with a
 * handler that reads the problem. Addresses are IP addresses: nothing here may call `dns.lookup`,
 * which shares its threads with the disk (DESIGN §6).
 */

import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { Client, type Dispatcher } from 'undici'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { FramedLink } from '../../shared/framing.ts'
import { PROBLEM_BYTES_MAX } from '../../shared/limits.ts'
import type { Dialer, Link, LinkIdentity, PeerAddress } from '../../shared/link.ts'
import { tlsFailure } from '../../shared/tls-failure.ts'
import {
  checkAnswer,
  errorFrom,
  identityFrom,
  identityHeaders,
  LINK_PATH,
  LINK_PROTOCOL,
  TARGET_HEADER,
} from './identity.ts'
import type { PeerTls } from './peer-tls.ts'
import type { PeerSecret } from './secret.ts'

export type DialerOptions = {
  /** Asked at each dial: the cluster id becomes known later. */
  readonly identity: () => LinkIdentity
  readonly secret: PeerSecret
  /** undefined: plain connections. */
  readonly tls?: PeerTls | undefined
  /** For connecting and the exchange of identities together. */
  readonly timeout_ms: number
  readonly clock?: Clock
}

type Dialed = { readonly link: Link; readonly remote: LinkIdentity }

/** Makes the dialer of this process. Its failures are those of `Dialer.dial`. */
export function createDialer(options: DialerOptions): Dialer {
  return { dial: (target) => dial(options, target) }
}

/** Where to connect to, for undici; throws `no-replica` unless the host is an IP address. */
export function connectionTo(target: PeerAddress, tls: PeerTls | undefined): PeerConnection {
  const family = isIP(target.host)
  if (family === 0) {
    throw new ClusterError('no-replica', `"${target.host}" is no IP address`)
  }
  const place = `${family === 6 ? `[${target.host}]` : target.host}:${target.port}`
  if (tls === undefined) return { origin: `http://${place}`, options: {} }
  return { origin: `https://${place}`, options: { connect: tls.connectTo(target) } }
}

export type PeerConnection = { readonly origin: string; readonly options: Client.Options }

/** A failed connection as what it means here. */
export function failureOf(where: string, cause: Error): ClusterError {
  const refusal = tlsFailure(cause)
  if (refusal !== undefined)
    return new ClusterError('tls-refused', `${where}: ${refusal}`, { cause })
  return new ClusterError('no-replica', `${where}: ${cause.message}`, { cause })
}

/** Runs `attempt` with each secret that may be the right one, until one is not `unauthorized`. */
export async function withSecret<Result>(
  secret: PeerSecret,
  attempt: (headers: Record<string, string>) => Promise<Result>,
): Promise<Result> {
  const [present, previous] = secret.candidates()
  if (present === undefined) return attempt({})
  try {
    return await attempt({ authorization: `Bearer ${present}` })
  } catch (error) {
    const refused = error instanceof ClusterError && error.code === 'unauthorized'
    if (!refused || previous === undefined) throw error
    // The other end may not have reread its file yet.
    return attempt({ authorization: `Bearer ${previous}` })
  }
}

async function dial(options: DialerOptions, target: PeerAddress): Promise<Dialed> {
  return withSecret(options.secret, async (authorization) => {
    const own = options.identity()
    const { socket, headers } = await upgrade(options, target, {
      ...authorization,
      ...identityHeaders(own),
      [TARGET_HEADER]: String(target.ordinal),
    })
    try {
      const remote = identityFrom(headers)
      checkAnswer(own, remote, target.ordinal)
      const clock = options.clock ?? systemClock
      return { link: new FramedLink(socket, { clock }), remote }
    } catch (error) {
      socket.destroy()
      throw error
    }
  })
}

type Upgraded = { socket: Duplex; headers: Record<string, string | string[] | undefined> }

function upgrade(
  options: DialerOptions,
  target: PeerAddress,
  headers: Record<string, string>,
): Promise<Upgraded> {
  const { timeout_ms } = options
  const { origin, options: tls } = connectionTo(target, options.tls)
  const client = new Client(origin, {
    ...tls,
    connectTimeout: timeout_ms,
    headersTimeout: timeout_ms,
    bodyTimeout: timeout_ms,
    pipelining: 1,
    allowH2: false,
  })
  return new Promise<Upgraded>((resolve, reject) => {
    const where = `${target.host}:${target.port}`
    const settle = (error: ClusterError | undefined, upgraded?: Upgraded): void => {
      timer.cancel()
      if (upgraded === undefined) reject(error)
      else resolve(upgraded)
      // After an upgrade the socket is no longer the client's.
      client.destroy().catch(reject)
    }
    const timer = (options.clock ?? systemClock).after(timeout_ms, () => {
      settle(new ClusterError('no-replica', `${where} did not answer within ${timeout_ms} ms`))
    })
    const request = { path: LINK_PATH, method: 'GET', upgrade: LINK_PROTOCOL, headers } as const
    client.dispatch(request, upgradeHandler(where, settle))
  })
}

function upgradeHandler(
  where: string,
  settle: (error: ClusterError | undefined, upgraded?: Upgraded) => void,
): Dispatcher.DispatchHandler {
  let status = 0
  let body = ''
  return {
    // undici insists on it.
    onRequestStart: () => undefined,
    onRequestUpgrade: (_controller, code, headers, socket) => {
      // Until a link owns the socket, an error of it is the end of it and of nothing else.
      socket.on('error', () => socket.destroy())
      if (code === 101) settle(undefined, { socket, headers })
      else settle(new ClusterError('no-replica', `${where} answered ${code}`))
    },
    onResponseStart: (_controller, code) => {
      status = code
    },
    onResponseData: (controller, chunk) => {
      body += chunk.toString('utf8')
      if (body.length > PROBLEM_BYTES_MAX) controller.abort(new Error('the answer is too long'))
    },
    onResponseEnd: () => settle(errorFrom(status, body)),
    onResponseError: (_controller, cause) => {
      settle(failureOf(where, cause))
    },
  }
}
