/** A node is drained, stopped, unplugged, frozen: the store goes on. */

import t from 'tap'
import { holdStarts } from './cluster/absent.ts'
import { startLoad, verdictText } from './cluster/load.ts'
import {
  breakNode,
  cordon,
  evict,
  type NodeAction,
  needsNodeFaults,
  needsNodes,
} from './cluster/nodes.ts'
import { isReady, openStage, READY_S_MAX } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

/** A lost node is noticed by Kubernetes within a minute, its Pods' return takes another. */
const NODE_MS_MAX = 200_000

const stage = await openStage(t, 'nodes')
const { kube, helm, namespace } = stage
const tooFew = await needsNodes(kube)
const noFaults = tooFew || needsNodeFaults()
const store = stage.store()
// On three nodes each has a replica, of which the leader's is broken; the load comes from another.
await helm.install('db', { set: ['podAntiAffinityPreset=hard'], wait_s: READY_S_MAX })
await store.whole()
const leaderNode = (await store.pod(0)).spec.nodeName as string
const probe = await stage.probe({ avoid: [leaderNode] })

stage.scenario(
  'a node is drained: the budget lets one replica go at a time',
  async (t) => {
    const load = await startLoad(probe, store)
    await cordon(kube, leaderNode, true)
    t.teardown(() => cordon(kube, leaderNode, false))
    const there = [...(await store.pods('database')), ...(await store.pods('api'))]
      .filter(({ spec }) => spec.nodeName === leaderNode)
      .map(({ metadata }) => metadata.name)
    for (const pod of there) {
      await until(`${pod} is evicted`, async () => {
        const { status } = await evict(kube, namespace, pod)
        return status === 201 || status === 404
      })
    }
    await until('db-0 waits for its node', async () => {
      const { status, metadata } = await store.pod(0)
      return status.phase === 'Pending' && metadata.deletionTimestamp === undefined
    })
    const second = await evict(kube, namespace, 'db-1')
    t.equal(second.status, 429, `the next drain is refused: ${second.text}`)
    await load.goesOn()
    await cordon(kube, leaderNode, false)
    await store.whole()
    const verdict = await load.end()
    t.equal(verdict.exitCode, 0, verdict.headline)
    t.same(verdict.failed, {}, 'no failed request')
    return verdictText(verdict)
  },
  tooFew,
)

stage.scenario(
  'a drain while a replica is not ready is refused',
  async (t) => {
    const held = await holdStarts(kube, store)
    t.teardown(() => held.release())
    await store.deletePod(2)
    await until('db-2 cannot start', async () => {
      const pod = await store.pod(2)
      return pod.metadata.deletionTimestamp === undefined && !isReady(pod)
    })
    for (const pod of ['db-0', 'db-1']) t.equal((await evict(kube, namespace, pod)).status, 429)
    await held.release()
    await store.whole()
  },
  tooFew,
)

const BROKEN: readonly { what: string; breaks: NodeAction; mends: NodeAction }[] = [
  { what: 'is stopped', breaks: 'stop', mends: 'start' },
  { what: 'is unplugged', breaks: 'isolate', mends: 'heal' },
  { what: 'freezes', breaks: 'pause', mends: 'resume' },
]

for (const { what, breaks, mends } of BROKEN) {
  stage.scenario(
    `the leader's node ${what}: the store goes on`,
    async (t) => {
      const { term } = await store.whole()
      const node = (await store.pod(0)).spec.nodeName as string
      t.equal(node, leaderNode, 'a volume stays on its node')
      const load = await startLoad(probe, store)
      let broken = true
      const mend = async () => {
        if (broken) await breakNode(node, mends)
        broken = false
      }
      await breakNode(node, breaks)
      t.teardown(mend)
      await until('another one leads', async () => (await store.cluster()).leader?.ordinal === 1)
      await load.goesOn()
      await until('Kubernetes notices', async () => !isReady(await store.pod(0)), NODE_MS_MAX)
      await load.goesOn()
      await mend()
      const back = await store.whole(3, NODE_MS_MAX)
      await load.goesOn()
      const verdict = await load.end()
      t.ok(back.term >= term + 2, 'led by another one, and handed back')
      t.equal(verdict.exitCode, 0, verdict.headline)
      return verdictText(verdict)
    },
    noFaults,
  )
}
