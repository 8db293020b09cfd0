/**
 * Finds the replicas as a StatefulSet's headless Service names them (DESIGN §7): SRV records of
 * `_peer._tcp.<service>` give names and ports, names give ordinals, A and AAAA records give
 * addresses. Asked of c-ares, never of `dns.lookup`, whose threads are the disk's.
 *
 * Names are absolute, with a trailing dot: c-ares ignores the search list. A target whose address
 * is not there yet (a Pod that just starts) is left out; the others are found all the same.
 */

import { Resolver } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { ClusterError } from '../../shared/errors.ts'
import { DNS_TIMEOUT_MS, DNS_TRIES } from '../../shared/limits.ts'
import type { Discovery, PeerAddress } from '../../shared/link.ts'

const DEFAULT_DOMAIN = 'cluster.local'

export type DnsDiscoveryOptions = {
  /** The headless Service, `db-headless`. */
  readonly service: string
  readonly namespace: string
  /** undefined or '': as `/etc/resolv.conf` says. */
  readonly clusterDomain?: string | undefined
  /** `127.0.0.1:5353`; undefined: as `/etc/resolv.conf` says. */
  readonly servers?: readonly string[] | undefined
  /** The StatefulSet's name: `db` for Pods `db-0`, `db-1`, … */
  readonly replicaName: string
}

/** What the SRV records name, with an address or without one. */
export type PeerTarget = {
  readonly ordinal: number
  /** As the record has it, without the trailing dot. */
  readonly name: string
  readonly port: number
  readonly host: string | undefined
}

/** A Service with an address of its own. `name`: without a trailing dot. */
export type ServicePlace = {
  readonly name: string
  /** undefined: DNS has its port, and no address. */
  readonly host: string | undefined
  readonly port: number
}

/** Discovery by SRV lookup. */
export class DnsDiscovery implements Discovery {
  /** The record that is asked for. */
  readonly name: string
  readonly #resolver: Resolver
  readonly #replicaName: string
  /** `default.svc.cluster.local` */
  readonly #domain: string
  /** `db-headless.default.svc.cluster.local` */
  readonly #zone: string

  constructor(options: DnsDiscoveryOptions) {
    const { service, namespace, clusterDomain, servers } = options
    const domain =
      clusterDomain === undefined || clusterDomain === '' ? readDomain() : clusterDomain
    this.#resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES })
    if (servers !== undefined) this.#resolver.setServers(servers)
    this.#domain = `${namespace}.svc.${domain.replace(/\.$/, '')}`
    this.#zone = `${service}.${this.#domain}`
    this.name = `_peer._tcp.${this.#zone}.`
    this.#replicaName = options.replicaName
  }

  /** The absolute name of a Service of this namespace, without a trailing dot. */
  serviceName(service: string): string {
    return `${service}.${this.#domain}`
  }

  /** The host name of a replica, by rule: what SRV records say on Kubernetes. */
  nameOf(ordinal: number): string {
    return `${this.#replicaName}-${ordinal}.${this.#zone}`
  }

  /** One address for each ordinal, in order. Rejects with `no-replica` when there is none. */
  async lookup(): Promise<readonly PeerAddress[]> {
    const targets = await this.targets()
    const addresses = targets.flatMap(({ host, ...target }) =>
      host === undefined ? [] : [{ ...target, host }],
    )
    if (addresses.length > 0) return addresses
    throw new ClusterError('no-replica', `no target of ${this.name} has an address`)
  }

  /** What the records name now, in order. Rejects with `no-replica` when there are none. */
  async targets(): Promise<readonly PeerTarget[]> {
    const records = await this.#resolver.resolveSrv(this.name).catch((cause: Error) => {
      throw new ClusterError('no-replica', `${this.name} was not found: ${cause.message}`, {
        cause,
      })
    })
    const targets = new Map<number, { name: string; port: number }>()
    for (const { name, port } of records) {
      const ordinal = ordinalIn(name, this.#replicaName)
      if (ordinal !== undefined) targets.set(ordinal, { name, port })
    }
    const found = await Promise.all(
      [...targets].map(async ([ordinal, { name, port }]) => {
        const host = await this.#address(name)
        return { ordinal, name: name.toLowerCase().replace(/\.$/, ''), port, host }
      }),
    )
    return found.sort((a, b) => a.ordinal - b.ordinal)
  }

  /**
   * Another Service of this namespace, by the SRV record of its port `client`; undefined: there is
   * none. Rejects with `no-replica` when DNS does not answer.
   */
  async findService(service: string): Promise<ServicePlace | undefined> {
    const name = `${service}.${this.#domain}`
    let port: number | undefined
    try {
      port = (await this.#resolver.resolveSrv(`_client._tcp.${name}.`))[0]?.port
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (code === 'ENOTFOUND' || code === 'ENODATA') return undefined
      throw new ClusterError('no-replica', `${name} was not found: ${message}`, { cause })
    }
    if (port === undefined) return undefined
    return { name, host: await this.#address(name), port }
  }

  /** IPv4 if there is one, else IPv6. */
  async #address(target: string): Promise<string | undefined> {
    const name = target.endsWith('.') ? target : `${target}.`
    const [four, six] = await Promise.allSettled([
      this.#resolver.resolve4(name),
      this.#resolver.resolve6(name),
    ])
    for (const answer of [four, six]) {
      if (answer.status === 'fulfilled' && answer.value[0] !== undefined) return answer.value[0]
    }
    return undefined
  }
}

/** `db-2.db-headless.…` → 2, if the name is one of this StatefulSet's Pods. */
export function ordinalIn(target: string, replicaName: string): number | undefined {
  const label = target.split('.', 1)[0]?.toLowerCase() ?? ''
  const prefix = `${replicaName.toLowerCase()}-`
  const digits = label.startsWith(prefix) ? label.slice(prefix.length) : ''
  return /^(0|[1-9]\d{0,4})$/.test(digits) ? Number(digits) : undefined
}

/** The cluster's domain from the `svc.` entry of the search list, else `cluster.local`. */
export function clusterDomainIn(resolvConf: string): string {
  let domain = DEFAULT_DOMAIN
  for (const line of resolvConf.split('\n')) {
    // resolv.conf(5): where `search` is given more than once, the last one holds.
    const [keyword, ...entries] = line.trim().split(/\s+/)
    if (keyword !== 'search') continue
    const entry = entries.find((candidate) => candidate.startsWith('svc.'))
    domain = entry?.slice('svc.'.length).replace(/\.$/, '') || DEFAULT_DOMAIN
  }
  return domain
}

function readDomain(): string {
  try {
    return clusterDomainIn(readFileSync('/etc/resolv.conf', 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'EACCES') throw error
    return DEFAULT_DOMAIN
  }
}
