/** Claims that are lost, come back, are kept and are deleted; and all Pods gone at once. */

import t from 'tap'
import { claimOf, loseClaims } from './cluster/claims.ts'
import { path } from './cluster/kube.ts'
import { startLoad, verdictText } from './cluster/load.ts'
import { openStage, READY_S_MAX } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

/** What the README promises of an end, seconds. */
const END_S_MAX = 15
const AT_SOMETIME_S_MAX = 60
const BOTH = ['database', 'api'] as const

const stage = await openStage(t, 'volumes')
const { kube, helm } = stage
const store = stage.store()
const probe = await stage.probe()
await helm.install('db', { wait_s: READY_S_MAX })
await store.whole()

const claim = (ordinal: number) => claimOf(store, ordinal)
const incarnation = async (ordinal: number) =>
  (await store.cluster()).replicas[ordinal]?.incarnation

/** Deletes a claim and its Pod; resolves when the replica works again, with its incarnation. */
async function loseClaim(ordinal: number): Promise<string> {
  const before = await incarnation(ordinal)
  await loseClaims(kube, store, [ordinal])
  await until('as another incarnation', async () => {
    const now = await incarnation(ordinal)
    return now !== undefined && now !== before
  })
  return (await store.whole()).replicas[ordinal]?.incarnation ?? ''
}

/** Seconds until no Pod of these tiers is left that was there before. */
async function goneAfter(
  tiers: readonly ('database' | 'api')[],
  end: () => Promise<unknown>,
): Promise<number> {
  const all = async () => (await Promise.all(tiers.map((tier) => store.pods(tier)))).flat()
  const before = new Set((await all()).map(({ metadata }) => metadata.uid))
  const since_ms = performance.now()
  await end()
  await until(
    'no old Pod is left',
    async () => !(await all()).some(({ metadata }) => before.has(metadata.uid)),
    AT_SOMETIME_S_MAX * 1000,
  )
  return (performance.now() - since_ms) / 1000
}

stage.scenario('a claim is lost, and later its old volume comes back', async (t) => {
  const first = await incarnation(2)
  const volume = (await kube.get(claim(2))).spec.volumeName as string
  const volumePath = path('v1', undefined, 'persistentvolumes', volume)
  await kube.patch(volumePath, { spec: { persistentVolumeReclaimPolicy: 'Retain' } })
  t.teardown(() => kube.patch(volumePath, { spec: { persistentVolumeReclaimPolicy: 'Delete' } }))
  const load = await startLoad(probe, store)
  const second = await loseClaim(2)
  await load.goesOn()
  await until('the old volume is free', async () => {
    return (await kube.get(volumePath)).status.phase === 'Released'
  })
  // Kept for the claim of this name, whichever it is.
  await kube.patch(volumePath, { spec: { claimRef: { uid: null, resourceVersion: null } } })
  const third = await loseClaim(2)
  t.equal((await kube.get(claim(2))).spec.volumeName, volume, 'the volume of old')
  t.equal(new Set([first, second, third]).size, 3, 'a member each time: what was removed is not')
  await load.goesOn()
  const verdict = await load.end()
  t.equal(verdict.exitCode, 0, verdict.headline)
  t.same(verdict.failed, {}, 'no failed request')
  return verdictText(verdict)
})

stage.scenario('all replicas are deleted at once: they end and come back', async (t) => {
  await store.put('kept', 'through it all')
  const { clusterId } = await store.cluster()
  const load = await startLoad(probe, store)
  const took_s = await goneAfter(['database'], () =>
    Promise.all([0, 1, 2].map((ordinal) => store.deletePod(ordinal))),
  )
  const back = await store.whole()
  await load.goesOn()
  const verdict = await load.end()
  t.ok(took_s < END_S_MAX, `ended after ${took_s.toFixed(1)} s`)
  t.equal(back.clusterId, clusterId)
  t.equal(await store.read('kept'), 'through it all')
  t.equal(verdict.exitCode, 0, verdict.headline)
  return `gone after ${took_s.toFixed(1)} s; ${verdictText(verdict)}`
})

stage.scenario('uninstalled, it ends soon and keeps its data', async (t) => {
  const { clusterId, history } = await store.cluster()
  const took_s = await goneAfter(BOTH, () => helm.call(['uninstall', 'db']))
  t.ok(took_s < END_S_MAX, `ended after ${took_s.toFixed(1)} s`)
  for (const ordinal of [0, 1, 2]) t.ok(await kube.find(claim(ordinal)))
  await helm.install('db', { wait_s: READY_S_MAX })
  const back = await store.whole()
  t.match(back, { clusterId, history })
  t.equal(await store.read('kept'), 'through it all')
  return `gone after ${took_s.toFixed(1)} s`
})

stage.scenario('uninstalled and its claims deleted, it starts afresh', async (t) => {
  const { clusterId } = await store.cluster()
  await goneAfter(BOTH, () => helm.call(['uninstall', 'db']))
  for (const ordinal of [0, 1, 2]) await kube.delete(claim(ordinal))
  await until('the claims are gone', async () => {
    const left = await Promise.all([0, 1, 2].map((ordinal) => kube.find(claim(ordinal))))
    return left.every((one) => one === undefined)
  })
  await helm.install('db', { wait_s: READY_S_MAX })
  t.not((await store.whole()).clusterId, clusterId)
  t.equal(await store.read('kept'), undefined)
})

stage.scenario('two releases in a namespace do not meet', async (t) => {
  const other = stage.store('other')
  const anyUser = { runAsUser: 1_000_650_000, runAsGroup: 0, fsGroup: 0 }
  const security = Object.entries(anyUser).map(([name, id]) => `podSecurityContext.${name}=${id}`)
  const set = ['replicaCount=1', 'api.replicaCount=1', ...security]
  await helm.install('other', { set, wait_s: READY_S_MAX })
  const [ours, theirs] = [await store.whole(), await other.whole(1)]
  t.not(ours.clusterId, theirs.clusterId)
  t.same(
    theirs.replicas.map(({ name }) => name),
    ['other-db-0'],
  )
  await store.put('whose', 'ours')
  t.equal(await other.read('whose'), undefined)
  const [pod] = await other.pods('database')
  t.match(pod?.spec.securityContext, anyUser, 'under any uid, too, in the group 0')
  await helm.call(['uninstall', 'other'])
  await store.whole()
})
