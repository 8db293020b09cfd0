/** TLS, client tokens and peers' secrets, all of them changed under load without a restart. */

import t from 'tap'
import { makeAuthority, makeLeaf } from './cluster/certificates.ts'
import type { KubeObject } from './cluster/kube.ts'
import { startLoad, verdictText } from './cluster/load.ts'
import { openStage, podEnded, READY_S_MAX, restarts } from './cluster/stage.ts'
import { until } from './cluster/until.ts'

const stage = await openStage(t, 'secured')
const { kube, helm, namespace } = stage
const store = stage.store()
const [oldRoot, newRoot] = [await makeAuthority('old'), await makeAuthority('new')]
const zone = `${namespace}.svc.cluster.local`
const names = [
  `*.db-headless.${zone}`,
  ...['db-api', 'db-leader', 'db-read'].flatMap((name) => [
    name,
    `${name}.${namespace}`,
    `${name}.${zone}`,
  ]),
]
const [oldLeaf, newLeaf] = [await makeLeaf(oldRoot, names), await makeLeaf(newRoot, names)]
const both = oldRoot.certificate + newRoot.certificate

const tls = (leaf: typeof oldLeaf, roots: string) => ({
  'tls.crt': leaf.certificate,
  'tls.key': leaf.key,
  'ca.crt': roots,
})
const secret = (name: string) => store.core('secrets', name)

async function makeSecret(name: string, stringData: Record<string, string>): Promise<void> {
  await kube.create(store.core('secrets'), { metadata: { name }, stringData })
}
await makeSecret('db-tls', tls(oldLeaf, oldRoot.certificate))
await makeSecret('tokens', { tokens: 'first\n' })
await makeSecret('peers', { secret: 'one\n' })
await helm.install('db', {
  set: [
    'tls.enabled=true',
    'tls.existingSecret=db-tls',
    'auth.enabled=true',
    'auth.existingSecret=tokens',
    'cluster.existingSecret=peers',
    'api.service.port=443',
    'tests.duration=5s',
  ],
  wait_s: READY_S_MAX,
})
const probe = await stage.probe()
const url = `https://db-api.${namespace}`
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const allPods = async () => [...(await store.pods('database')), ...(await store.pods('api'))]

const revision = async () => {
  const { text } = await probe.ask(`${url}/v1/cluster`, bearer(clientToken))
  return JSON.parse(text).revision as number
}
let clientToken = 'first'

/** How often a Pod has said something. */
async function count(pod: KubeObject, said: string): Promise<number> {
  return (await kube.text(store.core('pods', pod.metadata.name, 'log'))).split(said).length - 1
}

/** Changes Secrets, and waits until every Pod has read its new TLS files. */
async function change(turn: string, data: Record<string, Record<string, string>>): Promise<void> {
  const pods = await allPods()
  const said = 'TLS files reread'
  const before = await Promise.all(pods.map((pod) => count(pod, said)))
  for (const [name, stringData] of Object.entries(data)) {
    await kube.patch(secret(name), { stringData })
  }
  // A kubelet looks at a Pod's Secrets every minute or so, and at once when the Pod has changed.
  for (const { metadata } of pods) {
    const annotations = { turn }
    await kube.patch(store.core('pods', metadata.name), { metadata: { annotations } })
  }
  await until(
    `all have read what ${turn} brings`,
    async () => {
      const now = await Promise.all(pods.map((pod) => count(pod, said)))
      return now.every((times, at) => times > (before[at] as number))
    },
    150_000,
  )
}

stage.scenario('certificate, CA, token and peer secret change under load', async (t) => {
  const before = (await allPods()).map(({ metadata }) => metadata.uid)
  const tokens = await probe.file('tokens', 'first\n')
  const env = { NODE_EXTRA_CA_CERTS: await probe.file('ca.crt', both) }
  const load = await startLoad(probe, { url, revision }, ['--token-file', tokens], env)
  await change('trust', {
    'db-tls': tls(oldLeaf, both),
    tokens: { tokens: 'second\nfirst\n' },
    peers: { secret: 'two\none\n' },
  })
  await load.goesOn()
  await probe.file('tokens', 'second\n')
  clientToken = 'second'
  await change('leaf', { 'db-tls': tls(newLeaf, both) })
  await load.goesOn()
  await change('end', {
    'db-tls': tls(newLeaf, newRoot.certificate),
    tokens: { tokens: 'second\n' },
    peers: { secret: 'two\n' },
  })
  await load.goesOn()
  const verdict = await load.end()
  const after = await allPods()
  t.same(
    after.map(({ metadata }) => metadata.uid),
    before,
    'no Pod is another one',
  )
  t.same(
    after.map((pod) => restarts(pod)),
    after.map(() => 0),
    'nothing was started again',
  )
  t.equal(verdict.exitCode, 0, verdict.headline)
  t.same(verdict.failed, {}, 'no failed request')
  return verdictText(verdict)
})

stage.scenario('who has not the new ones is refused', async (t) => {
  const { status } = await probe.ask(`${url}/v1/whoami`, bearer('second'))
  t.equal(status, 200)
  await until('the old token is refused', async () => {
    return (await probe.ask(`${url}/v1/whoami`, bearer('first'))).status === 401
  })
  t.equal((await probe.ask(`${url}/v1/whoami`)).status, 401, 'no token')
  const folder = { ORDINAL_TLS_FOLDER: '/tmp', ORDINAL_CLUSTER: 'db', ORDINAL_NAMESPACE: namespace }
  const own = { ORDINAL_NAME: 'stranger', ORDINAL_SERVICE: 'db-headless' }
  const doctor = async (leaf: typeof oldLeaf, roots: string, peer?: string) => {
    for (const [name, text] of Object.entries(tls(leaf, roots))) await probe.file(name, text)
    const file = peer === undefined ? '' : await probe.file('peers', peer)
    const environment = { ...folder, ...own, ORDINAL_PEER_SECRET_FILE: file }
    const { out } = await probe.run(['doctor', '--json'], environment)
    const { findings } = JSON.parse(out) as { findings: { check: string; text: string }[] }
    return findings.filter(({ check }) => check === 'peer').map(({ text }) => text)
  }
  // A DNS that caches may not name all three yet.
  await until('a friend is let in by all', async () => {
    const right = await doctor(newLeaf, newRoot.certificate, 'two\n')
    return right.filter((text) => /leader|follower/.test(text)).length === 3
  })
  for (const [what, peer] of [
    ['a secret of old', 'one\n'],
    ['no secret', undefined],
  ] as const) {
    const told = await doctor(newLeaf, newRoot.certificate, peer)
    t.same(
      told.map((text) => /secret/.test(text)),
      [true, true, true],
      what,
    )
  }
  const wrongRoot = await doctor(oldLeaf, both, 'two\n')
  t.notOk(
    wrongRoot.some((text) => /leader|follower/.test(text)),
    'a certificate of old',
  )
})

stage.scenario('helm test holds with all of it', async (t) => {
  await helm.call(['test', 'db', '--timeout', '90s'])
  const verify = await podEnded(stage, 'db-test-verify')
  t.match(verify.log, /Verdict: linearizable/)
})
