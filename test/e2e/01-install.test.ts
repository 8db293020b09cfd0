/** A first install: what there is, who reaches whom, and what each Pod may do. */

import t from 'tap'
import { isReady, openStage, podEnded, READY_S_MAX } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const stage = await openStage(t, 'install')
const { kube, helm, namespace } = stage
const store = stage.store()
const probe = await stage.probe()

stage.scenario('replicas find each other before they are ready', async (t) => {
  // Nothing answers there, so that no replica ever is.
  const never = 'readinessProbe.httpGet.path=/nowhere'
  const early = stage.store('early')
  await helm.install('early', { set: [never, 'api.replicaCount=1'] })
  // Asked for a name too early, many a DNS goes on denying it for half a minute.
  await until('the Pods have addresses', async () => {
    const pods = await early.pods('database')
    return pods.length === 3 && pods.every(({ status }) => status.podIP !== undefined)
  })
  const service = `${early.name}-headless.${namespace}.svc.cluster.local`
  const found = await until('SRV records name all three', async () => {
    const records = await probe.srv(`_peer._tcp.${service}`)
    return records.length === 3 && records
  })
  const names = [0, 1, 2].map((ordinal) => `${early.name}-${ordinal}.${service}`)
  t.same(found.map(({ name }) => name).sort(), names)
  t.same(new Set(found.map(({ port }) => port)), new Set([7070]))
  await until('they form a cluster', async () => {
    const { clusterId, replicas } = await early.cluster()
    return clusterId !== '' && replicas.length === 3
  })
  t.notOk((await early.pods('database')).some(isReady), 'none is ready')
  t.same(await early.endpoints(`${early.name}-read`), [], 'and none is given to clients')
  await helm.call(['uninstall', 'early'])
})

stage.scenario('helm install waits until all is ready, within 60 s', async (t) => {
  const since_ms = performance.now()
  await helm.install('db', { wait_s: READY_S_MAX })
  const took_s = (performance.now() - since_ms) / 1000
  const cluster = await store.whole()
  t.equal(cluster.leader?.name, 'db-0', 'the lowest ordinal leads')
  return `ready after ${took_s.toFixed(0)} s`
})

stage.scenario('names are what the README says', async (t) => {
  const names = async (target: string) =>
    (await kube.list(target, 'app.kubernetes.io/instance=db')).map(({ metadata }) => metadata.name)
  t.same((await names(store.core('services'))).sort(), [
    'db-api',
    'db-headless',
    'db-leader',
    'db-read',
  ])
  t.same(await names(store.apps('statefulsets')), ['db'])
  t.same(await names(store.apps('deployments')), ['db-api'])
  t.same((await names(store.core('persistentvolumeclaims'))).sort(), [
    'data-db-0',
    'data-db-1',
    'data-db-2',
  ])
  t.same(
    (await store.pods('database')).map(({ metadata }) => metadata.name),
    ['db-0', 'db-1', 'db-2'],
  )
})

stage.scenario('replicas are spread over the nodes', async (t) => {
  const nodes = (await kube.list('/api/v1/nodes')).length
  for (const tier of ['database', 'api'] as const) {
    const pods = await store.pods(tier)
    const used = new Set(pods.map(({ spec }) => spec.nodeName as string))
    t.equal(used.size, Math.min(nodes, pods.length), tier)
  }
})

stage.scenario('each Service leads where it says', async (t) => {
  const server = (name: string, target = '/v1/whoami') => probe.ask(`http://${name}${target}`)
  await store.put('greeting', 'hello')
  for (const pod of ['db-0', 'db-1', 'db-2']) {
    const { text } = await server(`${pod}.db-headless.${namespace}:8080`)
    t.equal(JSON.parse(text).name, pod, `${pod}.db-headless is just that Pod`)
  }
  // A Service's ways lag behind its endpoints by a second or so, on each node.
  await until('db-read is every replica, for linearizable reads', async () => {
    const readers = await probe.many(`http://db-read.${namespace}/v1/kv/greeting`, 60)
    return Object.keys(readers).sort().join() === '200 db-0,200 db-1,200 db-2'
  })
  t.same(await store.endpoints('db-leader'), ['db-0'], 'db-leader is the leader')
  const { status, headers } = await server(`db-leader.${namespace}`, '/v1/kv/greeting')
  t.match([status, headers['ordinal-served-by']], [200, 'db-0'])
  const url = `http://db-leader.${namespace}/v1/kv/direct`
  t.equal((await probe.ask(url, { method: 'PUT', body: 'x' })).status, 201, 'and takes writes')
  const other = `http://db-1.db-headless.${namespace}:8080/v1/kv/direct`
  const refused = await probe.ask(other, { method: 'PUT', body: 'y' })
  t.match([refused.status, refused.text], [421, /"leader":"db-0"/], 'others name the leader')
})

stage.scenario('helm test: the doctor and the verifier, within 60 s', async (t) => {
  const since_ms = performance.now()
  await helm.call(['test', 'db', '--timeout', '60s'])
  const took_s = (performance.now() - since_ms) / 1000
  const doctor = await podEnded(stage, 'db-test-doctor')
  const verify = await podEnded(stage, 'db-test-verify')
  t.ok(doctor.succeeded && verify.succeeded, `${doctor.log}\n${verify.log}`)
  t.match(verify.log, /Verdict: linearizable, 0 of [\d,]+ acknowledged writes lost/)
  const [gap = ''] = /Longest gap[^,]*/.exec(verify.log) ?? []
  return `${took_s.toFixed(0)} s; ${gap}`
})

stage.scenario('Pods hold no more than they need', async (t) => {
  const mounts = (pod: { spec?: { containers: { volumeMounts: { mountPath: string }[] }[] } }) =>
    (pod.spec?.containers ?? []).flatMap((each) => each.volumeMounts.map((one) => one.mountPath))
  const token = '/var/run/secrets/kubernetes.io/serviceaccount'
  for (const pod of await store.pods('api')) t.notOk(mounts(pod as never).includes(token))
  for (const pod of await store.pods('database')) t.ok(mounts(pod as never).includes(token))
  for (const pod of [...(await store.pods('api')), ...(await store.pods('database'))]) {
    t.equal(pod.status.qosClass, 'Burstable')
    t.equal(pod.spec.enableServiceLinks, false)
  }
})
