/**
 * The replica's metrics port: probes for a kubelet, figures for Prometheus, `/status` for people,
 * and `/prestop`, which answers when this replica may be stopped. Plain HTTP, no secrets.
 */

import type { FastifyInstance, FastifyPluginAsync, RouteHandler } from 'fastify'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { Face } from '../../../shared/http/face.ts'
import { createHttpServer } from '../../../shared/http/server.ts'
import type { Readiness } from '../readiness.ts'
import type { Replica } from '../replica.ts'
import type { StopGuard } from '../stop-guard.ts'

export type ReplicaProbesOptions = {
  readonly replica: Replica
  readonly readiness: Readiness
  readonly registry: Registry
  /** The active faults; undefined: they are switched off. */
  readonly faults?: (() => unknown) | undefined
  /** How long the latest batches took. */
  readonly disk?: () => unknown
}

/** The metrics port's server, not yet listening. */
export async function createProbeServer(
  options: ReplicaProbesOptions & {
    readonly name: string
    readonly logger: Logger
    readonly guard: StopGuard
  },
): Promise<FastifyInstance> {
  const { replica, name, logger } = options
  const face = new Face({ name, revision: () => replica.loop?.revision ?? 0 })
  const app = createHttpServer({ face, logger })
  await app.register(replicaProbes, options)
  // Here alone: who reads data has no say in who stops.
  app.get('/prestop', async (_request, reply) => {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const why = await options.guard.released(gone.signal)
    logger.info({ why }, 'may be stopped')
    return { status: 'ok', reason: why }
  })
  return app
}

/** `/livez /healthz /startupz /readyz /metrics /status`. */
export const replicaProbes: FastifyPluginAsync<ReplicaProbesOptions> = async (app, options) => {
  const { replica, readiness, registry } = options
  const answer = (problem: string | undefined) =>
    problem === undefined ? { status: 'ok' } : { status: 'failed', reason: problem }
  const get = (path: string, handler: RouteHandler) =>
    app.get(path, { exposeHeadRoute: true }, handler)

  for (const path of ['/livez', '/healthz']) {
    get(path, async (_request, reply) => {
      const problem = readiness.notLive()
      return reply.status(problem === undefined ? 200 : 503).send(answer(problem))
    })
  }
  // The disk is open and the peer port listens before this port does.
  get('/startupz', async () => answer(undefined))
  get('/readyz', async (_request, reply) => {
    const problem = readiness.notReady()
    return reply.status(problem === undefined ? 200 : 503).send(answer(problem))
  })
  get('/metrics', async (_request, reply) => {
    const text = await registry.metrics()
    return reply.type(registry.contentType).send(text)
  })
  const { faults, disk } = options
  get('/status', async () => {
    const detail = { ...replica.views.detail(readiness.notReady()), disk: disk?.() }
    return faults === undefined ? detail : { ...detail, faults: faults() }
  })
}
