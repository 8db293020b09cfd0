/** Waiting for conditions of a cluster, where a look is a request and a change takes seconds. */

import { until as untilSoon } from '../../cluster/until.ts'

const POLL_MS = 200

/** See test/cluster/until.ts. */
export function until<T>(what: string, condition: () => T | Promise<T>, timeout_ms = 90_000) {
  return untilSoon(what, condition, timeout_ms, POLL_MS)
}
