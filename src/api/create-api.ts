/**
 * One API server, put together: stateless, so that it may die at any moment and nothing is lost.
 *
 *   client ──HTTP──► routes ──► Writer / KeyReads ──frames──► ReplicaPool ──links──► replicas
 *                      ▲              │ callbacks, per command │
 *                      └──────────────┴────────── replies ─────┘
 *
 * It owns no port: the caller listens, to the clients' routes and to the probes alone.
 */

import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Clock } from '../shared/clock.ts'
import { Admission } from '../shared/http/admission.ts'
import { Face } from '../shared/http/face.ts'
import { registerReadRoutes } from '../shared/http/read-routes.ts'
import { type Access, createHttpServer, refuseOtherMethods } from '../shared/http/server.ts'
import { registerWriteRoutes } from '../shared/http/write-routes.ts'
import { API_BYTES_MAX, API_HEARD_MS_MAX, API_REQUESTS_MAX } from '../shared/limits.ts'
import type { Dialer, Discovery } from '../shared/link.ts'
import type { KeyReads } from './key-reads.ts'
import { type ApiMetrics, createMetrics } from './metrics.ts'
import type { ReplicaPool } from './replica-pool.ts'
import type { ReplicaQueries } from './replica-queries.ts'
import { ReplicaReader } from './replica-reader.ts'
import { type Readiness, registerProbeRoutes } from './routes/probes.ts'
import { closeTier, createTier } from './tier.ts'
import type { Writer } from './writer.ts'

/** Answers under way have this long once nothing new is accepted. */
const CLOSE_MS_MAX = 10_000
const CLOSE_LOOK_MS = 20

export type ApiOptions = {
  /** `api-0`, for Ordinal-Served-By. */
  readonly name: string
  readonly clusterName: string
  readonly dialer: Dialer
  readonly discovery: Discovery
  readonly clock: Clock
  readonly logger: Logger
  /** Who may come to the client port, and how; absent: everybody, over plain HTTP. */
  readonly access?: Access
  /** Adds figures of the process to /metrics; at most one server of a process may. */
  readonly processMetrics?: boolean
  /** How to run something after the events at hand; setImmediate unless said otherwise. */
  readonly defer?: (run: () => void) => void
}

export type Api = {
  /** All client routes; not listening yet. */
  readonly app: FastifyInstance
  /** The probes alone, for a port of their own; not listening yet. */
  readonly probes: FastifyInstance
  ready(): Readiness
  /**
   * Not ready from now on, still serving for `delay_ms` (in its second half asking clients to
   * connect anew, to another server by then); resolves when it is time to `close`.
   */
  drain(delay_ms: number): Promise<void>
  /** Takes no more connections, answers what is in flight (10 s), then lets go of the replicas. */
  close(): Promise<void>
}

type Parts = {
  readonly face: Face
  readonly admission: Admission
  readonly pool: ReplicaPool
  readonly writer: Writer
  readonly reads: KeyReads
  readonly queries: ReplicaQueries
  readonly metrics: ApiMetrics
}

/** Builds an API server and starts to look for its replicas. */
export function createApi(options: ApiOptions): Api {
  const { name, clusterName, clock, logger } = options
  const parts = assemble(options)
  const { face, admission, pool, writer, reads, queries, metrics } = parts
  const reader = new ReplicaReader({ name, clusterName, pool, reads, queries, admission, clock })
  const app = createHttpServer({ face, logger, ...options.access })
  registerReadRoutes(app, { face, reader })
  registerWriteRoutes(app, { face, writer, admission })
  refuseUnknownMethods(app, face)
  const probes = createHttpServer({ face, logger })

  let stopping = false
  const ready = (): Readiness => {
    if (stopping) return { ready: false, reason: 'stopping' }
    const heard = clock.now_ms() - pool.heard_ms <= API_HEARD_MS_MAX
    return heard
      ? { ready: true, reason: 'ok' }
      : { ready: false, reason: 'no replica was heard in the last 10 s' }
  }
  const pause = (delay_ms: number): Promise<void> =>
    new Promise((resolve) => clock.after(delay_ms, resolve))
  for (const server of [app, probes]) {
    registerProbeRoutes(server, { face, readiness: ready, registry: metrics.registry })
  }
  pool.start()
  return {
    app,
    probes,
    ready,
    drain: async (delay_ms) => {
      stopping = true
      await pause(delay_ms / 2)
      face.closing = true
      await pause(delay_ms / 2)
    },
    close: async () => {
      stopping = true
      face.closing = true
      const left_ms = clock.now_ms() + CLOSE_MS_MAX
      await app.close()
      // Connections that another listener handed in are not the framework's to wait for.
      while (admission.requests > 0 && clock.now_ms() < left_ms) await pause(CLOSE_LOOK_MS)
      closeTier(parts)
    },
  }
}

/** The parts behind the routes. */
function assemble(options: ApiOptions): Parts {
  const { name } = options
  const admission = new Admission({ requests_max: API_REQUESTS_MAX, bytes_max: API_BYTES_MAX })
  const face: Face = new Face({ name, revision: () => tier.pool.revision })
  const metrics = createMetrics(
    {
      face,
      admission,
      waitingWrites: () => tier.writer.waiting,
      pendingReads: () => tier.reads.pending,
      session: () => tier.writer.session?.id ?? 0,
      replicas: () => tier.pool.replicas.length,
    },
    options.processMetrics ?? false,
  )
  const defer = options.defer ?? ((run: () => void) => void setImmediate(run))
  const meters = { writes: metrics.writes, reads: metrics.reads }
  const tier = createTier({ ...options, defer, meters })
  return { face, admission, ...tier, metrics }
}

const READ = ['GET', 'HEAD']

function refuseUnknownMethods(app: FastifyInstance, face: Face): void {
  const values = [...READ, 'PUT', 'DELETE']
  refuseOtherMethods(app, face, { url: '/v1/kv/*', allowed: values })
  refuseOtherMethods(app, face, { url: '/v1/key', allowed: values })
  // PUT and DELETE without a key are answered by a clearer refusal of their own.
  refuseOtherMethods(app, face, { url: '/v1/kv', allowed: READ, except: ['PUT', 'DELETE'] })
  refuseOtherMethods(app, face, { url: '/v1/cluster', allowed: READ })
  refuseOtherMethods(app, face, { url: '/v1/whoami', allowed: READ })
}
