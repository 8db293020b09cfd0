/**
 * Two of three replicas down: what cannot be true is refused in time and says why, what may be old
 * is still answered, nobody is declared dead for it, and all comes back by itself.
 */

import t, { type Test } from 'tap'
import { type Answer, Client, problemOf } from './client.ts'
import { startCluster, type TestCluster } from './harness.ts'
import { statusOf } from './pictures.ts'
import { full, timeout_ms } from './rounds.ts'

const KEY = '/v1/kv/kept'
/** A refusal comes with its deadline; the rest is what a busy machine may take. */
const TIMEOUT_MS = 1000
const LATE_MS_MAX = 1500

t.setTimeout(timeout_ms)

t.test('two of three replicas down', async (t) => {
  t.setTimeout(timeout_ms)
  const cluster = await startCluster({ env: { ORDINAL_HAND_BACK_AFTER: '1s' } })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const client = new Client(cluster.url, 8)
  t.teardown(() => client.close())
  t.equal((await client.request('PUT', KEY, { body: 'old' })).status, 201)

  await t.test('both followers: the leader is left alone', (t) =>
    loseTwo(t, { cluster, client, survivor: 'db-0' }),
  )
  if (!full) return
  await t.test('the leader and a follower', async (t) => {
    await cluster.ready()
    await loseTwo(t, { cluster, client, survivor: 'db-2' })
    await cluster.ready()
  })
})

type Loss = { readonly cluster: TestCluster; readonly client: Client; readonly survivor: string }

async function loseTwo(t: Test, { cluster, client, survivor }: Loss): Promise<void> {
  const lost = ['db-0', 'db-1', 'db-2'].filter((name) => name !== survivor)
  await cluster.waitFor('db-0 leads', async () => (await cluster.leader()) === 'db-0', 60_000)
  const value = (await client.request('GET', KEY)).text
  await Promise.all(lost.map((name) => cluster.crash(name)))
  await cluster.waitFor('it is noticed', async () => {
    const status = await statusOf(cluster, survivor)
    return status.problem === 'quorum-lost'
  })

  const timed = async (method: 'GET' | 'PUT') => {
    const since_ms = performance.now()
    const body = method === 'PUT' ? { body: 'new' } : {}
    const answer = await client.request(method, `${KEY}?timeout=${TIMEOUT_MS}ms`, body)
    return { answer, took_ms: performance.now() - since_ms }
  }
  const [write, read] = await Promise.all([timed('PUT'), timed('GET')])
  refusal(t, 'a write', { ...write, lost })
  t.equal(problemOf(write.answer).outcome, 'not-applied', 'and surely did nothing')
  refusal(t, 'a linearizable read', { ...read, lost })

  const stale = await client.request('GET', `${KEY}?consistency=stale`)
  t.equal(stale.status, 200, 'a stale read goes on')
  t.equal(stale.text, value)
  t.match(stale.headers['ordinal-age-ms'], /^\d+$/, 'and says its age')
  const { client: face } = cluster.replicaUrls(survivor)
  const own = await fetch(`${face}${KEY}?consistency=stale`)
  t.equal(await own.text(), value, 'the survivor answers it as well')
  const ownRead = await fetch(`${face}${KEY}?timeout=${TIMEOUT_MS}ms`)
  t.equal(ownRead.status, 503, 'and refuses a linearizable one')
  await ownRead.text()

  await probes(t, cluster, survivor)
  await explained(t, { cluster, survivor, lost })

  cluster.start(lost[1] as string)
  await cluster.waitFor('writes are taken again', async () => {
    const answer = await client.request('PUT', `${KEY}?timeout=${TIMEOUT_MS}ms`, { body: survivor })
    return answer.status === 200
  })
  t.equal((await client.request('GET', KEY)).text, survivor, 'with one back all works by itself')
  cluster.start(lost[0] as string)
}

function refusal(
  t: Test,
  what: string,
  got: { answer: Answer; took_ms: number; lost: readonly string[] },
): void {
  const { answer, took_ms, lost } = got
  t.equal(answer.status, 503, `${what} is refused`)
  t.match(problemOf(answer), { code: 'quorum-lost', missing: lost, retry: true }, 'and says why')
  t.match(answer.headers['retry-after'], /^\d+$/)
  t.ok(took_ms < TIMEOUT_MS + LATE_MS_MAX, `within its deadline (${Math.round(took_ms)} ms)`)
}

/** Nobody is to be restarted, or taken out of a Service, for what another one lacks. */
async function probes(t: Test, cluster: TestCluster, survivor: string): Promise<void> {
  const probe = async (url: string) => {
    const answer = await fetch(url)
    await answer.text()
    return answer.status
  }
  for (const url of cluster.apiUrls) {
    t.equal(await probe(`${url}/readyz`), 200, 'the API server stays ready')
    t.equal(await probe(`${url}/livez`), 200)
  }
  t.equal(await probe(`${cluster.replicaUrls(survivor).client}/livez`), 200, 'the replica is live')
}

/**
 * The replica's own readiness lasts 30 s beyond its leader; the short form starts it again instead,
 * after which it has heard of none.
 */
async function explained(
  t: Test,
  { cluster, survivor, lost }: { cluster: TestCluster; survivor: string; lost: readonly string[] },
): Promise<void> {
  const { client: face, metrics } = cluster.replicaUrls(survivor)
  if (!full) {
    await cluster.crash(survivor)
    cluster.start(survivor)
  }
  const reason = await cluster.waitFor(
    'the replica is not ready',
    async () => {
      const answer = await fetch(`${metrics}/readyz`)
      const { reason } = (await answer.json()) as { reason?: string }
      return answer.status === 503 ? reason : undefined
    },
    40_000,
  )
  t.match(reason, new RegExp(`leader.*${lost.join(', ')}`), 'it says why it is not ready')
  t.equal((await fetch(`${face}/livez`)).status, 200, 'and is live')
  const stale = await cluster.waitFor('it answers stale reads', async () => {
    const answer = await fetch(`${face}${KEY}?consistency=stale`)
    const text = await answer.text()
    return answer.status === 200 ? { text, headers: answer.headers } : undefined
  })
  t.not(stale.text, '', 'from what it has')
}
