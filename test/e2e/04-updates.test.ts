/** Rolling updates of the replicas under load: what works, what crashes, and what must wait. */

import t, { type Test } from 'tap'
import { FORMAT_NEWEST } from '../../src/shared/formats.ts'
import { carriedFormats } from '../contracts/planted-formats.ts'
import { holdStarts } from './cluster/absent.ts'
import type { KubeObject } from './cluster/kube.ts'
import { startLoad, type Verdict, verdictText } from './cluster/load.ts'
import { isReady, openStage, READY_S_MAX, restarts } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const UPDATE_S_MAX = 180
/** Node refuses to start with it, as an image would that is broken. */
const CRASHES = ['extraEnv[0].name=NODE_OPTIONS', 'extraEnv[0].value=--no-such-option']

/** The others stay as they are. */
const ONLY_DB_2 = ['updateStrategy.rollingUpdate.partition=2']
/** Said in words: an upgrade without any value takes those of the last one. */
const ALL = ['updateStrategy.rollingUpdate.partition=0']
/** A version that reads it and does not write it. */
const NEXT = FORMAT_NEWEST + 1

const stage = await openStage(t, 'updates')
const { kube, helm } = stage
const store = stage.store()
const probe = await stage.probe()
await helm.install('db', { wait_s: READY_S_MAX })
await store.whole()

const uids = (pods: readonly KubeObject[]) => pods.map(({ metadata }) => metadata.uid)
const allPods = async () => [...(await store.pods('database')), ...(await store.pods('api'))]

function held(t: Test, verdict: Verdict): void {
  t.equal(verdict.exitCode, 0, verdict.headline)
  t.same(verdict.failed, {}, 'no failed request')
}

