/** Each fault of docs/break-it.md, pressed on the cluster: what happens is what that page says. */

import t from 'tap'
import type { KubeAnswer, Tree } from './cluster/kube.ts'
import { startLoad, verdictText } from './cluster/load.ts'
import { openStage, podEnded, READY_S_MAX, restarts } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const CLIENT_PORT = 8080

const stage = await openStage(t, 'faults')
const { kube, helm } = stage
const store = stage.store()
const probe = await stage.probe()
// A lead that is lost soon again and again is handed back later and later, from ten times this on.
const quick = ['config.ORDINAL_HAND_BACK_AFTER=1s', 'tests.duration=5s']
const set = ['faults.enabled=true', ...quick]
await helm.install('db', { set, wait_s: READY_S_MAX })
await store.whole()

async function press(ordinal: number, fault: string): Promise<KubeAnswer> {
  const pod = store.core('pods', `db-${ordinal}:${CLIENT_PORT}`, 'proxy')
  const answer = await kube.call('POST', `${pod}/faults/${fault}`)
  if (answer.status !== 200) throw new Error(`${fault}: ${answer.status} ${answer.text}`)
  return answer
}

/** Until the replica says that none of its faults is active. */
function over(ordinal: number): Promise<true> {
  return until(`db-${ordinal} has no fault any more`, async () => {
    const target = store.core('pods', `db-${ordinal}:${CLIENT_PORT}`, 'proxy', 'faults')
    const { faults } = JSON.parse(await kube.text(target)) as { faults: Tree[] }
    return faults.every(({ active }) => active === null || active === undefined)
  })
}

type Expected = {
  readonly on: number
  readonly fault: string
  /** Another replica leads meanwhile. */
  readonly leaves: boolean
  /** Its container starts again. */
  readonly restarts: 0 | 1
}

/** A container that ends a second time waits before it starts: each of them ends here once. */
const SURVIVED: readonly Expected[] = [
  { on: 0, fault: 'kill', leaves: true, restarts: 1 },
  { on: 0, fault: 'pause?for=4s', leaves: true, restarts: 0 },
  { on: 0, fault: 'isolate?for=5s', leaves: true, restarts: 0 },
  { on: 0, fault: 'isolate?direction=in&for=5s', leaves: true, restarts: 0 },
  { on: 0, fault: 'isolate?direction=out&for=5s', leaves: true, restarts: 0 },
  { on: 0, fault: 'isolate?peers=db-1&for=5s', leaves: false, restarts: 0 },
  { on: 0, fault: 'slow-disk?by=200ms&for=5s', leaves: false, restarts: 0 },
  { on: 0, fault: 'slow-disk?by=3s&for=6s', leaves: true, restarts: 0 },
  { on: 0, fault: 'slow-network?by=50ms&for=5s', leaves: false, restarts: 0 },
  { on: 0, fault: 'clock-jump?by=2h&for=5s', leaves: false, restarts: 0 },
  { on: 1, fault: 'lost-disk', leaves: false, restarts: 1 },
  { on: 2, fault: 'full-disk?at=write', leaves: false, restarts: 1 },
]

const restartsOf = async (ordinal: number) => restarts(await store.pod(ordinal))

for (const { on, fault, leaves, restarts: ends } of SURVIVED) {
  stage.scenario(`db-${on}/faults/${fault}`, async (t) => {
    const before = await store.whole()
    const restarted = await restartsOf(on)
    const load = await startLoad(probe, store, ['--rate', '100'])
    await press(on, fault)
    if (ends > 0) {
      await until('its container starts again', async () => (await restartsOf(on)) > restarted)
    }
    if (leaves) {
      await until('another one leads', async () => (await store.cluster()).term > before.term)
    }
    await over(on)
    const after = await store.whole()
    await load.goesOn()
    const verdict = await load.end()
    t.equal((await restartsOf(on)) - restarted, ends, 'restarts')
    if (!leaves) t.equal(after.term, before.term, 'db-0 leads all the time')
    if (fault === 'lost-disk') {
      t.not(after.replicas[on]?.incarnation, before.replicas[on]?.incarnation, 'another member')
    }
    t.equal(verdict.exitCode, 0, verdict.headline)
    t.same(verdict.failed, {}, 'no failed request')
    return verdictText(verdict)
  })
}

stage.scenario('a full disk at a majority: puts are refused, deletes are not', async (t) => {
  await store.put('full', 'x')
  for (const ordinal of [1, 2]) await press(ordinal, 'full-disk?for=1m')
  const refused = await until('puts are refused', async () => {
    const answer = await store.ask('PUT', '/v1/kv/full', 'y')
    return answer.status === 507 && answer
  })
  t.equal(JSON.parse(refused.text).code, 'disk-full')
  t.equal((await store.ask('DELETE', '/v1/kv/full')).status, 200)
  for (const ordinal of [1, 2]) {
    const pod = store.core('pods', `db-${ordinal}:${CLIENT_PORT}`, 'proxy', 'faults')
    await kube.call('DELETE', pod)
  }
  await until(
    'puts are taken',
    async () => (await store.ask('PUT', '/v1/kv/full', 'z')).status < 300,
  )
})

stage.scenario('the leader lies about writes: the verifier proves it', async (t) => {
  await store.whole()
  const load = await startLoad(probe, store)
  await press(0, 'lie?about=writes&for=5s')
  await over(0)
  await load.goesOn()
  const verdict = await load.end()
  t.equal(verdict.exitCode, 1, verdict.headline)
  return verdict.headline
})

stage.scenario('the leader lies about reads: helm test fails', async (t) => {
  await store.whole()
  await press(0, 'lie?about=reads&for=3m')
  await t.rejects(helm.call(['test', 'db', '--timeout', '90s']), /db-test-verify/)
  const { succeeded, log } = await podEnded(stage, 'db-test-verify')
  t.notOk(succeeded)
  t.match(log, /Verdict: not linearizable/)
  return /Verdict: (.*)/.exec(log)?.[1]
})
