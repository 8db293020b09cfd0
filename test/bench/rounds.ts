/**
 * The order of measurements. In each round, for each setting (operation, connections), the targets
 * are driven one right after the other, so that what changes on the machine over minutes touches
 * all alike; and each round begins with another target, so that none always follows the same one.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { cpuBetween, readCpu } from './cpu.ts'
import { errorCount } from './generator.ts'
import { type Bench, driveOf, type Measurement, measure, type Setting } from './measure.ts'
import type { BenchOptions } from './options.ts'
import type { Target, TargetName } from './target.ts'

/** Which way to a target is the faster one, by target and setting. */
export type Ways = ReadonlyMap<string, string>

const FILL_CONNECTIONS = 256
const WARM_SECONDS = 2
const TRIAL_SECONDS = 2
const IDLE_SECONDS = 3

function settings({ operations, connections }: BenchOptions): Setting[] {
  return operations.flatMap((operation) =>
    connections.map((count) => ({ operation, connections: count })),
  )
}

export function settingName(target: TargetName, { operation, connections }: Setting): string {
  return `${target} ${operation} ${connections}`
}

/** Writes each key once, so that reads find them; then checks that a value comes back. */
export async function fill(bench: Bench, target: Target): Promise<void> {
  const [port = 0] = [...target.ways.values()].slice(-1)
  const drive = driveOf(bench, target, {
    operation: 'put',
    connections: FILL_CONNECTIONS,
    port,
    seconds: 0,
    seed: 1,
  })
  const result = await bench.filler.drive({ ...drive, eachOnce: true }, bench.signal)
  const errors = errorCount(result)
  if (errors > 0 || result.requests !== bench.options.keys) {
    const counts = JSON.stringify(result.errors)
    throw new Error(`filling ${target.name}: ${result.requests} keys written, errors ${counts}`)
  }
  await target.check()
  bench.say(
    `  ${target.name}: ${result.requests} keys in ${(result.duration_us / 1e6).toFixed(1)} s`,
  )
}

/** Lets the code get hot, and finds out which way to each target is the faster one. */
export async function warmUp(bench: Bench): Promise<Ways> {
  const chosen = new Map<string, string>()
  for (const target of bench.targets) {
    for (const setting of settings(bench.options)) {
      const rates: { way: string; perSecond: number }[] = []
      const seconds = target.ways.size > 1 ? TRIAL_SECONDS : WARM_SECONDS
      for (const [way, port] of target.ways) {
        const drive = driveOf(bench, target, { ...setting, port, seconds, seed: 2 })
        const result = await bench.generator.drive(drive, bench.signal)
        rates.push({ way, perSecond: (result.requests / result.duration_us) * 1e6 })
      }
      rates.sort((a, b) => b.perSecond - a.perSecond)
      const name = settingName(target.name, setting)
      chosen.set(name, rates[0]?.way ?? '')
      if (rates.length > 1) {
        const tried = rates.map(({ way, perSecond }) => `${way} ${perSecond.toFixed(0)}/s`)
        bench.say(`  ${name}: ${tried.join(', ')}`)
      }
    }
  }
  return chosen
}

/**
 * What each process uses when nothing is asked of it, as a share of one core: heartbeats and
 * probes, which go on while another target is driven. Empty where it cannot be known.
 */
export async function idleShares(bench: Bench): Promise<Record<string, number>> {
  const everyone = (await Promise.all(bench.targets.map((one) => one.processes()))).flat()
  const before = readCpu(everyone)
  const start_ms = performance.now()
  await delay(IDLE_SECONDS * 1000, undefined, { signal: bench.signal })
  const used = cpuBetween(before, readCpu(everyone))
  const elapsed_us = (performance.now() - start_ms) * 1000
  const shares: Record<string, number> = {}
  for (const [name, time_us] of Object.entries(used.byProcess)) shares[name] = time_us / elapsed_us
  return shares
}

/** All rounds. Stops early, with a rejection, only when aborted or when a process is lost. */
export async function runRounds(bench: Bench, ways: Ways): Promise<Measurement[]> {
  const measurements: Measurement[] = []
  const { targets, options } = bench
  for (let round = 1; round <= options.rounds; round++) {
    for (const setting of settings(options)) {
      for (let turn = 0; turn < targets.length; turn++) {
        bench.signal.throwIfAborted()
        const target = targets[(turn + round - 1) % targets.length] as Target
        const way = ways.get(settingName(target.name, setting)) ?? ''
        const one = await measure(bench, target, { ...setting, round, way })
        measurements.push(one)
        const errors = one.valid ? '' : `  INVALID ${JSON.stringify(one.errors)}`
        bench.say(
          `  round ${round}/${options.rounds} ${settingName(target.name, setting)}: ` +
            `${one.perSecond.toFixed(0)}/s, p99 ${one.p99_ms.toFixed(1)} ms${errors}`,
        )
      }
    }
  }
  return measurements
}
