/**
 * The replica's client port: the same `/v1` reads as the API tier, from its own state; a write is
 * told where the leader is (421); and the one dangerous route, `bootstrap --force`, which takes the
 * peers' secret.
 */

import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { ClusterError } from '../../../shared/errors.ts'
import { Face } from '../../../shared/http/face.ts'
import { registerReadRoutes } from '../../../shared/http/read-routes.ts'
import { createHttpServer, refuseOtherMethods } from '../../../shared/http/server.ts'
import type { Replica } from '../replica.ts'
import { LocalReader } from './local-reader.ts'

const KEY_ROUTES = ['/v1/kv/*', '/v1/key'] as const
/** The process ends this long after it answered that it formed a new cluster. */
const RESTART_AFTER_MS = 200

export type ReplicaFaceOptions = {
  readonly replica: Replica
  readonly name: string
  readonly logger: Logger
  /** Does this `Authorization` header hold the peers' secret? */
  readonly secret: { accepts(authorization: string | undefined): boolean }
  /** Ends the process, so that it starts again from its changed disk. */
  readonly restart: () => void
}

/** The Fastify instance, not yet listening. */
export function createReplicaFace(options: ReplicaFaceOptions): FastifyInstance {
  const { replica, name, logger } = options
  const face = new Face({ name, revision: () => replica.loop?.revision ?? 0 })
  const app = createHttpServer({ face, logger })
  registerReadRoutes(app, { face, reader: new LocalReader(replica, name) })
  for (const url of KEY_ROUTES) {
    const route = face.route('PUT', url)
    app.route({
      method: ['PUT', 'DELETE'],
      url,
      handler: (_request, reply) => face.problem(reply, route, writeElsewhere(replica, name)),
    })
  }
  registerBootstrap(app, face, options)
  for (const url of KEY_ROUTES) {
    refuseOtherMethods(app, face, { url, allowed: ['GET', 'HEAD', 'PUT', 'DELETE'] })
  }
  for (const url of ['/v1/kv', '/v1/cluster', '/v1/whoami']) {
    refuseOtherMethods(app, face, { url, allowed: ['GET', 'HEAD'] })
  }
  return app
}

/** Writes go through the API tier: it alone can retry one safely (sessions). */
function writeElsewhere(replica: Replica, name: string): ClusterError {
  const leader = replica.views.cluster().leader?.name
  const message =
    leader === name
      ? `${name} leads, and takes writes from the API servers only`
      : leader === undefined
        ? `${name} does not lead, and knows no leader; write to an API server`
        : `${name} does not lead, ${leader} does; write to an API server`
  return new ClusterError('not-leader', message, {
    outcome: 'not-applied',
    details: { leader: leader ?? null },
  })
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
