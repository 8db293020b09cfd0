/**
 * `npm run bench`: Ordinal, a bare Fastify and etcd beside each other on this machine, on loopback,
 * in one run. What it prints and how to read it: docs/benchmarks.md.
 *
 *     start all → fill all → warm up → rounds → report → stop all
 *
 * Whatever happens, a Ctrl-C too, all that was started is stopped and the temporary folder goes.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, release, tmpdir, totalmem, type } from 'node:os'
import { join, resolve } from 'node:path'
import { UsageError } from '../command-line.ts'
import { startBare } from './bare-target.ts'
import { Crew } from './crew.ts'
import { etcdVersion, startEtcd } from './etcd-target.ts'
import { chooseGenerator, type Generator } from './generator.ts'
import type { Bench } from './measure.ts'
import { type BenchOptions, type Operation, readOptions, USAGE } from './options.ts'
import { startOrdinal } from './ordinal-target.ts'
import { ownGenerator } from './own-generator.ts'
import { nameProfiles, profileEnvironment } from './profiles.ts'
import { reportText } from './report.ts'
import type { RequestSet } from './requests.ts'
import { fill, idleShares, runRounds, warmUp } from './rounds.ts'
import { summarize } from './summary.ts'
import type { ProcessRef, Target } from './target.ts'
import { wrkGenerator } from './wrk.ts'

/** Time for everything but the drives: starting, filling, stopping. */
const OVERHEAD_MS_MAX = 10 * 60_000
/** A drive may take this much longer than asked for, connections and metrics included. */
const DRIVE_FACTOR_MAX = 4

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function machine() {
  const [core] = cpus()
  return {
    system: `${type()} ${release()}`,
    cores: cpus().length,
    model: core?.model.trim() ?? 'unknown',
    memory_bytes: totalmem(),
    node: process.version,
  }
}

/** Upper bound of the run's length. */
function limit_ms({ rounds, seconds, connections, operations, peers }: BenchOptions): number {
  const settings = connections.length * operations.length
  return (
    OVERHEAD_MS_MAX + rounds * settings * (peers.length + 1) * seconds * 1000 * DRIVE_FACTOR_MAX
  )
}

/** Remembers the requests of each target: they are random, and large. */
function rememberRequests(keyCount: number): Bench['requests'] {
  const sets = new Map<string, RequestSet>()
  return (target: Target, operation: Operation) => {
    const name = `${target.name} ${operation}`
    const set = sets.get(name) ?? target.requests(operation, keyCount)
    sets.set(name, set)
    return set
  }
}

type Room = {
  readonly options: BenchOptions
  readonly crew: Crew
  readonly folder: string
  /** For Node processes. */
  readonly env: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

async function startTargets({ options, crew, folder, env, signal }: Room): Promise<Target[]> {
  const { replicas, api } = options
  const targets: Target[] = []
  if (!options.peersOnly) {
    targets.push(await startOrdinal(crew, { signal, env, folder, replicas, api }))
  }
  if (options.peers.includes('fastify')) targets.push(await startBare(crew, { signal, env }))
  if (options.peers.includes('etcd')) {
    if (etcdVersion() === undefined) say('etcd is not on the PATH: measuring without it')
    else targets.push(await startEtcd(crew, { signal, folder }))
  }
  if (targets.length === 0) throw new UsageError('there is nothing to measure')
  return targets
}

function generators({ options, folder, env }: Room): { main: Generator; filler: Generator } {
  const own = ownGenerator(folder, {})
  const { wrk } = chooseGenerator(options.generator)
  if (wrk !== undefined) return { main: wrkGenerator(wrk, folder), filler: own }
  return { main: ownGenerator(folder, env), filler: own }
}

/** The run proper. Returns whether it is valid; `meet` is told which processes there are. */
async function bench(room: Room, meet: (all: readonly ProcessRef[]) => void): Promise<boolean> {
  const { options, signal } = room
  const { main, filler } = generators(room)
  const targets = await startTargets(room)
  for (const target of targets) say(target.about)
  say(`load: ${main.about}; ${options.seconds} s a drive, ${options.rounds} rounds`)
  const requests = rememberRequests(options.keys)
  const work: Bench = { options, targets, generator: main, filler, requests, signal, say }
  say('\nFilling')
  for (const target of targets) await fill(work, target)
  say('\nWarming up')
  const ways = await warmUp(work)
  const idle = await idleShares(work)
  say('\nMeasuring')
  const measurements = await runRounds(work, ways)
  for (const target of targets) {
    await target.check()
    meet(await target.processes())
  }
  const summary = summarize(measurements)
  say(`\n${reportText(summary, idle)}`)
  const about = Object.fromEntries(targets.map((target) => [target.name, target.about]))
  const result = {
    format: 1,
    date: new Date().toISOString(),
    machine: machine(),
    generator: main.about,
    options,
    targets: about,
    idle,
    summary,
    measurements,
  }
  await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`)
  say(`\nAll figures: ${resolve(options.json)}`)
  return summary.valid
}

/** Starts, measures and cleans up. Returns the exit code. */
async function run(options: BenchOptions): Promise<number> {
  const folder = await mkdtemp(join(resolve(options.data ?? tmpdir()), 'ordinal-bench-'))
  const crew = new Crew(folder)
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(new Error('the run took too long')), limit_ms(options))
  let asked = 0
  const stop = () => {
    asked += 1
    if (asked > 1) return crew.kill()
    say('\nStopping. (Ctrl-C again: at once)')
    return abort.abort(new Error('interrupted'))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  const met: ProcessRef[] = []
  try {
    const env = options.profile ? await profileEnvironment() : {}
    const room = { options, crew, folder, env, signal: abort.signal }
    const valid = await bench(room, (all) => met.push(...all))
    if (!valid) say('\nNot valid: there were failed requests.')
    return valid ? 0 : 1
  } catch (error) {
    if (asked > 0) return 130
    throw error
  } finally {
    clearTimeout(timer)
    await crew.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    if (options.profile) for (const file of await nameProfiles(met)) say(`profile: ${file}`)
  }
}

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2))
    if (options === undefined) say(USAGE)
    return options === undefined ? 0 : await run(options)
  } catch (error) {
    const expected = error instanceof UsageError
    const text = error instanceof Error ? (expected ? error.message : error.stack) : String(error)
    process.stderr.write(`bench: ${text}\n`)
    for (let cause = (error as Error).cause; cause instanceof Error; cause = cause.cause) {
      process.stderr.write(`  because: ${cause.message}\n`)
    }
    return expected ? 2 : 1
  }
}

process.exit(await main())
