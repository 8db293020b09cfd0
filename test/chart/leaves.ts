/**
 * Each leaf of values.yaml, and another value for it. A leaf whose change nobody sees is a promise
 * that the chart does not keep.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { CHART } from './tools.ts'

export type Leaf = { readonly path: readonly string[]; readonly value: unknown }

/** For leaves where anything else would be refused by the schema. */
const OTHERS: Readonly<Record<string, unknown>> = {
  'global.imagePullSecrets': ['other'],
  'image.pullPolicy': 'Never',
  'image.digest': `sha256:${'0'.repeat(64)}`,
  replicaCount: 7,
  'tls.certManager.dnsNames': ['other'],
  'tls.certManager.duration': '1h',
  'config.ORDINAL_LOG_FORMAT': 'pretty',
  podManagementPolicy: 'OrderedReady',
  'updateStrategy.type': 'OnDelete',
  'persistence.accessModes': ['ReadWriteOncePod'],
  'persistentVolumeClaimRetentionPolicy.whenDeleted': 'Delete',
  'persistentVolumeClaimRetentionPolicy.whenScaled': 'Delete',
  'service.ipFamilyPolicy': 'SingleStack',
  'service.ipFamilies': ['IPv6'],
  'service.trafficDistribution': 'PreferSameNode',
  'podDisruptionBudget.maxUnavailable': 0,
  'podDisruptionBudget.unhealthyPodEvictionPolicy': 'AlwaysAllow',
  podAntiAffinityPreset: 'soft',
  'networkPolicy.kubernetesPorts': [16443],
  'networkPolicy.extraIngress': [{ from: [{ podSelector: {} }] }],
  'metrics.serviceMonitor.interval': '99s',
  'api.podAntiAffinityPreset': 'hard',
  'api.podDisruptionBudget.unhealthyPodEvictionPolicy': 'IfHealthyBudget',
  'api.service.type': 'NodePort',
  'api.service.trafficDistribution': 'PreferSameNode',
  'api.loadBalancer.externalTrafficPolicy': 'Cluster',
  'api.loadBalancer.loadBalancerSourceRanges': ['192.0.2.0/24'],
  'api.ingress.hosts': [{ host: 'other', paths: [{ path: '/', pathType: 'Exact' }] }],
  'api.ingress.tls': [{ secretName: 'other', hosts: ['other'] }],
  'api.httpRoute.hostnames': ['other'],
  'verifier.duration': '99m',
  'verifier.args': ['--other'],
  'tests.duration': '99s',
}

/** All leaves; a list is one, and so is an empty map. */
export function leaves(): Leaf[] {
  const found: Leaf[] = []
  const walk = (value: unknown, path: readonly string[]): void => {
    const isMap = value !== null && typeof value === 'object' && !Array.isArray(value)
    const entries = isMap ? Object.entries(value) : []
    if (entries.length === 0) found.push({ path, value })
    for (const [key, child] of entries) walk(child, [...path, key])
  }
  walk(parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')), [])
  return found
}

/** Where anything stands in values.yaml: leaves, and the maps around them. */
export function paths(): (readonly string[])[] {
  const all = new Map<string, readonly string[]>()
  for (const { path } of leaves()) {
    for (let end = 1; end <= path.length; end += 1) {
      const part = path.slice(0, end)
      all.set(JSON.stringify(part), part)
    }
  }
  return [...all.values()]
}

/** Other values for a leaf. A switch has two, since a base may have it the other way round. */
export function others({ path, value }: Leaf): unknown[] {
  const name = path.join('.')
  if (name in OTHERS) return [OTHERS[name]]
  if (typeof value === 'boolean') return [!value, value]
  if (typeof value === 'number') return [value + 1]
  if (typeof value === 'string' && /^\d+(m|[MG]i)$/.test(value)) return [`1${value}`]
  if (typeof value === 'string') return [`${value}1`.replace(/^1$/, 'other')]
  return Array.isArray(value) ? [[{ name: 'other' }]] : [{ other: 'other' }]
}

/** The names in the table above; one that is no leaf has rotted. */
export const exceptions: readonly string[] = Object.keys(OTHERS)

/** A tree of values with this leaf alone. */
export function only(path: readonly string[], value: unknown): unknown {
  return path.reduceRight((inner, key) => ({ [key]: inner }), value)
}
