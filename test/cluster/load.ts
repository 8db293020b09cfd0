/**
 * Clients that write without a pause and know what must be true afterwards. Each increments keys of
 * its own by If-Match with the ETag it saw last, and creates others by If-None-Match: since nobody
 * else touches them, a 412 means that something took effect twice, or after it was said not to.
 *
 *     const load = startLoad({ url, clients: 32 })
 *     …break things…
 *     await load.stop()
 *     t.strictSame(await load.check(), [])
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Client, type Condition, codeOf, type WriteOutcome } from './client.ts'

/** After a refusal a client waits as long as its server's next word may take. */
const REFUSED_PAUSE_MS = 10
/** Of so many operations of a client one creates a key. */
const CREATE_EVERY = 8
const PAGE_KEYS = 1000

export type LoadOptions = {
  readonly url: string
  readonly clients: number
  /** Pause between two operations of a client, ms; 0 if absent. */
  readonly pause_ms?: number
  /** Deadline of a write, as a query says it; the server's default if absent. */
  readonly timeout?: string
}

type Counter = {
  readonly path: string
  readonly key: string
  value: number
  etag: string | undefined
  acknowledged: number
  unknown: number
}

type Created = { readonly key: string; readonly sure: boolean }

type Listed = { readonly key: string; readonly version: number }

export type Load = {
  /** Acknowledged writes so far. */
  readonly acknowledged: number
  /** Writes of unknown outcome so far. */
  readonly unknown: number
  /** Operations that got no success (refused or unknown), by code. */
  readonly failures: ReadonlyMap<string, number>
  /** Longest time without an acknowledged write since `since_ms` (performance.now()). */
  gap_ms(since_ms: number): number
  /** Ends when each client has ended its last operation. */
  stop(): Promise<void>
  /** All that is wrong: what the clients met, and what differs from what was acknowledged. */
  check(url?: string): Promise<string[]>
}

/** Starts the clients; they go on until `stop`. */
export function startLoad(options: LoadOptions): Load {
  const { url, clients, pause_ms = 0, timeout } = options
  const query = timeout === undefined ? '' : `?timeout=${timeout}`
  const client = new Client(url, clients)
  const found: string[] = []
  const acks_ms: number[] = []
  const failures = new Map<string, number>()
  const counters: Counter[] = []
  const created: Created[] = []
  let unknown = 0
  let stopping = false

  const tally = (what: string, outcome: WriteOutcome) => {
    if (outcome.type === 'done') acks_ms.push(performance.now())
    else if (outcome.type === 'condition-failed') {
      found.push(`412 for ${what}: ${outcome.problem.detail}`)
    } else {
      if (outcome.type === 'unknown') unknown += 1
      failures.set(outcome.code, (failures.get(outcome.code) ?? 0) + 1)
    }
  }

  const write = async (what: string, body: string, condition: Condition) => {
    const outcome = await client.put(`/v1/kv/${what}${query}`, body, condition)
    tally(what, outcome)
    return outcome
  }

  const increment = async (counter: Counter) => {
    const condition = counter.etag === undefined ? CREATE : { 'if-match': counter.etag }
    const outcome = await write(counter.key, String(counter.value + 1), condition)
    if (outcome.type === 'done') {
      counter.acknowledged += 1
      counter.value += 1
      counter.etag = outcome.etag
    } else if (outcome.type === 'refused') await delay(REFUSED_PAUSE_MS)
    else {
      if (outcome.type === 'unknown') counter.unknown += 1
      await reread(counter)
    }
  }

  /** After an unknown outcome only a read tells which ETag is the last. */
  const reread = async (counter: Counter) => {
    for (;;) {
      const answer = await client.request('GET', counter.path).catch((error: unknown) => {
        if (codeOf(error) === undefined) throw error
        return undefined
      })
      if (answer?.status === 200) {
        counter.value = Number(answer.text)
        counter.etag = String(answer.headers['etag'])
        const { acknowledged, value } = counter
        const most = acknowledged + counter.unknown
        if (value < acknowledged || value > most) {
          found.push(`${counter.key} is ${value} and not within ${acknowledged}…${most}`)
        }
        return
      }
      if (answer?.status === 404) {
        if (counter.acknowledged > 0) found.push(`${counter.key} is gone`)
        counter.value = 0
        counter.etag = undefined
        return
      }
      if (stopping) return
      await delay(REFUSED_PAUSE_MS)
    }
  }

  const create = async (key: string) => {
    while (!stopping) {
      const outcome = await write(key, key, CREATE)
      if (outcome.type === 'refused') {
        await delay(REFUSED_PAUSE_MS)
        continue
      }
      if (outcome.type === 'done') {
        if (outcome.status !== 201) found.push(`${outcome.status} for the creation of ${key}`)
        created.push({ key, sure: true })
      } else if (outcome.type === 'unknown') created.push({ key, sure: false })
      return
    }
  }

  const run = async (number: number) => {
    const key = `load/${number}/counter`
    const counter: Counter = {
      path: `/v1/kv/${key}`,
      key,
      value: 0,
      etag: undefined,
      acknowledged: 0,
      unknown: 0,
    }
    counters.push(counter)
    for (let turn = 1; !stopping; turn += 1) {
      if (turn % CREATE_EVERY === 0) await create(`load/${number}/new/${turn}`)
      else await increment(counter)
      if (pause_ms > 0) await delay(pause_ms)
    }
  }

  const running = Promise.all(Array.from({ length: clients }, (_, number) => run(number)))
  return {
    get acknowledged() {
      return acks_ms.length
    },
    get unknown() {
      return unknown
    },
    failures,
    gap_ms: (since_ms) => longestGap(acks_ms, since_ms),
    stop: async () => {
      if (stopping) return
      stopping = true
      await running
      await client.close()
    },
    check: async (from = url) => [...found, ...(await differences(from, { counters, created }))],
  }
}

