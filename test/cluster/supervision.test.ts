import t from 'tap'
import { getJson, startCluster } from './harness.ts'

type ClusterDocument = {
  readonly leader: { readonly name: string; readonly why: string } | null
  readonly replicas: readonly { readonly name: string; readonly role: string }[]
}

async function write(url: string, value: string): Promise<number> {
  return (await fetch(url, { method: 'PUT', body: value })).status
}

t.test('a killed leader is replaced, comes back, and leads again', async (t) => {
  const cluster = await startCluster({ env: { ORDINAL_HAND_BACK_AFTER: '1s' } })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const key = `${cluster.url}/v1/kv/greeting`
  t.equal(await write(key, 'one'), 201)
  t.equal(await cluster.leader(), 'db-0')

  const pid = cluster.pid('db-0')
  t.equal((await fetch(`${cluster.control}/processes/leader/kill`, { method: 'POST' })).status, 202)
  t.equal(await write(key, 'two'), 200, 'a write waits for the next leader')
  t.equal(await (await fetch(key)).text(), 'two')

  const isBack = () => cluster.process('db-0').ready && cluster.pid('db-0') !== pid
  await cluster.waitFor('db-0 is back', isBack)
  await cluster.waitFor('db-0 leads', async () => (await cluster.leader()) === 'db-0')
  t.equal(await (await fetch(key)).text(), 'two')
  const document = await getJson<ClusterDocument>(`${cluster.url}/v1/cluster`)
  t.match(document.leader, { name: 'db-0', why: 'lowest ordinal' })
  t.strictSame(
    document.replicas.map(({ name }) => name),
    ['db-0', 'db-1', 'db-2'],
  )
})

t.test('what was written is there after all were stopped and started again', async (t) => {
  const dataFolder = t.testdir({})
  const first = await startCluster({ dataFolder, api: 1 })
  t.teardown(() => first.stop())
  await first.ready()
  t.equal(await write(`${first.url}/v1/kv/kept`, 'value'), 201)
  await first.stop()
  const second = await startCluster({ dataFolder, api: 1, balancer: 'proxy' })
  t.teardown(() => second.stop())
  await second.ready()
  t.equal(await (await fetch(`${second.url}/v1/kv/kept`)).text(), 'value')
})
