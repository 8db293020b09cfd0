/**
 * The wire under the transport, as an interface, and HTTP behind it: the peer port, dialing, and
 * snapshots on their way. A simulator hands in its own network; all that is above it (who is
 * dialed when, what a link may carry, which identity a message is for) stays the real thing.
 */

import type { Clock } from '../../shared/clock.ts'
import { DIAL_TIMEOUT_MS } from '../../shared/limits.ts'
import type { Dialer, Link, LinkIdentity, PeerAddress } from '../../shared/link.ts'
import type { SnapshotHead } from './hello-codec.ts'
import { identityHeaders, TARGET_HEADER } from './identity.ts'
import { connectionTo, createDialer, withSecret } from './link-dialer.ts'
import type { PeerTls } from './peer-tls.ts'
import type { PeerSecret } from './secret.ts'
import { PeerServer } from './server.ts'
import { postSnapshot, readSnapshot, type SnapshotLimits } from './snapshot-stream.ts'

/** A snapshot that came in: its head and its chunks, as they were cut. */
export type ReceivedSnapshot = {
  readonly head: SnapshotHead
  readonly chunks: AsyncIterable<Uint8Array>
}

export type WireHandlers = {
  /** Who this replica is. */
  identity(): LinkIdentity
  onLink(link: Link, remote: LinkIdentity): void
  /**
   * `read` begins to read the stream. Resolves when the snapshot is stored; a rejection with a
   * `ClusterError` is told to the sender.
   */
  onSnapshot(read: () => Promise<ReceivedSnapshot>, remote: LinkIdentity): Promise<void>
}

export type SnapshotPost = ReceivedSnapshot & {
  /** Ends the stream from outside. */
  readonly signal: AbortSignal
}

export interface PeerWire extends Dialer {
  /** Opens the peer port. Rejects with `port-in-use`, `invalid-config`. */
  listen(): Promise<{ host: string; port: number }>
  /** Until then whoever comes is told to come again. */
  serve(handlers: WireHandlers): void
  /** Streams a snapshot. Resolves when it is stored; rejects with a `ClusterError`. */
  sendSnapshot(target: PeerAddress, post: SnapshotPost): Promise<void>
  close(): Promise<void>
}

export type HttpWireOptions = {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly secret: PeerSecret
  readonly tls?: PeerTls | undefined
  readonly clock: Clock
  /** Who dials and sends: asked each time, the cluster id becomes known later. */
  readonly identity: () => LinkIdentity
  readonly dialTimeout_ms?: number
  readonly snapshots?: SnapshotLimits
}

/** The wire of a real replica. */
export function createHttpWire(options: HttpWireOptions): PeerWire {
  const { secret, tls, clock, identity } = options
  const limits = { ...options.snapshots, clock }
  const server = new PeerServer(options)
  const dialer = createDialer({
    identity,
    secret,
    tls,
    timeout_ms: options.dialTimeout_ms ?? DIAL_TIMEOUT_MS,
    clock,
  })
  return {
    dial: (target) => dialer.dial(target),
    listen: () => server.listen(),
    serve: ({ onSnapshot, ...handlers }) => {
      server.serve({
        ...handlers,
        onSnapshot: (body, remote) => onSnapshot(() => readSnapshot(body, limits), remote),
      })
    },
    // A secret is refused before a chunk is looked at, so that the stream can begin again.
    sendSnapshot: (target, post) =>
      withSecret(secret, (authorization) =>
        postSnapshot({
          ...limits,
          ...post,
          ...connectionTo(target, tls),
          headers: {
            ...authorization,
            ...identityHeaders(identity()),
            [TARGET_HEADER]: String(target.ordinal),
          },
        }),
      ),
    close: () => server.close(),
  }
}
