/** Who may reach whom with `networkPolicy.enabled`: computed, since few clusters enforce it. */

import t from 'tap'
import { allows, type End, type Flow } from './flows.ts'
import { type Manifest, manifests, podOf, render, valueFile } from './render.ts'
import { needs } from './tools.ts'

const skip = needs('helm')
const ELSEWHERE = { 'kubernetes.io/metadata.name': 'elsewhere' }
const stranger: End = { labels: { app: 'stranger' } }
const prometheus: End = { labels: { app: 'prometheus' }, namespace: ELSEWHERE }
const dns: End = { labels: { 'k8s-app': 'kube-dns' }, namespace: ELSEWHERE }
const apiServer: End = { address: '192.0.2.1' }
const outside: End = { address: '203.0.113.7' }
const client: End = { labels: { 'db-client': 'true' } }

/** The release's own Pods, by the labels that were rendered. */
function pods(rendered: readonly Manifest[]) {
  const labelled = (kind: string, component: string): End => {
    const pod = rendered
      .filter((manifest) => manifest.kind === kind)
      .map((manifest) => podOf(manifest)?.metadata.labels ?? {})
      .find((labels) => labels['app.kubernetes.io/component'] === component)
    if (pod === undefined) throw new Error(`no ${kind} has Pods of ${component}`)
    return { labels: pod }
  }
  return {
    replica: labelled('StatefulSet', 'database'),
    api: labelled('Deployment', 'api'),
    verifier: labelled('Deployment', 'verifier'),
    test: labelled('Pod', 'test'),
  }
}

async function rendered(set: readonly string[] = []): Promise<Manifest[]> {
  return manifests(
    await render({ set: ['networkPolicy.enabled=true', 'verifier.enabled=true', ...set] }),
  )
}

t.test('what is needed is allowed and nothing else', { skip }, async (t) => {
  const all = await rendered()
  const { replica, api, verifier, test } = pods(all)
  const peers = [replica, api, verifier, test]
  const needed: readonly (readonly [string, Flow])[] = [
    ['an API server to a replica', { from: api, to: replica, port: 7070 }],
    ['a replica to a replica', { from: replica, to: replica, port: 7070 }],
    ['a replica to the API server', { from: replica, to: apiServer, port: 443 }],
    ['a replica to the API server itself', { from: replica, to: apiServer, port: 6443 }],
    ['a replica to that of minikube', { from: replica, to: apiServer, port: 8443 }],
    ['the verifier to the API', { from: verifier, to: api, port: 8080 }],
    ['a test to the API', { from: test, to: api, port: 8080 }],
    ['a test to a replica', { from: test, to: replica, port: 8080 }],
    ['the doctor to the peer port', { from: test, to: replica, port: 7070 }],
    ['a test to a replica’s status', { from: test, to: replica, port: 9090 }],
    ['a test to an API server’s status', { from: test, to: api, port: 9090 }],
    ['Prometheus to a replica', { from: prometheus, to: replica, port: 9090 }],
    ['Prometheus to an API server', { from: prometheus, to: api, port: 9090 }],
    ['a client outside to the API', { from: outside, to: api, port: 8080 }],
    ['a client inside to the API', { from: stranger, to: api, port: 8080 }],
    ...peers.flatMap((from) =>
      (['UDP', 'TCP'] as const).map(
        (protocol) => ['DNS', { from, to: dns, port: 53, protocol }] as const,
      ),
    ),
  ]
  for (const [name, flow] of needed) t.ok(allows(all, flow), `${name}, ${flow.protocol ?? 'TCP'}`)
  const unneeded: readonly (readonly [string, Flow])[] = [
    ['a stranger to the peer port', { from: stranger, to: replica, port: 7070 }],
    ['Prometheus to the peer port', { from: prometheus, to: replica, port: 7070 }],
    ['someone outside to the peer port', { from: outside, to: replica, port: 7070 }],
    ['the verifier to the peer port', { from: verifier, to: replica, port: 7070 }],
    ['an API server to another', { from: api, to: api, port: 8080 }],
    ['an API server to Kubernetes', { from: api, to: apiServer, port: 443 }],
    ['a replica to somewhere', { from: replica, to: outside, port: 80 }],
    ['a test to Kubernetes', { from: test, to: apiServer, port: 443 }],
    ['anyone to a test', { from: stranger, to: test, port: 8080 }],
    ['another port', { from: api, to: replica, port: 22 }],
  ]
  for (const [name, flow] of unneeded) t.notOk(allows(all, flow), name)
})

