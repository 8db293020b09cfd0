/**
 * Who may come to this process, and how it reaches the replicas: discovery, the peers' secret, TLS,
 * and the clients' tokens, as the configuration wants them. What is not configured is off: no
 * token is asked for, and connections are plain.
 */

import { DnsDiscovery } from '../database/peers/discovery.ts'
import type { PeerLog } from '../database/peers/log.ts'
import { PeerTls } from '../database/peers/peer-tls.ts'
import { PeerSecret } from '../database/peers/secret.ts'
import type { SharedConfig } from '../shared/config.ts'
import { ClientTokens } from '../shared/http/client-tokens.ts'
import type { Access } from '../shared/http/server.ts'
import { TlsFolder } from '../shared/tls-folder.ts'

export type ProcessAccess = {
  readonly discovery: DnsDiscovery
  readonly secret: PeerSecret
  /** undefined: peers speak plainly. */
  readonly peerTls: PeerTls | undefined
  /** For the client port. */
  readonly client: Access
  /** A line for each thing that a person should know. */
  notes(): readonly string[]
  close(): void
}

/** Opens the files. Fails with `invalid-config` when one cannot be used. */
export function openAccess(
  config: SharedConfig,
  options: { base: string; log: PeerLog },
): ProcessAccess {
  const { log } = options
  const discovery = discoveryOf(config, options.base)
  const secret = new PeerSecret({ file: config.peerSecretFile, log })
  const { tlsFolder, tokensFile } = config
  const tokens = tokensFile === undefined ? undefined : new ClientTokens({ file: tokensFile, log })
  const tls = tlsFolder === undefined ? undefined : new TlsFolder({ folder: tlsFolder, log })
  const nameOf = (ordinal: number) => discovery.nameOf(ordinal)
  const peerTls = tls === undefined ? undefined : new PeerTls({ folder: tls, nameOf, log })
  // Forming a cluster takes the peers' secret, in the same header; without one, a token.
  const except = secret.required ? ['/v1/bootstrap'] : []
  return {
    discovery,
    secret,
    peerTls,
    client: {
      tls,
      guard:
        tokens === undefined
          ? undefined
          : { accepts: (authorization) => tokens.accepts(authorization), except },
    },
    notes: () => peerTls?.notes() ?? [],
    close: () => tls?.close(),
  }
}

/** Discovery as this process is told. */
export function discoveryOf(config: SharedConfig, base: string): DnsDiscovery {
  return new DnsDiscovery({
    service: config.service,
    namespace: config.namespace,
    clusterDomain: config.clusterDomain,
    servers: config.dnsServers.length > 0 ? config.dnsServers : undefined,
    replicaName: base,
  })
}

/** `db` of `db-headless`: what a process that is no replica knows of their names. */
export function baseOf(config: SharedConfig): string {
  return config.service.replace(/-headless$/, '')
}
