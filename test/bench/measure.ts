/**
 * One measurement: a drive of one target, with what its processes used meanwhile.
 */

import { cpus } from 'node:os'
import { cpuBetween, readCpu } from './cpu.ts'
import { type Drive, type DriveErrors, errorCount, type Generator } from './generator.ts'
import type { BenchOptions, Operation } from './options.ts'
import type { RequestSet } from './requests.ts'
import type { BatchCounters, Target, TargetName } from './target.ts'

export type Setting = { readonly operation: Operation; readonly connections: number }

export type Measurement = Setting & {
  readonly target: TargetName
  readonly round: number
  readonly way: string
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
  readonly errors: DriveErrors
  readonly valid: boolean
  /** CPU time a request of each of the target's processes, and of `generator`. */
  readonly cpu_us: Readonly<Record<string, number>>
  /** How much of one core the generator used; near 1 it may be what limits. */
  readonly generatorShare: number
  /** How much of the machine was used by what is no part of the benchmark. */
  readonly elsewhereShare: number | null
  /** Of writes, where the target tells: commands an entry of the log, and a synced batch. */
  readonly batch: { readonly entry: number; readonly synced: number } | null
}

export type Bench = {
  readonly options: BenchOptions
  readonly targets: readonly Target[]
  readonly generator: Generator
  /** Fills stores: can send each key once. */
  readonly filler: Generator
  /** Made once, so that all rounds send the same bytes. */
  readonly requests: (target: Target, operation: Operation) => RequestSet
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** A drive of `target`, by time. */
export function driveOf(
  bench: Bench,
  target: Target,
  more: Setting & { port: number; seconds: number; seed: number },
): Drive {
  const { operation, ...rest } = more
  return { ...rest, eachOnce: false, requests: bench.requests(target, operation) }
}

function batchBetween(
  before: BatchCounters | undefined,
  after: BatchCounters | undefined,
): Measurement['batch'] {
  if (before === undefined || after === undefined || before.leader !== after.leader) return null
  const commands = after.commands - before.commands
  const proposals = after.proposals - before.proposals
  const synced = after.syncedBatches - before.syncedBatches
  if (proposals <= 0 || synced <= 0) return null
  return { entry: commands / proposals, synced: commands / synced }
}

/** Drives `target` once. */
export async function measure(
  bench: Bench,
  target: Target,
  at: Setting & { round: number; way: string },
): Promise<Measurement> {
  const everyone = (await Promise.all(bench.targets.map((one) => one.processes()))).flat()
  const own = new Set((await target.processes()).map(({ name }) => name))
  const countersBefore = await target.counters()
  const cpuBefore = readCpu(everyone)
  const result = await bench.generator.drive(
    driveOf(bench, target, {
      operation: at.operation,
      connections: at.connections,
      port: target.ways.get(at.way) ?? 0,
      seconds: bench.options.seconds,
      seed: 100 + at.round,
    }),
    bench.signal,
  )
  const used = cpuBetween(cpuBefore, readCpu(everyone))
  const countersAfter = await target.counters()
  const cpu_us: Record<string, number> = {}
  for (const [name, time_us] of Object.entries(used.byProcess)) {
    if (own.has(name)) cpu_us[name] = time_us / result.requests
  }
  cpu_us['generator'] = result.cpu_us / result.requests
  const known_us = Object.values(used.byProcess).reduce((sum, one) => sum + one, result.cpu_us)
  const machine_us = result.duration_us * cpus().length
  return {
    ...at,
    target: target.name,
    requests: result.requests,
    seconds: result.duration_us / 1e6,
    perSecond: (result.requests / result.duration_us) * 1e6,
    p50_ms: result.p50_us / 1000,
    p99_ms: result.p99_us / 1000,
    max_ms: result.max_us / 1000,
    errors: result.errors,
    valid: errorCount(result) === 0 && result.requests > 0,
    cpu_us,
    generatorShare: result.cpu_us / result.duration_us,
    elsewhereShare:
      used.busy_us === undefined ? null : Math.max(0, used.busy_us - known_us) / machine_us,
    batch: at.operation === 'put' ? batchBetween(countersBefore, countersAfter) : null,
  }
}
