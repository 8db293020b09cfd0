/**
 * Every volume is lost while the release stays: the marker says that there was data, so the empty
 * replicas form nothing until somebody gives the data up.
 */

import t from 'tap'
import { loseClaims } from './cluster/claims.ts'
import { isReady, openStage, READY_S_MAX } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const stage = await openStage(t, 'loss')
const { kube, helm } = stage
const store = stage.store()
const ORDINALS = [0, 1, 2]
const LOST = /ALL DATA IS LOST/

const marker = async () => (await kube.get(store.core('configmaps', 'db-marker'))).data

stage.scenario('all volumes are lost: said loudly, empty again once it is wanted', async (t) => {
  await helm.install('db', { wait_s: READY_S_MAX })
  const { clusterId } = await store.whole()
  await store.put('kept', 'value')
  const noted = await until('the marker names the cluster', async () => {
    const data = await marker()
    return JSON.stringify(data ?? {}).includes(clusterId) && data
  })
  await loseClaims(kube, store, ORDINALS, 0)
  await until('each replica says so', async () => {
    const said = await Promise.all(ORDINALS.map((ordinal) => store.status(ordinal)))
    return said.every((status) => LOST.test(JSON.stringify(status)))
  })
  t.notOk((await store.pods('database')).some(isReady), 'none is ready')
  const refusal = await store.ask('PUT', '/v1/kv/kept', 'again')
  t.equal(refusal.status, 503, refusal.text)
  await helm.upgrade('db')
  t.same(await marker(), noted, 'an upgrade leaves the marker as it is')

  await kube.patch(store.core('configmaps', 'db-marker'), { data: null })
  const afresh = await store.whole()
  t.not(afresh.clusterId, clusterId)
  t.equal(await store.read('kept'), undefined)
  return `refused with 503 ${JSON.parse(refusal.text).code}`
})
