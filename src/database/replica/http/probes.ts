/**
 * The replica's metrics port: probes for a kubelet, figures for Prometheus, and `/status` for
 * people. Plain HTTP, no secrets, nothing that changes anything.
 */

import type { FastifyPluginAsync } from 'fastify'
import type { Registry } from 'prom-client'
import type { Readiness } from '../readiness.ts'
import type { Replica } from '../replica.ts'

export type ReplicaProbesOptions = {
  readonly replica: Replica
  readonly readiness: Readiness
  readonly registry: Registry
}

/** `/livez /healthz /startupz /readyz /metrics /status`. */
export const replicaProbes: FastifyPluginAsync<ReplicaProbesOptions> = async (app, options) => {
  const { replica, readiness, registry } = options
  const answer = (problem: string | undefined) =>
    problem === undefined ? { status: 'ok' } : { status: 'failed', reason: problem }

  for (const path of ['/livez', '/healthz']) {
    app.get(path, async (_request, reply) => {
      const problem = readiness.notLive()
      return reply.status(problem === undefined ? 200 : 503).send(answer(problem))
    })
  }
  // The disk is open and the peer port listens before this port does.
  app.get('/startupz', async () => answer(undefined))
  app.get('/readyz', async (_request, reply) => {
    const problem = readiness.notReady()
    return reply.status(problem === undefined ? 200 : 503).send(answer(problem))
  })
  app.get('/metrics', async (_request, reply) => {
    const text = await registry.metrics()
    return reply.type(registry.contentType).send(text)
  })
  app.get('/status', async () => replica.views.detail(readiness.notReady()))
}
