/**
 * Who may come to a client port. Where tokens are configured every route asks for one: `/v1`,
 * `/faults`, and also `/status` and `/metrics`, which tell names, addresses and figures to whoever
 * a load balancer lets in; both are open on the metrics port, which nobody exposes. Open here are
 * the probes alone, which say no more than "ok" (etcd and podinfo leave `/health` and `/healthz`
 * open, too). What is not there is refused before it is missed, so that nothing can be found out.
 */

import type { FastifyInstance } from 'fastify'
import { ClusterError } from '../errors.ts'

/** Routes that answer everybody. */
const OPEN_PATHS = ['/livez', '/healthz', '/readyz', '/startupz'] as const

export type Guard = {
  /** Does this `Authorization` header hold a token? */
  accepts(authorization: string | undefined): boolean
  /** Routes with a check of their own, which ask for something else in this header. */
  readonly except: readonly string[]
}

/** Refuses (401 `unauthorized`) who shows no token. To be called before routes are registered. */
export function guardRoutes(app: FastifyInstance, guard: Guard): void {
  const open = new Set<string>([...OPEN_PATHS, ...guard.except])
  app.addHook('onRequest', (request, _reply, done) => {
    const { authorization } = request.headers
    if (guard.accepts(authorization) || open.has(request.routeOptions.url ?? '')) {
      done()
      return
    }
    const detail = authorization === undefined ? 'a token is needed' : 'this token is not accepted'
    done(new ClusterError('unauthorized', `${detail}: Authorization: Bearer <token>`))
  })
}
