/**
 * A leader is stopped for longer than an election takes and goes on as if nothing had happened
 * (`kill -STOP`, `-CONT`): it must not answer from the past.
 */

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Client, codeOf } from './client.ts'
import { startCluster } from './harness.ts'
import { full, timeout_ms } from './rounds.ts'

const PAUSE_MS = full ? 10_000 : 3000
/** Reads go on after the pause until so many were answered. */
const READS_AFTER = 200
const READ_EVERY_MS = 10
/** The paused leader answers none, so they gather: one every READ_EVERY_MS. */
const OPEN_READS_MAX = 2 * (PAUSE_MS / READ_EVERY_MS)
/** Each read may wait through the pause and be answered after it. */
const READ_TIMEOUT = '20s'
const KEY = '/v1/kv/clock'

t.setTimeout(timeout_ms)

type Place = { readonly name: string; readonly client: Client; answered: number; refused: number }

t.test('a leader that was paused never answers a read from before', async (t) => {
  t.setTimeout(timeout_ms)
  const cluster = await startCluster({ env: { ORDINAL_HAND_BACK_AFTER: '2s' } })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const leader = await cluster.waitFor('somebody leads', () => cluster.leader())

  // One writer: what it was told last is what a later read must at least see.
  const writer = new Client(cluster.url, 1)
  let acknowledged = 0
  let stopping = false
  const writing = (async () => {
    for (let value = 1; !stopping; value += 1) {
      const outcome = await writer.put(KEY, String(value))
      if (outcome.type === 'done') acknowledged = value
    }
  })()
  await cluster.waitFor('something is written', () => acknowledged > 50)

  const stale: string[] = []
  const late = { answered: 0 }
  let phase = 'before'
  const read = async (place: Place) => {
    const called = { least: acknowledged, phase }
    const path = `${KEY}?timeout=${READ_TIMEOUT}`
    const answer = await place.client.request('GET', path).catch((error: unknown) => {
      if (codeOf(error) === undefined) throw error
      return undefined
    })
    if (answer?.status !== 200) {
      place.refused += 1
      return
    }
    place.answered += 1
    if (called.phase === 'during' && place.name === leader) late.answered += 1
    const value = Number(answer.text)
    if (value >= called.least) return
    stale.push(
      `${place.name}, called ${called.phase} the pause: ${value} after ${called.least}, ` +
        `by ${answer.headers['ordinal-served-by']}`,
    )
  }
  const places: Place[] = [
    { name: leader, url: cluster.replicaUrls(leader).client },
    ...cluster.apiUrls.map((url, index) => ({ name: `api-${index}`, url })),
  ].map(({ name, url }) => ({
    name,
    client: new Client(url, OPEN_READS_MAX),
    answered: 0,
    refused: 0,
  }))
  const open = new Set<Promise<void>>()
  const reading = (async () => {
    while (!stopping) {
      for (const place of places) {
        if (open.size >= OPEN_READS_MAX) break
        const one = read(place).finally(() => open.delete(one))
        open.add(one)
      }
      await delay(READ_EVERY_MS)
    }
  })()

  const direct = places[0] as Place
  await cluster.waitFor('reads are answered', () => direct.answered > 50)
  const paused_ms = performance.now()
  cluster.kill(leader, 'SIGSTOP')
  phase = 'during'
  await cluster.waitFor('another leads', async () => (await cluster.leader()) !== leader)
  const before = acknowledged
  await cluster.waitFor('writes go on', () => acknowledged > before + 20)
  await delay(Math.max(0, PAUSE_MS - (performance.now() - paused_ms)))
  const written = acknowledged - before
  cluster.kill(leader, 'SIGCONT')
  phase = 'after'
  const answered = direct.answered
  await cluster.waitFor('it answers again', () => direct.answered > answered + READS_AFTER)
  await cluster.waitFor('it leads again', async () => (await cluster.leader()) === leader, 60_000)
  stopping = true
  await Promise.all([writing, reading])
  await Promise.all(open)
  for (const client of [writer, ...places.map((place) => place.client)]) await client.close()

  t.strictSame(stale, [], 'no read called after an acknowledged write returned an older value')
  t.ok(late.answered > 0, 'reads sent to it while it was paused were answered afterwards')
  t.ok(written >= 20, 'others wrote meanwhile')
  t.comment(`paused ${PAUSE_MS} ms, ${written} writes meanwhile`)
  for (const { name, answered, refused } of places) {
    t.comment(`${name}: ${answered} reads answered, ${refused} refused`)
  }
  t.comment(`${late.answered} of those sent to ${leader} during the pause were answered`)
})
