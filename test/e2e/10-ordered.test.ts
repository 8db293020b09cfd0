/**
 * OrderedReady, for teaching: Pods start one after another, and a store comes back all the same.
 */

import { join } from 'node:path'
import t from 'tap'
import { CHART } from './cluster/helm.ts'
import { startLoad, verdictText } from './cluster/load.ts'
import { isReady, openStage, READY_S_MAX } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const stage = await openStage(t, 'ordered')
const { helm } = stage
const store = stage.store()
const probe = await stage.probe()
const teaching = ['--values', join(CHART, 'ci', 'teaching-values.yaml')]
await helm.install('db', { more: teaching, wait_s: 2 * READY_S_MAX })
await store.whole()

stage.scenario('Pods start in order', async (t) => {
  const pods = await store.pods('database')
  const made = pods.map(({ metadata }) => Date.parse(String(metadata.creationTimestamp)))
  t.ok(made.every((time, at) => at === 0 || time > (made[at - 1] as number)))
  t.equal((await store.statefulSet()).spec.podManagementPolicy, 'OrderedReady')
})

stage.scenario('all Pods deleted at once: they come back in order', async (t) => {
  await store.put('kept', 'in order')
  const { clusterId } = await store.cluster()
  const load = await startLoad(probe, store)
  await Promise.all([0, 1, 2].map((ordinal) => store.deletePod(ordinal)))
  await until('they are gone', async () => {
    const pods = await store.pods('database')
    return pods.length < 3 || !pods.every(isReady)
  })
  t.equal((await store.whole(3, 180_000)).clusterId, clusterId)
  await load.goesOn()
  const verdict = await load.end()
  t.equal(await store.read('kept'), 'in order')
  t.equal(verdict.exitCode, 0, verdict.headline)
  return verdictText(verdict)
})

stage.scenario('db-0 is deleted while db-1 is down', async (t) => {
  const load = await startLoad(probe, store)
  await store.deletePod(1, 0)
  await store.deletePod(0, 0)
  await until('they are not ready', async () => !isReady(await store.pod(0)))
  await store.whole(3, 180_000)
  await load.goesOn()
  const verdict = await load.end()
  t.equal(await store.read('kept'), 'in order')
  t.equal(verdict.exitCode, 0, verdict.headline)
  return verdictText(verdict)
})

stage.scenario('3 → 5 → 1 in order', async (t) => {
  for (const count of [5, 1]) {
    await helm.upgrade('db', { more: [...teaching, '--set', `replicaCount=${count}`] })
    await store.whole(count, 180_000)
  }
  t.equal(await store.read('kept'), 'in order')
})