t.test('clients are told apart by a label where they must be', { skip }, async (t) => {
  const all = await rendered(['networkPolicy.allowExternal=false'])
  const { replica, api, verifier } = pods(all)
  for (const to of [replica, api]) {
    t.notOk(allows(all, { from: stranger, to, port: 8080 }))
    t.notOk(allows(all, { from: outside, to, port: 8080 }))
    t.ok(allows(all, { from: client, to, port: 8080 }))
    t.ok(allows(all, { from: verifier, to, port: 8080 }))
    t.notOk(allows(all, { from: client, to, port: 7070 }))
  }
})

/** Lets Pods of a namespace in by a list of peers or rules at this value. */
function from(value: string, namespace: string): string {
  const name = `namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=${namespace}`
  return `networkPolicy.${value}[0].${name}`
}

t.test('more rules open the client ports and no other', { skip }, async (t) => {
  const all = await rendered([
    'networkPolicy.allowExternal=false',
    'metrics.enabled=false',
    from('extraIngress[0].from', 'elsewhere'),
  ])
  const { replica, api } = pods(all)
  const other: End = { labels: { app: 'other' }, namespace: ELSEWHERE }
  for (const to of [replica, api]) {
    t.ok(allows(all, { from: other, to, port: 8080 }))
    t.notOk(allows(all, { from: stranger, to, port: 8080 }))
    t.notOk(allows(all, { from: other, to, port: 7070 }), 'not the peers’')
    t.notOk(allows(all, { from: other, to, port: 9090 }), 'not the metrics')
  }
})

t.test('the metrics are for those who are named, or for anyone', { skip }, async (t) => {
  const open = await rendered(['networkPolicy.allowExternal=false'])
  const named = await rendered([from('metricsFrom', 'elsewhere')])
  for (const tier of ['replica', 'api'] as const) {
    const { [tier]: to, test } = pods(named)
    t.ok(allows(named, { from: prometheus, to, port: 9090 }), `Prometheus to ${tier}`)
    t.ok(allows(named, { from: test, to, port: 9090 }), `a test to ${tier}`)
    t.notOk(allows(named, { from: stranger, to, port: 9090 }), `a stranger to ${tier}`)
    t.notOk(allows(named, { from: outside, to, port: 9090 }), `someone outside to ${tier}`)
    t.notOk(allows(named, { from: prometheus, to, port: 7070 }), `Prometheus to ${tier}’s peers`)
    t.ok(allows(open, { from: stranger, to: pods(open)[tier], port: 9090 }), `anyone to ${tier}`)
  }
})

t.test('the walls of the secured values hold', { skip }, async (t) => {
  const all = manifests(
    await render({ files: [valueFile('secured')], set: ['verifier.enabled=true'] }),
  )
  const { replica, api } = pods(all)
  const monitoring: End = {
    ...prometheus,
    namespace: { 'kubernetes.io/metadata.name': 'monitoring' },
  }
  for (const to of [replica, api]) {
    t.ok(allows(all, { from: monitoring, to, port: 9090 }))
    t.notOk(allows(all, { from: prometheus, to, port: 9090 }))
    t.notOk(allows(all, { from: stranger, to, port: 8080 }))
  }
})

t.test('without policies everything is allowed', { skip }, async (t) => {
  const all = manifests(await render())
  t.ok(allows(all, { from: stranger, to: { labels: { a: 'b' } }, port: 7070 }))
})
