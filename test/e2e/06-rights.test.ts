/** What the replicas' ServiceAccount may do at the API server, and what it may not. */

import t from 'tap'
import { type KubeAnswer, path, type Tree } from './cluster/kube.ts'
import { openStage, podEnded } from './cluster/stage.ts'

const stage = await openStage(t, 'rights')
const { kube, helm, namespace } = stage
await stage.probe()
const set = ['replicaCount=1', 'api.replicaCount=1', 'tests.duration=5s']
await helm.install('db', { set })

type Rule = {
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly nonResourceURLs?: readonly string[]
  readonly verbs: readonly string[]
}

const as = (account: string) => ({
  'Impersonate-User': `system:serviceaccount:${namespace}:${account}`,
})

/** `kubectl auth can-i --list`, a line for each verb on each thing. */
async function rights(account: string): Promise<Set<string>> {
  const answer = await kube.call('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
    headers: as(account),
    body: { spec: { namespace } },
  })
  const { resourceRules, nonResourceRules } = (JSON.parse(answer.text) as Tree).status
  const lines = ([...resourceRules, ...nonResourceRules] as Rule[]).flatMap((rule) =>
    rule.verbs.flatMap((verb) =>
      (rule.nonResourceURLs ?? things(rule)).map((thing) => `${verb} ${thing}`),
    ),
  )
  return new Set(lines)
}

function things({ apiGroups = [], resources = [], resourceNames = [''] }: Rule): string[] {
  const names = resourceNames.length === 0 ? [''] : resourceNames
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      names.map((name) => `${[resource, group].filter(Boolean).join('.')} ${name}`.trim()),
    ),
  )
}

const put = (account: string, method: string, target: string, body: unknown) =>
  kube.call(method, target, {
    body,
    headers: as(account),
    type: method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
  })

stage.scenario('helm test waits for a release that was installed just now', async (t) => {
  await helm.call(['test', 'db', '--timeout', '120s'])
  t.ok((await podEnded(stage, 'db-test-verify')).succeeded)
})

stage.scenario('replicas may do what the README says and nothing else', async (t) => {
  const [replicas, anyone] = [await rights('db'), await rights('default')]
  const pods = Array.from({ length: 7 }, (_, ordinal) => `pods db-${ordinal}`)
  const granted = [
    ...pods.flatMap((pod) => [`get ${pod}`, `patch ${pod}`]),
    'get statefulsets.apps db',
    'create events',
    'patch events',
    'get configmaps db-marker',
    'patch configmaps db-marker',
  ]
  t.same([...replicas].filter((right) => !anyone.has(right)).sort(), granted.sort())
  t.same(
    [...(await rights('db-api'))].filter((right) => !anyone.has(right)),
    [],
    'API servers may do nothing',
  )
})

stage.scenario('what is beyond that is refused', async (t) => {
  const label = { metadata: { labels: { touched: 'yes' } } }
  const statusOf = async (answer: Promise<KubeAnswer>) => (await answer).status
  const pod = (name: string) => path('v1', namespace, 'pods', name)
  t.equal(await statusOf(put('db', 'PATCH', pod('db-0'), label)), 200, 'the own Pod')
  t.equal(await statusOf(put('db', 'PATCH', pod('probe'), label)), 403, 'a foreign Pod')
  const configMaps = path('v1', namespace, 'configmaps')
  const made = { metadata: { name: 'made' } }
  t.equal(await statusOf(put('db', 'POST', configMaps, made)), 403, 'to make a ConfigMap')
  t.equal(await statusOf(put('db', 'PATCH', `${configMaps}/db-config`, label)), 403, 'another one')
  const scale = path('apps/v1', namespace, 'statefulsets', 'db')
  t.equal(await statusOf(put('db', 'PATCH', scale, { spec: { replicas: 3 } })), 403, 'to scale')
})
