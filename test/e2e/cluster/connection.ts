/**
 * How this process reaches the API server: what the kubeconfig of the caller says, read by the
 * library that kubectl's plugins use, so that any cluster will do (certificates, tokens, `exec`).
 */

import { lookup } from 'node:dns/promises'
import type { RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import { Agent } from 'undici'
import { allowDialing } from './dial-guard.ts'

export type Connection = {
  /** `https://127.0.0.1:6443`, without a slash at the end. */
  readonly url: string
  readonly dispatcher: Agent
  readonly headers: Readonly<Record<string, string>>
}

const ANSWER_MS_MAX = 90_000

/** What KUBECONFIG names, or `~/.kube/config`. */
export function callersConfig(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromDefault()
  return config
}

/** Rejects when no cluster is named. */
export async function openConnection(): Promise<Connection> {
  const config = callersConfig()
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new Error('no cluster: set KUBECONFIG')
  const options: RequestOptions = {}
  await config.applyToHTTPSOptions(options)
  const { ca, cert, key, rejectUnauthorized } = options
  const url = new URL(cluster.server)
  const { address } = await lookup(url.hostname.replaceAll(/[[\]]/g, ''))
  allowDialing(address, Number(url.port || 443))
  const dispatcher = new Agent({
    headersTimeout: ANSWER_MS_MAX,
    bodyTimeout: ANSWER_MS_MAX,
    connect: {
      ...(ca === undefined ? {} : { ca: ca as Buffer }),
      ...(cert === undefined ? {} : { cert: cert as Buffer }),
      ...(key === undefined ? {} : { key: key as Buffer }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    },
  })
  const headers = (options.headers ?? {}) as Record<string, string>
  return { url: cluster.server.replace(/\/+$/, ''), dispatcher, headers }
}
