/**
 * Everything that guards a cluster is changed while it works: certificate, CA, client token, peer
 * secret. No request fails and no process starts again; who has not the new one is refused.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { freePorts } from '../../../src/local/free-ports.ts'
import { tlsContent } from '../../unit/tls/folders.ts'
import { until } from '../until.ts'
import {
  askOnce,
  client,
  environmentOf,
  type GuardedLoad,
  mountsOf,
  SecuredCluster,
  startGuardedLoad,
} from './secured-cluster.ts'

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))

type Environment = Record<string, string | undefined>
type Finding = { check: string; about: string; state: string; text: string }
type Report = { ok: boolean; findings: readonly Finding[] }

function ordinal(t: Test, args: readonly string[], env: Environment) {
  // The test runner preloads code into every process that a test starts; this takes it out.
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  })
  t.teardown(() => child.kill('SIGKILL'))
  const run = { child, out: '', errors: '' }
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    run.errors += part
  })
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    run.out += part
  })
  return run
}

/** What the doctor finds with the environment of this process, and changes to it. */
async function doctor(t: Test, env: Environment, args: readonly string[] = []): Promise<Report> {
  const run = ordinal(t, ['doctor', '--json', ...args], env)
  const [code] = await once(run.child, 'close')
  const report = JSON.parse(run.out) as Report
  t.equal(code, report.ok ? 0 : 1, 'the exit code says the same')
  return report
}

const failed = ({ findings }: Report) =>
  findings.filter(({ state }) => state === 'failed').map(({ about, text }) => `${about}: ${text}`)

/** The load goes on. Every other request of it comes over a connection of its own. */
async function goesOn(t: Test, what: string, load: GuardedLoad) {
  const { done } = load
  await until('the load goes on', () => load.done > done + 10)
  t.same(load.failures, [], `no failed request until after ${what}`)
}

/** New links to each replica are made as ever. */
async function linksGoOn(t: Test, what: string, secured: SecuredCluster) {
  t.same(failed(await doctor(t, secured.environment('api-0'))), [], `the doctor after ${what}`)
}

t.test('all that guards a cluster is changed under load', async (t) => {
  const secured = await SecuredCluster.start(t)
  const { cluster, url } = secured
  await until('the balanced port answers', () => askOnce(`${url}/livez`))
  const load = startGuardedLoad(url, 3)
  t.teardown(() => load.stop())

  client.authorities = ['ca-a', 'ca-b']
  await secured.replace('tls', tlsContent('leaf-a', 'ca-a', 'ca-b'))
  await goesOn(t, 'trust in both CAs', load)
  await secured.replace('tls', tlsContent('leaf-b', 'ca-a', 'ca-b'))
  await linksGoOn(t, 'a certificate of the new CA', secured)
  await goesOn(t, 'a certificate of the new CA', load)
  await secured.replace('tls', tlsContent('leaf-b', 'ca-b'))
  await linksGoOn(t, 'the end of the old CA', secured)
  await goesOn(t, 'the end of the old CA', load)

  await secured.replace('tokens', { tokens: 'second\nfirst\n' })
  client.token = 'second'
  // Each client is past its last request with the first token.
  await goesOn(t, 'two tokens', load)
  await secured.replace('tokens', { tokens: 'second\n' })
  await goesOn(t, 'the end of the first token', load)

  for (const secret of ['two\none\n', 'two\n']) {
    await secured.replace('peers', { secret })
    await linksGoOn(t, `the peer secret ${JSON.stringify(secret)}`, secured)
    await goesOn(t, `the peer secret ${JSON.stringify(secret)}`, load)
  }
  await load.stop()
  t.ok(load.done > 100, `${load.done} writes and reads`)
  t.same(load.failures, [])
  for (const { name, restarts } of cluster.local.view().processes) t.equal(restarts, 0, name)

  await t.test('who has not the new ones is refused', (t) => refusals(t, secured))
  await t.test('a replica that starts again links both ways', (t) => restart(t, secured))
})

