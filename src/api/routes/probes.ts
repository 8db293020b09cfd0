/**
 * What a kubelet and a Prometheus ask. Ready means: this server has reached *any* replica lately
 * and is not stopping. It never depends on a leader or a quorum, or a lost quorum would empty the
 * Service: clients would meet closed doors instead of stale reads and clear refusals (DESIGN §9).
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import type { Face, RouteCount } from '../../shared/http/face.ts'
import { refuseOtherMethods } from '../../shared/http/server.ts'

export type Readiness = { readonly ready: boolean; readonly reason: string }

export type ProbeContext = {
  readonly face: Face
  readonly readiness: () => Readiness
  readonly registry: Registry
}

/** Registers /livez, /healthz, /startupz, /readyz and /metrics. */
export function registerProbeRoutes(app: FastifyInstance, context: ProbeContext): void {
  const { face, registry } = context
  const tell = (reply: FastifyReply, route: RouteCount, state: { ok: boolean; text: string }) => {
    const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store']
    const body = `${state.text}\n`
    face.send(reply, route, { status: state.ok ? 200 : 503, headers, body })
  }
  const method = ['GET', 'HEAD']
  for (const url of ['/livez', '/healthz', '/startupz']) {
    // That this runs is the proof: it listens and the event loop moves. There is no other state.
    const handler = (request: FastifyRequest, reply: FastifyReply): void => {
      tell(reply, face.route(request.method, url), { ok: true, text: 'ok' })
    }
    app.route({ method, url, handler })
  }
  app.route({
    method,
    url: '/readyz',
    handler: (request, reply) => {
      const { ready: ok, reason } = context.readiness()
      tell(reply, face.route(request.method, '/readyz'), { ok, text: reason })
    },
  })
  app.route({
    method,
    url: '/metrics',
    handler: async (request, reply) => {
      const headers = ['Content-Type', registry.contentType, 'Cache-Control', 'no-store']
      const body = await registry.metrics()
      face.send(reply, face.route(request.method, '/metrics'), { status: 200, headers, body })
      return reply
    },
  })
  for (const url of ['/livez', '/healthz', '/startupz', '/readyz', '/metrics']) {
    refuseOtherMethods(app, face, { url, allowed: method })
  }
}
