/**
 * The clients of the suite: each asks one thing after another of a few keys that all of them use,
 * and records what it was told. Keys are left behind for new ones now and then, so that no key's
 * history grows beyond what can be checked.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import type { Action, Operation, Outcome } from '../../src/verifier/history.ts'
import { randomFrom } from '../contracts/random.ts'

export type WorkloadOptions = {
  readonly url: string
  readonly clients: number
  /** Operations a second, all clients together. */
  readonly rate: number
  readonly seed: number
}

export type Workload = {
  readonly operations: readonly Operation[]
  /** When writes were acknowledged, by `performance.now()`, in order. */
  readonly acks_ms: readonly number[]
  /** Ends when each client has ended its last operation and each key was read a last time. */
  stop(): Promise<void>
}

const KEYS = 12
/** Operations on a set of keys before the next set. */
const OPERATIONS_OF_A_SET = 3000
const REQUEST_MS_MAX = 20_000
const TIMEOUT = '3s'
const LAST_READ_TRIES = 20
const NEVER_SENT = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT'])

type Known = { readonly etag: string; readonly revision: number }

/** Starts the clients. */
export function startWorkload(options: WorkloadOptions): Workload {
  const { url, clients, rate, seed } = options
  const pool = new Pool(url, { connections: clients, pipelining: 1, keepAliveTimeout: 2000 })
  const operations: Operation[] = []
  const acks_ms: number[] = []
  const keys = new Set<string>()
  let stopping = false
  let id = 0

  const call = async (process: number, key: string, action: Action, known: Known | undefined) => {
    const number = id++
    keys.add(key)
    const call_us = performance.now() * 1000
    const { outcome, etag } = await ask(pool, key, action, known)
    const now_ms = performance.now()
    if (outcome.type === 'written' || outcome.type === 'deleted') acks_ms.push(now_ms)
    const never = outcome.type === 'unknown'
    const return_us = never ? undefined : now_ms * 1000
    operations.push({ id: number, process, key, call_us, return_us, action, outcome })
    return { outcome, etag }
  }

  const run = async (process: number) => {
    const random = randomFrom(seed + process)
    const known = new Map<string, Known>()
    let newest = 0
    for (let turn = 0; !stopping; turn += 1) {
      const begun_ms = performance.now()
      const set = Math.floor(operations.length / OPERATIONS_OF_A_SET)
      // Half of all on two keys.
      const hot = random() < 0.5 ? 2 : KEYS
      const key = `faults/${set}/${Math.floor(random() * hot)}`
      const last = known.get(key)
      const action = choose(random, { value: `${process}-${turn}`, last, newest })
      const { outcome, etag } = await call(process, key, action, last)
      if ('revision' in outcome && outcome.revision !== undefined) {
        newest = Math.max(newest, outcome.type === 'condition-failed' ? 0 : outcome.revision)
        if (etag !== undefined) known.set(key, { etag, revision: outcome.revision })
      }
      const wait_ms = (clients * 1000) / rate - (performance.now() - begun_ms)
      await delay(Math.max(1, wait_ms))
    }
  }

  const running = Promise.all(Array.from({ length: clients }, (_, process) => run(process)))
  return {
    operations,
    acks_ms,
    stop: async () => {
      stopping = true
      await running
      for (const key of keys) {
        for (let tries = LAST_READ_TRIES; tries > 0; tries -= 1) {
          const { outcome } = await call(clients, key, { type: 'read' }, undefined)
          if (outcome.type === 'found' || outcome.type === 'absent') break
          await delay(100)
        }
      }
      await pool.destroy()
    },
  }
}

function choose(
  random: () => number,
  now: { value: string; last: Known | undefined; newest: number },
): Action {
  const { value, last, newest } = now
  const draw = random()
  if (draw < 0.3) return { type: 'put', value }
  if (draw < 0.45) {
    const condition =
      last === undefined
        ? ({ type: 'absent' } as const)
        : ({ type: 'revision', revision: last.revision } as const)
    return { type: 'put', value, condition }
  }
  if (draw < 0.53) return { type: 'delete' }
  if (draw < 0.85) return { type: 'read' }
  return random() < 0.5
    ? { type: 'stale-read', minRevision: newest }
    : { type: 'stale-read', maxStale_ms: 500 }
}

type Asked = { readonly outcome: Outcome; readonly etag?: string }

async function ask(
  pool: Pool,
  key: string,
  action: Action,
  known: Known | undefined,
): Promise<Asked> {
  const query = new URLSearchParams({ timeout: TIMEOUT })
  const headers: Record<string, string> = {}
  if (action.type === 'stale-read') {
    query.set('consistency', 'stale')
    if (action.maxStale_ms !== undefined) query.set('maxStale', `${action.maxStale_ms}ms`)
    if (action.minRevision !== undefined) query.set('minRevision', String(action.minRevision))
  }
  if ('condition' in action) {
    if (action.condition?.type === 'absent') headers['if-none-match'] = '*'
    else if (known !== undefined) headers['if-match'] = known.etag
  }
  const method = action.type === 'put' ? 'PUT' : action.type === 'delete' ? 'DELETE' : 'GET'
  try {
    const answer = await pool.request({
      method,
      path: `/v1/kv/${key}?${query}`,
      headers,
      ...(action.type === 'put' ? { body: action.value } : {}),
      headersTimeout: REQUEST_MS_MAX,
      bodyTimeout: REQUEST_MS_MAX,
    })
    const text = await answer.body.text()
    return outcomeOf(action, { status: answer.statusCode, headers: answer.headers, text })
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (typeof code !== 'string') throw error
    return { outcome: { type: NEVER_SENT.has(code) ? 'fail' : 'unknown', code } }
  }
}

type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

function outcomeOf(action: Action, { status, headers, text }: Answer): Asked {
  const figure = (name: string) => Number(headers[name])
  const etag = headers['etag']
  const tagged = typeof etag === 'string' ? { etag } : {}
  const age = headers['ordinal-age-ms'] === undefined ? {} : { age_ms: figure('ordinal-age-ms') }
  const seen = figure('ordinal-revision')
  const isRead = action.type === 'read' || action.type === 'stale-read'
  if (isRead && status === 200) {
    const revision = Number(/-(\d+)"$/.exec(String(etag))?.[1])
    const version = figure('ordinal-version')
    return { outcome: { type: 'found', value: text, revision, version, seen, ...age }, ...tagged }
  }
  if (isRead && status === 404) return { outcome: { type: 'absent', seen, ...age } }
  const body = JSON.parse(text) as { revision?: number; outcome?: string; code?: string }
  const revision = body.revision ?? 0
  if (status === 200 || status === 201) {
    if (action.type === 'delete') return { outcome: { type: 'deleted', revision } }
    return { outcome: { type: 'written', revision, created: status === 201 }, ...tagged }
  }
  if (status === 404 && action.type === 'delete') return { outcome: { type: 'absent' } }
  if (status === 412) return { outcome: { type: 'condition-failed', revision }, ...tagged }
  const code = body.code ?? String(status)
  if (isRead || body.outcome === 'not-applied') return { outcome: { type: 'fail', code } }
  return { outcome: { type: 'unknown', code } }
}
