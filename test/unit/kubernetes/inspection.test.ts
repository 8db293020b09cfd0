/** What the doctor asks, and what replicas may do: no more and no less than the chart's Role. */

import t, { type Test } from 'tap'
import { checkKubernetes, kubernetesUnasked } from '../../../src/doctor/kubernetes.ts'
import { openInspection, rightsOf } from '../../../src/kubernetes/inspection.ts'
import { short } from '../doctor/pictures.ts'
import {
  deployedRules,
  type FakeApiServer,
  MARKER_PATH,
  NAMESPACE,
  SCALE_PATH,
} from './fake-api-server.ts'
import { apiServer } from './opened.ts'

const NAMES = { statefulSet: 'db', marker: 'db-marker' }
const LEADER = { 'ordinal.dev/role': 'leader' }
const OWN = { leader: 'db-0', clusterId: 'cluster-1' }

function inspect(t: Test, api: FakeApiServer) {
  const inspection = openInspection({
    server: api.url,
    accountFolder: api.account.path,
    namespace: NAMESPACE,
    ...NAMES,
  })
  t.teardown(() => inspection.close())
  return async (beside: { leader: string | undefined; clusterId: string } | undefined = OWN) =>
    short(
      await checkKubernetes({ ...inspection, names: NAMES, replica: async () => beside }),
    ).sort()
}

t.test('the chart’s Role grants what replicas do, and nothing beside', async (t) => {
  const granted = deployedRules().flatMap(({ apiGroups, resources, resourceNames, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.flatMap((verb) =>
          (resourceNames ?? [undefined]).map((name) => ({ verb, group, resource, name })),
        ),
      ),
    ),
  )
  type Line = { verb: string; group: string; resource: string; name?: string | undefined }
  const lines = (rights: readonly Line[]) =>
    rights.map(({ verb, group, resource, name }) => `${verb} ${group}/${resource}/${name}`).sort()
  t.same(lines(rightsOf(NAMES, { first: 0, replicas: 7 })), lines(granted))
})

t.test('a release in order has nothing but good lines', async (t) => {
  const api = await apiServer(t)
  api.pod('db-0', LEADER)
  api.put(MARKER_PATH, { data: { clusterId: 'cluster-1', history: 'h' } })
  t.same(await inspect(t, api)(), [
    'ok label db-0: carries ordinal.dev/role=leader',
    'ok marker db-marker: names cluster cluster-1',
    'ok rbac db: replicas may do all 11 things they do',
    'ok statefulset db: ordinals 0 to 2',
  ])
})

t.test('each right that is missing is a line', async (t) => {
  const api = await apiServer(t)
  api.rules = deployedRules().filter(({ resources }) => resources[0] === 'statefulsets')
  const found = await inspect(t, api)()
  t.equal(found.filter((line) => line.startsWith('failed rbac')).length, 10)
  t.ok(found.includes('failed rbac db: replicas may not patch pods db-2'))
  t.ok(found.includes('failed rbac db: replicas may not create events'))
  t.match(found, /failed marker db-marker: 403/)
  t.match(found, /failed label db-0: 403/)
})

t.test('an API server that does not answer is said, whatever is asked', async (t) => {
  const api = await apiServer(t)
  await api.vanish()
  const found = await inspect(t, api)()
  t.match(found, [
    /^failed marker db-marker: /,
    /^failed rbac db: /,
    /^failed statefulset db: /,
    /^skipped label db-0/,
  ])
})

t.test('the scale as it is wanted', async (t) => {
  const api = await apiServer(t)
  const scale = async () => (await inspect(t, api)()).filter((line) => / statefulset /.test(line))
  api.scale({ replicas: 0 })
  t.match(await scale(), [/^warning .*scaled to 0/])
  api.scale({ replicas: 2 }, { deletionTimestamp: '2026-01-01T00:00:00Z' })
  t.match(await scale(), [/^warning .*being deleted/])
  api.delete(SCALE_PATH)
  t.match(await scale(), [/^failed .*not found/])
})

t.test('a marker that names no cluster, or another one', async (t) => {
  const api = await apiServer(t)
  const look = inspect(t, api)
  const marker = async (beside: Parameters<typeof look>[0]) =>
    (await look(beside)).filter((line) => / marker /.test(line))
  t.match(await marker(OWN), [/^warning .*does not name cluster cluster-1, which exists/])
  const forming = { leader: undefined, clusterId: '' }
  t.match(await marker(forming), [/^ok .*no cluster was formed yet/])
  api.put(MARKER_PATH, { data: { clusterId: 'cluster-2', history: 'h' } })
  t.match(await marker(OWN), [/^warning .*names cluster cluster-2, and this replica is of clus/])
  t.match(await marker(forming), [/^ok .*names cluster cluster-2/])
  api.delete(MARKER_PATH)
  t.match(await marker(OWN), [/^failed .*is not there/])
})

t.test('a label that is on no Pod, on another one, on two', async (t) => {
  const api = await apiServer(t)
  const look = inspect(t, api)
  const label = async (beside: Parameters<typeof look>[0]) =>
    (await look(beside)).filter((line) => / label /.test(line))
  const alone = { leader: undefined, clusterId: 'cluster-1' }
  t.match(await label(OWN), [/^warning label db-0: no Pod carries .*, and db-0 leads/])
  t.match(await label(alone), [/^ok label -: no Pod carries .*, and nobody leads/])
  api.pod('db-1', LEADER)
  t.match(await label(OWN), [/^warning label db-0: db-1 carries .*, and db-0 leads/])
  t.match(await label(alone), [/^warning label -: db-1 carries .*, and no leader is known here/])
  api.pod('db-0', LEADER)
  t.match(await label(OWN), [/^warning label db-0: db-0, db-1 carries/])
})

t.test('where there is no marker, and where nobody may ask', async (t) => {
  const found = await checkKubernetes({
    names: { statefulSet: 'db', marker: undefined },
    statefulSet: async () => ({ first: 0, replicas: 1, ending: false }),
    rights: async () => [],
    marker: async () => t.fail('nobody asks for it') as never,
    labelled: async () => ['db-0'],
    replica: async () => OWN,
  })
  t.match(short(found)[2], /^skipped marker -: no marker is kept/)
  t.match(kubernetesUnasked('db'), { state: 'skipped', remedy: /kubectl exec db-0/ })
})
