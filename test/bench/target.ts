/**
 * What can be driven: a server, or a cluster of them, started by the benchmark on loopback.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Operation } from './options.ts'
import type { RequestSet } from './requests.ts'

export type TargetName = 'ordinal' | 'fastify' | 'etcd'

export type ProcessRef = { readonly name: string; readonly pid: number }

/** What a leader has counted since it started. */
export type BatchCounters = {
  /** Which process counted; figures of two leaders cannot be subtracted. */
  readonly leader: string
  readonly commands: number
  readonly proposals: number
  readonly syncedBatches: number
}

export type Target = {
  readonly name: TargetName
  /** One line for the report: what it is, in which version. */
  readonly about: string
  /** How a request can reach it; where there are two ways the faster one is tried out. */
  readonly ways: ReadonlyMap<string, number>
  requests(operation: Operation, keyCount: number): RequestSet
  processes(): Promise<readonly ProcessRef[]>
  counters(): Promise<BatchCounters | undefined>
  /** Writes a value and reads it back; throws if it is not the same. */
  check(): Promise<void>
}

const CALL_MS_MAX = 10_000
const POLL_MS = 100

/** A request outside the measurement, bounded in time; throws unless the status is 2xx. */
export async function call(
  url: string,
  options: { method?: string; body?: Buffer | string; headers?: Record<string, string> } = {},
): Promise<Response> {
  const signal = AbortSignal.timeout(CALL_MS_MAX)
  const answer = await fetch(url, { ...options, signal })
  if (answer.ok) return answer
  throw new Error(`${options.method ?? 'GET'} ${url}: ${answer.status} ${await answer.text()}`)
}

/**
 * Polls until `attempt` gives something else than undefined. A refusal counts as "not yet" and is
 * the cause told at the end. `alive` throws when waiting has become useless.
 */
export async function until<T>(
  what: string,
  options: { timeout_ms: number; signal: AbortSignal; alive: () => void },
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const start_ms = performance.now()
  let cause: unknown
  while (performance.now() - start_ms < options.timeout_ms) {
    options.signal.throwIfAborted()
    options.alive()
    try {
      const result = await attempt()
      if (result !== undefined) return result
    } catch (error) {
      cause = error
    }
    await delay(POLL_MS)
  }
  throw new Error(`${what}: not within ${options.timeout_ms / 1000} s`, { cause })
}
