/**
 * The cluster as a client sees it, through one URL of an API server or a replica: for a machine
 * outside, and for `ordinal local`.
 */

import { ClusterError } from '../shared/errors.ts'
import type { ClusterDocument } from '../shared/http/schemas.ts'
import { clockFinding } from './clock.ts'
import { clusterFindings } from './cluster.ts'
import { TOKEN_REMEDY } from './endpoints.ts'
import { about, type Finding } from './finding.ts'
import { documentOf, type HttpGet } from './http-get.ts'

export type UrlOptions = {
  /** `http://localhost:8080` */
  readonly url: string
  readonly get: HttpGet
  readonly token: string | undefined
}

/** Asks who answers, and for the picture of the cluster. */
export async function checkUrl({ url, get, token }: UrlOptions): Promise<readonly Finding[]> {
  const finding = about('url', url)
  try {
    const whoami = await get(new URL('/v1/whoami', url).href, { token })
    if (whoami.status === 401) return [finding.failed('it wants a token', TOKEN_REMEDY)]
    const who = documentOf(whoami.body)
    if (whoami.status !== 200 || typeof who?.['name'] !== 'string') {
      return [finding.failed(`it answers ${whoami.status}`, 'is that the port of an API server?')]
    }
    const name = who['name']
    const findings = [
      finding.ok(`${name} answers, in ${Math.round(whoami.took_ms)} ms`),
      clockFinding(name, whoami),
    ]
    const answer = await get(new URL('/v1/cluster', url).href, { token })
    const document = documentOf(answer.body)
    if (answer.status === 200) {
      return [...findings, ...clusterFindings(document as unknown as ClusterDocument)]
    }
    const detail = `${document?.['code'] ?? answer.status}: ${document?.['detail'] ?? ''}`
    const remedy = 'look at /status of each replica, on its metrics port'
    return [...findings, about('quorum', '-').failed(detail, remedy)]
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    const remedy =
      error.code === 'tls-refused'
        ? 'http or https? ORDINAL_TLS_FOLDER has to name a folder whose ca.crt signed it'
        : 'is anybody listening there? kubectl port-forward, ordinal local'
    return [finding.failed(error.message, remedy)]
  }
}
