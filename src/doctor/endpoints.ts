/**
 * The Services that clients use: does the name resolve, and does anybody answer behind it? Each is
 * found by its SRV record, which names the port, and asked who it is.
 */

import { ClusterError } from '../shared/errors.ts'
import { about, type Finding } from './finding.ts'
import { documentOf, type HttpGet } from './http-get.ts'

/** A Service as DNS names it. `host` undefined: it has the port, and no address. */
export type ServicePlace = {
  readonly name: string
  readonly host: string | undefined
  readonly port: number
}

export type ServicesOptions = {
  /** `db` of `db-api`, `db-api-lb`, `db-leader`, `db-read`. */
  readonly cluster: string
  /** undefined: there is no such Service. Rejects with `no-replica` when DNS does not answer. */
  readonly find: (service: string) => Promise<ServicePlace | undefined>
  readonly get: HttpGet
  readonly secure: boolean
  readonly token: string | undefined
  /** In a Pod: a missing API Service is worth a word. */
  readonly inCluster: boolean
}

const ROLES = [
  { suffix: 'api', wanted: true },
  { suffix: 'api-lb', wanted: false },
  { suffix: 'leader', wanted: false },
  { suffix: 'read', wanted: false },
] as const

const UNKNOWN = 'DNS knows no such Service'
const AGAIN = 'look again in a minute (DNS caches denials, of a new Service too); if it stays'

type Role = (typeof ROLES)[number]

export async function checkServices(options: ServicesOptions): Promise<readonly Finding[]> {
  return Promise.all(ROLES.map((role) => checkService(options, role)))
}

async function checkService(options: ServicesOptions, role: Role): Promise<Finding> {
  const service = `${options.cluster}-${role.suffix}`
  const finding = about('service', service)
  let place: ServicePlace | undefined
  try {
    place = await options.find(service)
    if (place === undefined) {
      if (!role.wanted || !options.inCluster) return finding.skipped(UNKNOWN)
      const remedy = `kubectl get service ${service}; is ORDINAL_CLUSTER the release's name?`
      return finding.warning(UNKNOWN, `${AGAIN}: ${remedy}`)
    }
    const { host } = place
    if (host !== undefined) return await ask(options, role, { ...place, host })
    // Both come with the Service: the address was asked for before, and denied.
    const text = `DNS is behind: it has the port of ${place.name}, and no address yet`
    return finding.warning(text, `${AGAIN}: kubectl get service ${service}`)
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    if (error.code === 'tls-refused') {
      const remedy = `the certificate has to be for ${place?.name ?? service}, by a CA of ca.crt`
      return finding.failed(error.message, remedy)
    }
    return finding.failed(error.message, emptyRemedy(service, role))
  }
}

function emptyRemedy(service: string, role: Role): string {
  const label = role.suffix === 'leader' ? ': no Pod may carry ordinal.dev/role=leader' : ''
  const slices = `kubectl get endpointslices -l kubernetes.io/service-name=${service}`
  return `has it endpoints? ${slices}${label}`
}

async function ask(
  options: ServicesOptions,
  role: Role,
  place: ServicePlace & { readonly host: string },
): Promise<Finding> {
  const { host, port, name } = place
  const finding = about('service', `${options.cluster}-${role.suffix}`)
  const scheme = options.secure ? 'https' : 'http'
  const at = host.includes(':') ? `[${host}]` : host
  const { token } = options
  const answer = await options.get(`${scheme}://${at}:${port}/v1/whoami`, {
    token,
    servername: name,
  })
  if (answer.status === 401) return finding.failed(`${host}:${port} wants a token`, TOKEN_REMEDY)
  const who = documentOf(answer.body)
  if (answer.status !== 200 || who === undefined) {
    return finding.failed(`${host}:${port} answers ${answer.status}`, 'is that an ordinal Service?')
  }
  const text = `${host}:${port}, ${who['name']} answers`
  if (role.suffix !== 'leader' || who['role'] === 'leader') return finding.ok(text)
  return finding.warning(
    `${text}, which is no leader`,
    'the role label lags: look again in a moment',
  )
}

export const TOKEN_REMEDY =
  'ORDINAL_TOKENS_FILE has to name a file whose first line is a token that is accepted there'