const CREATE: Condition = { 'if-none-match': '*' }

function longestGap(acks_ms: readonly number[], since_ms: number): number {
  let before_ms = since_ms
  let longest_ms = 0
  for (const at_ms of acks_ms) {
    if (at_ms < since_ms) continue
    longest_ms = Math.max(longest_ms, at_ms - before_ms)
    before_ms = at_ms
  }
  return Math.round(Math.max(longest_ms, performance.now() - before_ms))
}

/** Reads everything back and compares it with what the clients know. */
async function differences(
  url: string,
  known: { counters: readonly Counter[]; created: readonly Created[] },
): Promise<string[]> {
  const wrong: string[] = []
  const versions = await listAll(url, 'load/')
  for (const { key, path, acknowledged, unknown } of known.counters) {
    const answer = await fetch(`${url}${path}`)
    const text = await answer.text()
    const value = answer.status === 404 ? 0 : Number(text)
    const most = acknowledged + unknown
    if (!(value >= acknowledged && value <= most)) {
      wrong.push(`${key} is ${value} (${answer.status}) and not within ${acknowledged}…${most}`)
    }
    // Each increment that took effect changed the key once.
    if (value > 0 && versions.get(key) !== value) {
      wrong.push(`${key} is ${value} and changed ${versions.get(key)} times`)
    }
    versions.delete(key)
  }
  for (const { key, sure } of known.created) {
    const version = versions.get(key)
    if (sure && version === undefined) wrong.push(`${key} was acknowledged and is missing`)
    if (version !== undefined && version !== 1) wrong.push(`${key} was written ${version} times`)
    versions.delete(key)
  }
  for (const key of versions.keys()) wrong.push(`${key} is there and nobody was told of it`)
  return wrong
}

/** All keys under a prefix with their versions, in one linearizable page after another. */
export async function listAll(url: string, prefix: string): Promise<Map<string, number>> {
  const versions = new Map<string, number>()
  let after: string | undefined
  do {
    const query = new URLSearchParams({ prefix, limit: String(PAGE_KEYS) })
    if (after !== undefined) query.set('after', after)
    const answer = await fetch(`${url}/v1/kv?${query}`)
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`the listing failed: ${answer.status} ${text}`)
    const page = JSON.parse(text) as { keys: readonly Listed[]; next?: string }
    for (const { key, version } of page.keys) versions.set(key, version)
    after = page.next
  } while (after !== undefined)
  return versions
}
