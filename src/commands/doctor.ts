/**
 * `ordinal doctor`: looks at a cluster from where it is run, in a Pod or on a machine with the same
 * environment, and says what is wrong. With `--url` it asks that server alone.
 *
 * What needs the Kubernetes API comes as further checks, handed in (doctor-kubernetes.ts).
 */

import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createDialer } from '../database/peers/link-dialer.ts'
import { PeerTls } from '../database/peers/peer-tls.ts'
import { PeerSecret } from '../database/peers/secret.ts'
import { contentOf, fileFinding, opened, tlsFindings } from '../doctor/credentials.ts'
import { checkServices } from '../doctor/endpoints.ts'
import { about, allWell, type Check, type Finding } from '../doctor/finding.ts'
import { checkPeers } from '../doctor/peers.ts'
import { jsonOf, textOf } from '../doctor/report.ts'
import { checkUrl } from '../doctor/url.ts'
import { checkOwnVolume } from '../doctor/volume.ts'
import { systemClock } from '../shared/clock.ts'
import { type DoctorConfig, type Environment, readDoctorConfig } from '../shared/config.ts'
import { ClusterError } from '../shared/errors.ts'
import { ClientTokens } from '../shared/http/client-tokens.ts'
import { DIAL_TIMEOUT_MS } from '../shared/limits.ts'
import { TlsFolder } from '../shared/tls-folder.ts'
import { baseOf, discoveryOf } from './access.ts'
import { createHttpGet } from './http-get.ts'

const LOOK_EVERY_MS = 1000

export type DoctorCommand = {
  readonly url?: string
  readonly json: boolean
  /** Looks again until nothing fails, at most so long, ms; absent: looks once. */
  readonly wait?: number
  readonly env: Environment
}

/** What the Kubernetes API adds. */
export type FromKubernetes = {
  readonly checks: readonly Check[]
  /** Does the StatefulSet want this ordinal? undefined: it cannot be asked. */
  readonly wanted: (ordinal: number) => Promise<boolean | undefined>
}

const NOTHING: FromKubernetes = { checks: [], wanted: async () => undefined }

/** Prints what was found. Resolves to whether nothing failed. Rejects with `invalid-config`. */
export async function runDoctor(command: DoctorCommand, more = NOTHING) {
  const { url, json, env } = command
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new ClusterError('invalid-config', `--url is "${url}", expected http://<host>:<port>`)
  }
  const until_ms = systemClock.now_ms() + (command.wait ?? 0)
  let findings = await examine(env, url, more)
  while (!allWell(findings) && systemClock.now_ms() < until_ms) {
    await delay(LOOK_EVERY_MS)
    findings = await examine(env, url, more)
  }
  process.stdout.write(json ? jsonOf(findings) : textOf(findings))
  return allWell(findings)
}

async function examine(
  env: Environment,
  url: string | undefined,
  { checks, wanted }: FromKubernetes,
): Promise<readonly Finding[]> {
  let config: DoctorConfig
  try {
    config = readDoctorConfig(env)
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    const remedy = 'run it with the environment of a replica or an API server'
    return [about('configuration', '-').failed(error.message, remedy)]
  }
  const credentials = openCredentials(config)
  const { data: folder, diskFreeMin_bytes: freeMin_bytes } = config
  const volume = async () =>
    folder === undefined ? [] : await checkOwnVolume({ folder, freeMin_bytes })
  const get = createHttpGet(credentials.tls?.material.ca)
  const { token } = credentials
  const cluster =
    url === undefined
      ? clusterChecks(config, credentials, wanted)
      : [() => checkUrl({ url, get, token })]
  // The own disk first and alone: what else is looked at would show in its times.
  const first = await volume()
  const found = await Promise.all([...cluster, ...checks].map((check) => check()))
  return [...credentials.findings(url === undefined), ...first, ...found.flat()]
}

type Credentials = ReturnType<typeof openCredentials>

function openCredentials(config: DoctorConfig) {
  const secret = opened(config.peerSecretFile, (file) => new PeerSecret({ file }))
  const tokens = opened(config.tokensFile, (file) => new ClientTokens({ file }))
  const tls = opened(config.tlsFolder, (folder) => new TlsFolder({ folder }))
  const folder = contentOf(tls)
  return {
    secret: contentOf(secret) ?? new PeerSecret({ file: undefined }),
    token: contentOf(tokens)?.first,
    tls: folder,
    findings: (inside: boolean): Finding[] => {
      const discovery = discoveryOf(config, baseOf(config))
      const peer = { name: discovery.nameOf(0), purpose: 'peers' }
      const api = { name: discovery.serviceName(`${config.cluster}-api`), purpose: 'clients' }
      const material =
        tls === undefined || 'error' in tls ? tls : { ...tls, value: tls.value.material }
      const files = tlsFindings({
        credential: material,
        wall_ms: systemClock.wall_ms(),
        names: inside ? [peer, api] : [],
      })
      const open = 'no token is asked for (ORDINAL_TOKENS_FILE is not set)'
      const unguarded = 'no secret is asked of peers (ORDINAL_PEER_SECRET_FILE is not set)'
      const own = [fileFinding('tokens', tokens, open), ...files]
      return inside ? [fileFinding('secret', secret, unguarded), ...own] : own
    },
  }
}

function clusterChecks(
  config: DoctorConfig,
  credentials: Credentials,
  wanted: FromKubernetes['wanted'],
): Check[] {
  const discovery = discoveryOf(config, baseOf(config))
  const { secret, tls: folder, token } = credentials
  const nameOf = (ordinal: number) => discovery.nameOf(ordinal)
  const get = createHttpGet(folder?.material.ca)
  const identity = {
    role: 'api',
    name: 'doctor',
    clusterName: config.cluster,
    clusterId: '',
    ordinal: -1,
    incarnation: randomUUID(),
  } as const
  const dialer = createDialer({
    identity: () => identity,
    secret,
    tls: folder === undefined ? undefined : new PeerTls({ folder, nameOf }),
    timeout_ms: DIAL_TIMEOUT_MS,
  })
  return [
    () =>
      checkPeers({
        record: discovery.name,
        targets: () => discovery.targets(),
        dialer,
        get,
        clock: systemClock,
        metricsPort: config.metricsPort,
        nameOf,
        own: ownPlace(config),
        wanted,
      }),
    () =>
      checkServices({
        cluster: config.cluster,
        find: (service) => discovery.findService(service),
        get,
        secure: folder !== undefined,
        token,
        inCluster: config.inCluster,
      }),
  ]
}

/** Where the replica in the same Pod is. */
function ownPlace({ name, podIp }: DoctorConfig) {
  const ordinal = /-(\d{1,5})$/.exec(name)?.[1]
  return podIp === undefined || ordinal === undefined
    ? undefined
    : { ordinal: Number(ordinal), host: podIp }
}
