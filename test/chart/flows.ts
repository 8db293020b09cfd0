/**
 * Decides from NetworkPolicies alone whether a connection is allowed, as networking.k8s.io/v1 says:
 * a Pod that no policy of a direction selects is open in that direction; otherwise one rule must
 * allow it; a connection needs leave at both ends. Ports are numbers, as this chart writes them.
 */

import type { Manifest, Tree } from './render.ts'

type Labels = Readonly<Record<string, string>>
/** A Pod, or an address outside the cluster (`labels` undefined). */
export type End = {
  readonly labels?: Labels
  readonly namespace?: Labels
  readonly address?: string
}
export type Flow = {
  readonly from: End
  readonly to: End
  readonly port: number
  readonly protocol?: 'TCP' | 'UDP'
}

function selects(selector: Tree, labels: Labels): boolean {
  const exact = Object.entries(selector?.matchLabels ?? {})
  const among: readonly Tree[] = selector?.matchExpressions ?? []
  return (
    exact.every(([key, value]) => labels[key] === value) &&
    among.every(({ key, operator, values }) => {
      if (operator !== 'In') throw new Error(`operator ${operator} is not known here`)
      return values.includes(labels[key])
    })
  )
}

/** IPv4 only. */
function within(address: string, cidr: string): boolean {
  const [base = '', bits = '32'] = cidr.split('/')
  const number = (text: string) =>
    text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const size = 2 ** (32 - Number(bits))
  return Math.floor(number(address) / size) === Math.floor(number(base) / size)
}

function isPeer(peer: Tree, end: End, sameNamespace: boolean): boolean {
  if (peer.ipBlock !== undefined) {
    return end.address !== undefined && within(end.address, peer.ipBlock.cidr)
  }
  if (end.labels === undefined) return false
  const inNamespace =
    peer.namespaceSelector === undefined
      ? sameNamespace
      : selects(peer.namespaceSelector, end.namespace ?? {})
  return inNamespace && selects(peer.podSelector, end.labels)
}

function permits(policies: readonly Manifest[], flow: Flow, inward: boolean): boolean {
  const { from, to, port, protocol = 'TCP' } = flow
  const [own, other] = inward ? [to, from] : [from, to]
  if (own.labels === undefined || own.namespace !== undefined) return true
  const labels = own.labels
  const type = inward ? 'Ingress' : 'Egress'
  const applying = policies.filter(
    ({ spec }) => spec.policyTypes.includes(type) && selects(spec.podSelector, labels),
  )
  if (applying.length === 0) return true
  const rules: readonly Tree[] = applying.flatMap(({ spec }) => spec[type.toLowerCase()] ?? [])
  return rules.some((rule) => {
    const peers: readonly Tree[] | undefined = inward ? rule.from : rule.to
    const ports: readonly Tree[] | undefined = rule.ports
    return (
      (peers?.some((peer) => isPeer(peer, other, other.namespace === undefined)) ?? true) &&
      (ports?.some((one) => one.port === port && one.protocol === protocol) ?? true)
    )
  })
}

/**
 * Whether both ends allow it. An end without `namespace` stands in the release's namespace, one
 * with those labels elsewhere.
 */
export function allows(manifests: readonly Manifest[], flow: Flow): boolean {
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy')
  return permits(policies, flow, true) && permits(policies, flow, false)
}