async function refusals(t: Test, secured: SecuredCluster): Promise<void> {
  const { cluster, url } = secured
  const port = (name: string) => `https://127.0.0.1:${cluster.process(name).ports.client}`
  for (const at of [url, port('db-0'), port('api-1')]) {
    t.equal((await askOnce(`${at}/v1/whoami`, { token: 'first' })).status, 401, `${at}: old token`)
    t.equal((await askOnce(`${at}/v1/kv/x`)).status, 401, `${at}: no token`)
    t.equal((await askOnce(`${at}/v1/whoami`, { token: 'second' })).status, 200)
    t.equal((await askOnce(`${at}/livez`)).status, 200, 'a probe needs none')
  }
  t.equal((await askOnce(`${port('db-0')}/faults`)).status, 401)
  t.equal((await askOnce(`${port('db-0')}/status`)).status, 401)
  const bootstrap = `${port('db-0')}/v1/bootstrap`
  const asked = await askOnce(bootstrap, { method: 'POST', token: 'second' })
  t.match(JSON.parse(asked.text), { status: 401, detail: /the peers’ shared secret/ })
  const { ORDINAL_TLS_FOLDER: folder, ORDINAL_PEER_SECRET_FILE: file } = secured.environment(
    'api-0',
  ) as Record<string, string>
  const files = ['--secret-file', String(file), '--tls-folder', String(folder)]
  const forced = ordinal(t, ['bootstrap', '--force', '--url', port('db-0'), ...files], process.env)
  await once(forced.child, 'close')
  t.match(forced.errors, /refused: the cluster has a leader/, 'it takes the peer secret, over TLS')
  await t.rejects(fetch(url.replace('https', 'http')), 'plain HTTP')

  // An API server with the certificates of yesterday, and one with the secret of yesterday.
  const good = { tls: tlsContent('leaf-b', 'ca-b'), tokens: 'second\n', secret: 'two\n' }
  const strangers = [
    { code: 'tls-refused', content: { ...good, tls: tlsContent('leaf-a', 'ca-a', 'ca-b') } },
    { code: 'unauthorized', content: { ...good, secret: 'one\n' } },
  ]
  for (const { code, content } of strangers) {
    const [client, metrics] = await freePorts(2)
    const stranger = ordinal(t, ['api'], {
      ...secured.environment('api-0'),
      ...environmentOf(mountsOf(t, content)),
      ORDINAL_SHARED_PORT: undefined,
      ORDINAL_NAME: 'stranger',
      ORDINAL_CLIENT_PORT: String(client),
      ORDINAL_METRICS_PORT: String(metrics),
    })
    const refusal = new RegExp(
      `"ordinal":(\\d),"code":"${code}","msg":"no link with a replica"`,
      'g',
    )
    const ordinals = () => [...stranger.out.matchAll(refusal)].map(([, ordinal]) => ordinal).sort()
    await until(`it says ${code} of each replica`, () => ordinals().length >= 3)
    t.same(ordinals(), ['0', '1', '2'], `${code}, once of each replica`)
    t.notMatch(stranger.out, 'linked to replica')
    const readyz = await fetch(`http://127.0.0.1:${metrics}/readyz`)
    t.equal(readyz.status, 503, 'it takes no clients')
    stranger.child.kill('SIGKILL')
  }
  const why = /tls-refused: \S+ came to the peer port, and its certificate is not signed by a CA/
  t.match(await secured.notesOf('db-1'), [why], 'the replica says so, too')
  t.match(secured.logOf('db-1'), /a caller at the peer port was refused/)

  const env = secured.environment('api-0')
  const old = environmentOf(mountsOf(t, { ...good, secret: 'one\n', tokens: 'first\n' }))
  const inside = await doctor(t, { ...env, ...old })
  t.match(failed(inside), [/^db-0: .*secret/, /^db-1: .*secret/, /^db-2: .*secret/])
  const outside = await doctor(t, { ...env, ...old }, ['--url', url])
  t.match(failed(outside), [`${url}: it wants a token`])
  t.ok((await doctor(t, env, ['--url', url])).ok, 'with the new ones all is well')
}

async function restart(t: Test, secured: SecuredCluster): Promise<void> {
  const { cluster } = secured
  const pid = cluster.pid('db-2')
  cluster.kill('db-2')
  await until('db-2 is back', () => {
    const { ready, pid: now } = cluster.process('db-2')
    return ready && now !== pid
  })
  type Peer = { ordinal: number; connected: boolean }
  for (const name of ['db-0', 'db-1', 'db-2']) {
    await until(`${name} has dialed both others`, async () => {
      const { metrics } = cluster.replicaUrls(name)
      const { peers } = (await (await fetch(`${metrics}/status`)).json()) as { peers: Peer[] }
      return peers.length === 2 && peers.every(({ connected }) => connected)
    })
  }
  t.notMatch(secured.logOf('db-2'), 'refused by a peer')
}
