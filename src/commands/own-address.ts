/**
 * Where the others reach this replica's peer port, as its hello tells them. A name is not needed
 * (they find it by DNS); an address makes one working direction enough while DNS lags (DESIGN §7).
 */

import { isIP, isIPv6 } from 'node:net'

const UNSPECIFIED = new Set(['0.0.0.0', '::'])

/**
 * `host:port`, IPv6 in brackets: what was configured, else the Pod's address, else the address
 * listened at. '': listens at all addresses and was told none, so the others have DNS alone.
 */
export function ownAddress(options: {
  readonly advertise: string | undefined
  readonly podIp: string | undefined
  readonly bound: { readonly host: string; readonly port: number }
}): string {
  const { advertise, podIp, bound } = options
  if (advertise !== undefined) return advertise
  const host = podIp ?? bound.host
  if (isIP(host) === 0 || UNSPECIFIED.has(host)) return ''
  return `${isIPv6(host) ? `[${host}]` : host}:${bound.port}`
}
