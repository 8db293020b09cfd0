/** The verifier's own load, for as long as the nemesis works; and what came of it so far. */

import { Client } from '../../src/client/client.ts'
import { systemClock } from '../../src/shared/clock.ts'
import type { Operation } from '../../src/verifier/history.ts'
import { formatEnd, formatHeader, formatOperation } from '../../src/verifier/history-format.ts'
import { Load } from '../../src/verifier/workload/load.ts'
import { HISTORY_OPERATIONS_MAX, Recorder } from '../../src/verifier/workload/recorder.ts'

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
  acks_ms(): readonly number[]
  /** Ends when each client has ended its last operation and each key was read a last time. */
  stop(): Promise<void>
}

const KEYS = 100
const PREFIX = 'faults/'
const TIMEOUT_MS = 5000
const FINAL_READS_MS_MAX = 30_000

/** The longest run whose history can be held, minutes. */
export function minutesMax(rate: number): number {
  return (0.9 * HISTORY_OPERATIONS_MAX) / rate / 60
}

/** Starts the clients. */
export function startWorkload({ url, clients, rate, seed }: WorkloadOptions): Workload {
  const recorder = new Recorder(systemClock)
  const start_ms = systemClock.now_ms() - recorder.now_us() / 1000
  const client = new Client({ url, timeout_ms: TIMEOUT_MS })
  const load = new Load(
    { clients, rate, seed, keys: KEYS, prefix: PREFIX },
    { clients: [client], recorder, clock: systemClock },
  )
  const running = load.run()
  const acks_ms: number[] = []
  let looked = 0
  return {
    operations: recorder.operations,
    acks_ms: () => {
      for (; looked < recorder.operations.length; looked += 1) {
        const { outcome, return_us } = recorder.operations[looked] as Operation
        if (return_us === undefined) continue
        if (outcome.type !== 'written' && outcome.type !== 'deleted') continue
        acks_ms.push(start_ms + return_us / 1000)
      }
      return acks_ms
    },
    stop: async () => {
      load.stop()
      await running
      await load.readAll(FINAL_READS_MS_MAX)
    },
  }
}

/** The history as `ordinal verify --check` reads it, a line at a time. */
export function* historyLines({ operations }: Workload): Generator<string> {
  yield formatHeader({ finalReads: true, about: { by: 'npm run test:faults' } })
  for (const operation of operations) yield formatOperation(operation)
  yield formatEnd(operations.length)
}
