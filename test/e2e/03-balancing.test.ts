/** Load balancing inside and from outside, and an API tier that changes its size under load. */

import t from 'tap'
import { startLoad, verdictText } from './cluster/load.ts'
import { balancerAddress, connections } from './cluster/outside.ts'
import { unfair } from './cluster/spread.ts'
import { openStage, READY_S_MAX } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const CONNECTIONS = 600
const LOAD_BALANCER = 'api.loadBalancer.enabled=true'

const stage = await openStage(t, 'balancing')
const { kube, helm } = stage
const store = stage.store()
const probe = await stage.probe()
await helm.install('db', { wait_s: READY_S_MAX, set: [LOAD_BALANCER] })
await store.whole()
await store.put('spread', 'value')

/** Until so many API servers stand behind `db-api`, and all of them are led to. */
async function apiServers(count: number): Promise<string[]> {
  return until(`${count} API servers`, async () => {
    const ready = await store.endpoints('db-api')
    const all = await store.pods('api')
    if (ready.length !== count || all.length !== count) return false
    // A Service's ways lag behind its endpoints by a second or so, on each node.
    const led = byServer(await probe.many(`${store.url}/v1/whoami`, 20 * count))
    return Object.keys(led).length === count && ready
  })
}

/** Names of API servers alone: `200 db-api-x, db-0` and `200 db-api-x, db-1` are one. */
function byServer(counts: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const [told, count] of Object.entries(counts)) {
    const server = told.split(',')[0] as string
    sums[server] = (sums[server] ?? 0) + count
  }
  return sums
}

stage.scenario('ClusterIP: 600 connections are spread over the API servers', async (t) => {
  const servers = await apiServers(2)
  const counts = byServer(await probe.many(`${store.url}/v1/kv/spread`, CONNECTIONS))
  t.same(Object.keys(counts).sort(), servers.map((name) => `200 ${name}`).sort())
  t.same(unfair(Object.values(counts), 2), [])
  return Object.values(counts).join(' + ')
})

stage.scenario('LoadBalancer: 600 connections from outside are, too', async (t) => {
  const service = store.core('services', 'db-api-lb')
  const address = await balancerAddress(kube, service)
  const counts = await connections(address, '/v1/kv/spread', CONNECTIONS)
  t.same(Object.keys(counts).sort(), await apiServers(2))
  t.same(unfair(Object.values(counts), 2), [])
  return Object.values(counts).join(' + ')
})

stage.scenario('the API tier goes from 2 to 5 to 1 under load: no failed request', async (t) => {
  const load = await startLoad(probe, store)
  const scale = (count: number) =>
    helm.upgrade('db', { set: [LOAD_BALANCER, `api.replicaCount=${count}`], wait_s: 120 })
  await scale(5)
  await apiServers(5)
  const counts = byServer(await probe.many(`${store.url}/v1/kv/spread`, CONNECTIONS))
  t.same(unfair(Object.values(counts), 5), [], 'spread over five')
  await scale(1)
  await apiServers(1)
  await load.goesOn()
  const verdict = await load.end()
  t.equal(verdict.exitCode, 0, verdict.headline)
  t.same(verdict.failed, {}, 'no failed request')
  return verdictText(verdict)
})

stage.scenario('the API tier is rolled under load: no failed request', async (t) => {
  await helm.upgrade('db', { set: [LOAD_BALANCER], wait_s: 120 })
  const before = await apiServers(2)
  const load = await startLoad(probe, store)
  await helm.upgrade('db', { set: [LOAD_BALANCER, 'api.podAnnotations.round=two'], wait_s: 120 })
  const after = await until('all are new', async () => {
    const now = await apiServers(2)
    return !now.some((name) => before.includes(name)) && now
  })
  await load.goesOn()
  const verdict = await load.end()
  t.equal(after.length, 2)
  t.equal(verdict.exitCode, 0, verdict.headline)
  t.same(verdict.failed, {}, 'no failed request')
  return verdictText(verdict)
})
