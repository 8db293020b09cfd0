/** More replicas and fewer, in steps and in one, gracefully and cut short: nothing is lost. */

import t from 'tap'
import { Helm, helms } from './cluster/helm.ts'
import { startLoad, verdictText } from './cluster/load.ts'
import { openStage, READY_S_MAX } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const SCALE_MS_MAX = 200_000

const stage = await openStage(t, 'scaling')
const { kube, helm, namespace } = stage
const store = stage.store()
const probe = await stage.probe()
await helm.install('db', { wait_s: READY_S_MAX })
await store.whole()

/** By Helm, as the README says; until that many replicas vote, and no others are known. */
async function scale(count: number, more: readonly string[] = []): Promise<void> {
  await helm.upgrade('db', { set: [`replicaCount=${count}`, ...more] })
  await store.whole(count, SCALE_MS_MAX)
}

stage.scenario('3 → 5 → 3 → 1 → 3 under load: no failed request', async (t) => {
  await store.put('kept', 'through all sizes')
  const load = await startLoad(probe, store)
  for (const count of [5, 3, 1, 3]) {
    await scale(count)
    await load.goesOn()
  }
  const verdict = await load.end()
  t.equal(await store.read('kept'), 'through all sizes')
  t.equal(verdict.exitCode, 0, verdict.headline)
  t.same(verdict.failed, {}, 'no failed request')
  return verdictText(verdict)
})

stage.scenario('5 → 1 in one step under load: no failed request', async (t) => {
  await scale(5)
  const load = await startLoad(probe, store)
  await scale(1)
  await load.goesOn()
  const verdict = await load.end()
  t.equal((await store.pods('database')).length, 1)
  t.equal(verdict.exitCode, 0, verdict.headline)
  t.same(verdict.failed, {}, 'no failed request')
  return verdictText(verdict)
})

stage.scenario('5 → 1 with a grace of 5 s, and back to 5: nothing is lost', async (t) => {
  const short = ['terminationGracePeriodSeconds=5']
  await scale(5, short)
  const load = await startLoad(probe, store)
  await helm.upgrade('db', { set: ['replicaCount=1', ...short] })
  await until('one Pod is left', async () => (await store.pods('database')).length === 1)
  await scale(5, short)
  await load.goesOn()
  const verdict = await load.end()
  t.equal(await store.read('kept'), 'through all sizes')
  t.equal(verdict.exitCode, 0, verdict.headline)
  return verdictText(verdict)
})

for (const [version, command] of Object.entries(await helms())) {
  stage.scenario(
    `Helm ${version}: after kubectl scale, an upgrade with the live number`,
    async (t) => {
      const own = new Helm(namespace, command)
      const demo = stage.store(`demo-${version}`)
      await own.install(demo.release, { wait_s: READY_S_MAX })
      await demo.whole()
      await demo.put('kept', 'through all sizes')
      await kube.patch(`${demo.apps('statefulsets', demo.name)}/scale`, { spec: { replicas: 5 } })
      await demo.whole(5, SCALE_MS_MAX)
      // Helm 3 would scale back in silence.
      if (version !== 'v3') await t.rejects(own.upgrade(demo.release), { message: /conflict/ })
      const marker = async () =>
        (await kube.get(demo.core('configmaps', `${demo.name}-marker`))).data
      const noted = await marker()
      t.match(JSON.stringify(noted), (await demo.cluster()).clusterId)
      const live = (await demo.statefulSet()).spec.replicas as number
      await own.upgrade(demo.release, { set: [`replicaCount=${live}`], wait_s: 180 })
      t.equal((await demo.whole(5)).replicas.length, 5)
      const more = version === 'v3' ? [] : ['--force-conflicts']
      await own.upgrade(demo.release, { set: ['replicaCount=3'], wait_s: 180, more })
      t.equal((await demo.whole(3, SCALE_MS_MAX)).replicas.length, 3)
      await own.upgrade(demo.release, { set: ['replicaCount=1'], wait_s: 180 })
      t.equal((await demo.whole(1, SCALE_MS_MAX)).replicas.length, 1, 'Helm has the field again')
      t.equal(await demo.read('kept'), 'through all sizes')
      t.same(await marker(), noted, 'the marker is as it was')
      await own.call(['uninstall', demo.release, '--wait'])
      return command
    },
  )
}
