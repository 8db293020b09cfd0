/** What is left of a scenario that failed: everything a person would ask the cluster for. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Kube, path, type Tree } from './kube.ts'

const FOLDER = process.env['ORDINAL_E2E_FOLDER'] || join('.tap', 'e2e')
const KINDS = ['pods', 'services', 'persistentvolumeclaims', 'configmaps', 'events']

/** Writes the folder; resolves to its path, or to why there is none. Never rejects. */
export async function leaveEvidence(kube: Kube, namespace: string, title: string): Promise<string> {
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-')
  const name = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  const folder = resolve(FOLDER, `${time}-${name}`.slice(0, 120))
  try {
    mkdirSync(folder, { recursive: true })
    await gather(kube, namespace, (file, text) => writeFileSync(join(folder, file), text))
    return folder
  } catch (error) {
    return `none (${String(error)})`
  }
}

async function gather(
  kube: Kube,
  namespace: string,
  write: (file: string, text: string) => void,
): Promise<void> {
  for (const kind of KINDS) {
    const items = await kube.list(path('v1', namespace, kind))
    write(`${kind}.json`, JSON.stringify(items, undefined, 1))
    if (kind === 'events') write('events.txt', items.map(eventLine).sort().join('\n'))
    if (kind !== 'pods') continue
    for (const pod of items) await gatherPod(kube, namespace, pod.metadata.name, pod, write)
  }
  for (const kind of ['statefulsets', 'deployments']) {
    const items = await kube.list(path('apps/v1', namespace, kind))
    write(`${kind}.json`, JSON.stringify(items, undefined, 1))
  }
}

async function gatherPod(
  kube: Kube,
  namespace: string,
  name: string,
  pod: Tree,
  write: (file: string, text: string) => void,
): Promise<void> {
  const target = path('v1', namespace, 'pods', name)
  const log = await kube.call('GET', `${target}/log`)
  write(`${name}.log`, log.text)
  const previous = await kube.call('GET', `${target}/log?previous=true`)
  if (previous.status === 200) write(`${name}.previous.log`, previous.text)
  if (pod.metadata.labels?.['app.kubernetes.io/component'] !== 'database') return
  const status = await kube.call('GET', `${target}:9090/proxy/status`)
  write(`${name}.status.json`, status.text)
}

function eventLine(event: Tree): string {
  const { lastTimestamp, eventTime, involvedObject, reason, message, count } = event
  const { kind, name } = involvedObject
  return `${lastTimestamp ?? eventTime} ${kind}/${name} ${reason} x${count ?? 1} ${message}`
}
