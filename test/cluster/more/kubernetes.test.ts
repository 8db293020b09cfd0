/**
 * Real processes and a Kubernetes API server that is not one: label, marker, Events and the doctor
 * with the rights of the chart's Role, and writes that go on when that server is gone.
 */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { NAMESPACE } from '../../unit/kubernetes/fake-api-server.ts'
import { apiServer } from '../../unit/kubernetes/opened.ts'
import { Client } from '../client.ts'
import { getJson, startCluster } from '../harness.ts'
import { timeout_ms } from '../rounds.ts'

const MARKER_PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps/db-marker`
const MAIN = join(import.meta.dirname, '../../../src/main.ts')

t.setTimeout(timeout_ms)

t.test('a cluster that asks Kubernetes, with and without an answer', async (t) => {
  t.setTimeout(timeout_ms)
  const api = await apiServer(t, { secure: true })
  const env = {
    ORDINAL_KUBERNETES: 'on',
    ORDINAL_STATEFULSET: 'db',
    ORDINAL_MARKER: 'db-marker',
    ORDINAL_NAMESPACE: NAMESPACE,
    ORDINAL_ACCOUNT_FOLDER: api.account.path,
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String(api.port),
  }
  const cluster = await startCluster({ env })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const client = new Client(cluster.url, 4)
  t.teardown(() => client.close())
  const labelled = () => ['db-0', 'db-1', 'db-2'].filter((name) => api.labelOf(name) === 'leader')
  const reasons = () => api.events().map(({ reason }) => reason)
  const notes = async (name: string) => {
    const url = `${cluster.replicaUrls(name).metrics}/status`
    return (await getJson<{ notes: readonly string[] }>(url)).notes
  }

  await cluster.waitFor('the leader is labelled', async () => {
    return labelled().join() === (await cluster.leader())
  })
  await cluster.waitFor('the marker is written', () => api.get(MARKER_PATH)?.['data'])
  const status = await getJson<{ cluster: { clusterId: string } }>(
    `${cluster.replicaUrls('db-0').metrics}/status`,
  )
  t.match(api.get(MARKER_PATH)?.['data'], { clusterId: status.cluster.clusterId })
  await cluster.waitFor('Events tell of it', () => {
    return reasons().includes('ClusterFormed') && reasons().includes('BecameLeader')
  })
  t.same(await notes('db-0'), [])

  await t.test('the label follows the lead', async (t) => {
    await cluster.down('db-0')
    await cluster.waitFor('another one is labelled, and it alone', async () => {
      const [only, ...more] = labelled()
      return more.length === 0 && only !== 'db-0' && only === (await cluster.leader())
    })
    cluster.start('db-0')
    await cluster.waitFor('it is handed back', () => labelled().join() === 'db-0')
    t.equal(await cluster.leader(), 'db-0')
  })

  await t.test('a killed leader’s label is taken off by the next one', async (t) => {
    await cluster.crash('db-0')
    t.equal(api.labelOf('db-0'), 'leader', 'it could not do it itself')
    await cluster.waitFor('it is off', async () => labelled().join() === (await cluster.leader()))
    cluster.start('db-0')
    await cluster.waitFor('it is handed back', () => labelled().join() === 'db-0')
  })

  await t.test('the doctor finds all in order', async (t) => {
    const { metrics } = cluster.replicaUrls('db-0')
    const doctor = await promisify(execFile)('node', [MAIN, 'doctor', '--json'], {
      env: {
        PATH: process.env['PATH'],
        ...env,
        ORDINAL_METRICS_PORT: new URL(metrics).port,
        ORDINAL_DNS_SERVERS: '127.0.0.1:9',
      },
    }).catch((error: { stdout: string }) => error)
    type Finding = { check: string; state: string }
    const { findings } = JSON.parse(doctor.stdout) as { findings: Finding[] }
    const own = new Set(['rbac', 'statefulset', 'marker', 'label'])
    t.same(
      findings.filter(({ check }) => own.has(check)).map(({ check, state }) => [check, state]),
      [...own].map((check) => [check, 'ok']),
    )
  })

  await t.test('without that server the store goes on', async (t) => {
    await api.vanish()
    await cluster.waitFor('it is noted', async () =>
      /cannot be reached/.test(String(await notes('db-0'))),
    )
    await cluster.crash('db-1')
    for (let at = 0; at < 20; at += 1) {
      const answer = await client.request('PUT', `/v1/kv/without-${at}`, { body: 'x' })
      t.equal(answer.status, 201)
    }
    cluster.start('db-1')
    await cluster.waitFor('who starts now is a member again', async () => {
      const { ready } = await getJson<{ ready: boolean }>(
        `${cluster.replicaUrls('db-1').metrics}/status`,
      )
      return ready
    })
    const said = cluster.logTail('db-0', 1000).match(/API cannot be reached/g) ?? []
    t.equal(said.length, 1, 'it is said once')
    await api.appear()
    await cluster.waitFor('it is well again', async () => (await notes('db-0')).length === 0)
  })
})
