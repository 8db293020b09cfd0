/** The leader's Pod is taken away, and two of three: what clients of the API tier see. */

import t from 'tap'
import { holdStarts } from './cluster/absent.ts'
import { startLoad, verdictText } from './cluster/load.ts'
import { isReady, openStage, READY_S_MAX } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const stage = await openStage(t, 'leader')
const { kube, helm } = stage
const store = stage.store()
const probe = await stage.probe()
await helm.install('db', { wait_s: READY_S_MAX })
await store.whole()

stage.scenario('data follows the Pod', async (t) => {
  await store.put('kept', 'value')
  const claim = store.core('persistentvolumeclaims', 'data-db-1')
  const before = {
    pod: await store.pod(1),
    claim: await kube.get(claim),
    replica: (await store.cluster()).replicas[1],
  }
  await store.deletePod(1)
  const pod = await until('db-1 is made again and ready', async () => {
    const pod = await store.pod(1)
    return pod.metadata.uid !== before.pod.metadata.uid && isReady(pod) && pod
  })
  const after = (await store.whole()).replicas[1]
  t.equal((await kube.get(claim)).metadata.uid, before.claim.metadata.uid, 'the same claim')
  t.equal(after?.incarnation, before.replica?.incarnation, 'the same incarnation')
  t.not(pod.status.podIP, undefined)
  const url = `http://db-1.db-headless.${store.namespace}:8080/v1/kv/kept`
  // A DNS that caches may name the address of the old Pod for a while.
  const answer = await until('its name leads to it', () => probe.ask(url).catch(() => undefined))
  t.match([answer.status, answer.text], [200, 'value'])
})

for (const { how, grace_s } of [
  { how: 'deleted', grace_s: undefined },
  { how: 'deleted by force', grace_s: 0 },
]) {
  stage.scenario(`the leader's Pod ${how}: no failed request, and it leads again`, async (t) => {
    const { term, leader } = await store.whole()
    t.equal(leader?.name, 'db-0')
    const load = await startLoad(probe, store)
    await store.deletePod(0, grace_s)
    await until('another one leads', async () => (await store.cluster()).leader?.ordinal === 1)
    const back = await store.whole()
    await load.goesOn()
    const verdict = await load.end()
    t.equal(verdict.exitCode, 0, verdict.headline)
    t.same(verdict.failed, {}, 'no failed request')
    t.ok(back.term >= term + 2, 'led by another one, and handed back')
    return verdictText(verdict)
  })
}

stage.scenario('two of three gone: stale reads go on, writes are refused', async (t) => {
  await store.put('stale', 'value')
  const servers = (await store.endpoints('db-api')).length
  const held = await holdStarts(kube, store)
  t.teardown(() => held.release())
  await store.deletePod(1, 0)
  await store.deletePod(2, 0)
  const url = `${store.url}/v1/kv/stale`
  const write = () => probe.ask(`${url}?timeout=1s`, { method: 'PUT', body: 'x' })
  const refused = await until('writes are refused', async () => {
    const answer = await write()
    // One that was under way when they went may have taken effect.
    return answer.status === 503 && !/"outcome":"unknown"/.test(answer.text) && answer
  })
  t.match(refused.headers['content-type'], /^application\/problem\+json/)
  t.ok(refused.headers['retry-after'])
  const { code, outcome } = JSON.parse(refused.text)
  t.match(code, /^(quorum-lost|no-leader)$/)
  t.equal(outcome, 'not-applied')
  const read = await probe.many(`${url}?consistency=stale`, 200)
  t.same(
    Object.keys(read).filter((told) => !told.startsWith('200 ')),
    [],
    'each stale read is answered',
  )
  const written = await probe.many(`${url}?timeout=300ms`, 40, { method: 'PUT', body: 'x' })
  t.same(
    Object.keys(written).filter((told) => !told.startsWith('503 ')),
    [],
    'each write is answered, too',
  )
  t.equal((await store.endpoints('db-api')).length, servers, 'API servers stay ready')
  await held.release()
  await store.whole()
  t.equal((await write()).status, 200, 'and writes go on')
  return `${code}, outcome ${outcome}`
})
