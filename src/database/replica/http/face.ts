/**
 * The replica's client port: the same `/v1` reads as the API tier, from its own state; writes,
 * once and without a session while it leads, else told where the leader is (421); and the one
 * dangerous route, `bootstrap --force`, which takes the peers' secret.
 */

import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Clock } from '../../../shared/clock.ts'
import { ClusterError } from '../../../shared/errors.ts'
import { Face } from '../../../shared/http/face.ts'
import { registerReadRoutes } from '../../../shared/http/read-routes.ts'
import type { Reader } from '../../../shared/http/reader.ts'
import { type Access, createHttpServer, refuseOtherMethods } from '../../../shared/http/server.ts'
import { registerWriteRoutes } from '../../../shared/http/write-routes.ts'
import type { WriteTaker } from '../../../shared/http/write-taker.ts'
import type { Replica } from '../replica.ts'
import { LocalReader } from './local-reader.ts'
import { LocalWriter } from './local-writer.ts'

const KEY_ROUTES = ['/v1/kv/*', '/v1/key'] as const
/** The process ends this long after it answered that it formed a new cluster. */
const RESTART_AFTER_MS = 200

export type ReplicaFaceOptions = {
  readonly replica: Replica
  readonly name: string
  readonly logger: Logger
  readonly clock: Clock
  /** Who may come in, and how. */
  readonly access: Access
  /** Does this `Authorization` header hold the peers' secret? */
  readonly secret: { accepts(authorization: string | undefined): boolean }
  /** Ends the process, so that it starts again from its changed disk. */
  readonly restart: () => void
  /** What breaks this face on purpose; where nothing may, reader and writer come back as given. */
  readonly faults: {
    register(app: FastifyInstance, face: Face): void
    reader(inner: Reader): Reader
    writer(inner: WriteTaker): WriteTaker
  }
}

/** The Fastify instance, not yet listening. */
export function createReplicaFace(options: ReplicaFaceOptions): FastifyInstance {
  const { replica, name, logger, faults } = options
  const face = new Face({ name, revision: () => replica.loop?.revision ?? 0 })
  const app = createHttpServer({ face, logger, ...options.access })
  registerReadRoutes(app, { face, reader: faults.reader(new LocalReader(replica, name)) })
  const writer = new LocalWriter({
    name,
    clock: options.clock,
    loop: () => replica.loop,
    leader: () => replica.views.cluster().leader?.name,
    history: () => replica.views.status().history,
    missing: () => replica.views.missing(),
    notInCluster: () => replica.views.notInCluster(),
  })
  registerWriteRoutes(app, { face, writer: faults.writer(writer), admission: writer })
  faults.register(app, face)
  registerBootstrap(app, face, options)
  for (const url of KEY_ROUTES) {
    refuseOtherMethods(app, face, { url, allowed: ['GET', 'HEAD', 'PUT', 'DELETE'] })
  }
  // PUT and DELETE without a key are answered by a clearer refusal of their own.
  refuseOtherMethods(app, face, {
    url: '/v1/kv',
    allowed: ['GET', 'HEAD'],
    except: ['PUT', 'DELETE'],
  })
  for (const url of ['/v1/cluster', '/v1/whoami']) {
    refuseOtherMethods(app, face, { url, allowed: ['GET', 'HEAD'] })
  }
  return app
}

function registerBootstrap(app: FastifyInstance, face: Face, options: ReplicaFaceOptions): void {
  const route = face.route('POST', '/v1/bootstrap')
  app.route({
    method: 'POST',
    url: '/v1/bootstrap',
    handler: async (request, reply) => {
      if (!options.secret.accepts(request.headers.authorization)) {
        throw new ClusterError('unauthorized', 'forming a cluster takes the peers’ shared secret')
      }
      if (new URL(request.url, 'http://replica').searchParams.get('force') !== 'true') {
        throw new ClusterError(
          'bad-request',
          'this gives up what only other replicas hold: ?force=true',
        )
      }
      const { clusterId, history } = await options.replica.forceBootstrap()
      const document = { clusterId, history, restarting: true }
      face.json(reply, route, { status: 200, headers: [], document })
      setTimeout(options.restart, RESTART_AFTER_MS)
      return reply
    },
  })
}
