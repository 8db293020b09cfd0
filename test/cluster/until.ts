/** Waiting for conditions, never for time. */

import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 20

/**
 * Resolves to the first truthy value of `condition`; fails, naming `what`, after `timeout_ms`. A
 * condition that throws is not fulfilled yet; what it threw last is the failure's cause.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeout_ms = 20_000,
  poll_ms = POLL_MS,
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const deadline_ms = performance.now() + timeout_ms
  let cause: unknown
  do {
    try {
      const value = await condition()
      if (value) return value as Exclude<T, false | null | undefined | 0 | ''>
      cause = undefined
    } catch (error) {
      cause = error
    }
    await delay(poll_ms)
  } while (performance.now() < deadline_ms)
  throw new Error(`not within ${timeout_ms} ms: ${what}`, { cause })
}