/** Ordinals in the order in which their Pods are made anew, from when this is called. */
function watchOrder(before: readonly KubeObject[]): { readonly order: number[]; stop(): void } {
  const known = new Set(uids(before))
  const order: number[] = []
  let over = false
  const look = async () => {
    while (!over) {
      for (const { metadata } of (await store.pods('database')).toReversed()) {
        if (known.has(metadata.uid)) continue
        known.add(metadata.uid)
        order.push(Number(metadata.name.split('-').at(-1)))
      }
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
  // A failed look ends it: the order is then too short, which the test sees.
  look().catch((error) => t.comment(String(error)))
  return {
    order,
    stop: () => {
      over = true
    },
  }
}

/** db-2 reads up to `format` and works, while db-0 is of the other version and leads. */
function bothServe(format: number): Promise<unknown> {
  return until(`db-2 serves format ${format}, db-0 another one`, async () => {
    const [first, last] = await Promise.all([store.status(0), store.status(2)])
    return (
      last['format'] === format &&
      first['format'] !== format &&
      last['role'] === 'follower' &&
      first['role'] === 'leader'
    )
  })
}

stage.scenario('a rolling update goes 2, 1, 0 and changes the leader twice', async (t) => {
  const { term } = await store.whole()
  const load = await startLoad(probe, store)
  const watch = watchOrder(await store.pods('database'))
  t.teardown(() => watch.stop())
  await helm.upgrade('db', { set: ['podAnnotations.round=two'], wait_s: UPDATE_S_MAX })
  const after = await store.whole()
  await load.goesOn()
  watch.stop()
  const verdict = await load.end()
  t.same(watch.order, [2, 1, 0])
  t.equal(after.term, term + 2, 'away from db-0, and back')
  held(t, verdict)
  return verdictText(verdict)
})

stage.scenario('an upgrade without changes restarts nothing', async (t) => {
  const before = uids(await allPods())
  await helm.upgrade('db', { set: ['podAnnotations.round=two'], wait_s: UPDATE_S_MAX })
  // Nor does one that changes what is no part of a Pod.
  await helm.upgrade('db', {
    set: ['podAnnotations.round=two', 'commonAnnotations.note=changed', 'minReadySeconds=1'],
    wait_s: UPDATE_S_MAX,
  })
  t.same(uids(await allPods()), before)
})

stage.scenario('an upgrade with changed config rolls both tiers under load', async (t) => {
  const before = new Set(uids(await allPods()))
  const load = await startLoad(probe, store)
  await helm.upgrade('db', { set: ['config.ORDINAL_LOG_LEVEL=debug'], wait_s: UPDATE_S_MAX })
  await store.whole()
  await load.goesOn()
  const verdict = await load.end()
  t.notOk(
    uids(await allPods()).some((uid) => before.has(uid)),
    'all are new',
  )
  held(t, verdict)
  return verdictText(verdict)
})

stage.scenario('an image that crashes stops at db-2; helm rollback repairs it', async (t) => {
  const before = uids((await store.pods('database')).slice(0, 2))
  const load = await startLoad(probe, store)
  await helm.upgrade('db', { set: ['config.ORDINAL_LOG_LEVEL=debug', ...CRASHES] })
  await until('db-2 crashes again and again', async () => restarts(await store.pod(2)) >= 2)
  t.same(uids((await store.pods('database')).slice(0, 2)), before, 'the others are as they were')
  await helm.call(['rollback', 'db', '--wait', '--timeout', `${UPDATE_S_MAX}s`])
  await store.whole()
  await load.goesOn()
  const verdict = await load.end()
  t.same(uids((await store.pods('database')).slice(0, 2)), before, 'to the end')
  held(t, verdict)
  return verdictText(verdict)
})

stage.scenario('to format n+1 and back before it is enabled: both serve', async (t) => {
  const formats = async () => {
    const statuses = await Promise.all([0, 1, 2].map((ordinal) => store.status(ordinal)))
    return statuses.map(({ format }) => format as number)
  }
  const present = await formats()
  t.same(present, [FORMAT_NEWEST, FORMAT_NEWEST, FORMAT_NEWEST])
  const newer = Object.entries(carriedFormats({ FORMAT_NEWEST: NEXT }))
  const env = newer.map(([name, value]) => ({ name, value }))
  const load = await startLoad(probe, store)
  const more = ['--set-json', `extraEnv=${JSON.stringify(env)}`]
  await helm.upgrade('db', { set: ONLY_DB_2, more, wait_s: UPDATE_S_MAX })
  await bothServe(NEXT)
  await load.goesOn()
  await helm.upgrade('db', { more, wait_s: UPDATE_S_MAX })
  await store.whole()
  t.same(await formats(), [NEXT, NEXT, NEXT])
  await load.goesOn()
  await helm.upgrade('db', { set: ONLY_DB_2, wait_s: UPDATE_S_MAX })
  await bothServe(FORMAT_NEWEST)
  await load.goesOn()
  await helm.upgrade('db', { set: ALL, wait_s: UPDATE_S_MAX })
  await store.whole()
  t.same(await formats(), present)
  await load.goesOn()
  const verdict = await load.end()
  held(t, verdict)
  return verdictText(verdict)
})

stage.scenario('an update waits at db-2 while db-0 is away: the quorum holds', async (t) => {
  const load = await startLoad(probe, store)
  const starts = await holdStarts(kube, store)
  t.teardown(() => starts.release())
  await store.deletePod(0)
  await until('db-0 cannot start', async () => {
    const pod = await store.pod(0)
    return pod.metadata.deletionTimestamp === undefined && !isReady(pod)
  })
  // As `kubectl rollout restart statefulset db`.
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() }
  await kube.patch(store.apps('statefulsets', 'db'), {
    spec: { template: { metadata: { annotations } } },
  })
  const { metadata } = await until('db-2 is told to stop', async () => {
    const pod = await store.pod(2)
    return pod.metadata.deletionTimestamp !== undefined && pod
  })
  await load.goesOn()
  await load.goesOn()
  const waiting = await store.pod(2)
  t.equal(waiting.metadata.uid, metadata.uid, 'it stays meanwhile')
  t.equal((await store.status(2)).role, 'follower', 'and works')
  await starts.release()
  await store.whole(3, 180_000)
  await load.goesOn()
  const verdict = await load.end()
  t.not((await store.pod(2)).metadata.uid, metadata.uid, 'then it goes, too')
  held(t, verdict)
  return verdictText(verdict)
})
