/** `npm run simulate`: many seeds, and what they reached; or the one that failed, made short. */

import { UsageError } from '../command-line.ts'
import { type Job, type Report, runAll } from './crew.ts'
import { drawFaults } from './fault-schedule.ts'
import { countOf, virtualTime } from './figures.ts'
import { readOptions, refuseBeyond, replayCommand, type SimulateOptions, USAGE } from './options.ts'
import { drawParameters } from './parameters.ts'
import { Progress } from './progress.ts'
import { runSeed } from './run-seed.ts'
import { shrink } from './shrink.ts'
import { Coverage } from './situations.ts'

/** Lines of a transcript that are shown at its end. */
const TAIL_LINES = 60
/** With fewer runs than this a rare situation may well be missing. */
const RUNS_FOR_COVERAGE = 500

const out = process.stdout

function* jobsOf({ runs, seed, keep }: SimulateOptions): Generator<Job> {
  for (let number = 0; number < runs; number += 1) yield { seed: seed + number, keep }
}

async function simulate(options: SimulateOptions): Promise<number> {
  const coverage = new Coverage()
  const progress = new Progress(options.runs, process.stderr)
  let failed: Report | undefined
  let hash = ''
  let virtual_ms = 0
  let operations = 0
  const last = options.seed + options.runs - 1
  out.write(options.runs === 1 ? `seed ${last}\n` : `seeds ${options.seed} to ${last}\n`)
  const speed = () => {
    const minutes = Math.max(progress.elapsed_ms, 1) / 60_000
    const runs = Math.round(coverage.runs / minutes)
    return `${countOf(runs, 'run')}/min, ${virtualTime(virtual_ms / minutes)}/min`
  }
  await runAll(jobsOf(options), {
    workers: Math.min(options.jobs, options.runs),
    onReport: (report) => {
      coverage.add(report.coverage)
      virtual_ms += report.virtual_ms
      operations += report.operations
      hash = report.hash
      if (report.failure !== undefined) failed ??= report
      progress.show(coverage.runs, speed())
      return failed === undefined
    },
  })
  progress.close()
  out.write(`${countOf(coverage.runs, 'run')}, ${speed()}; `)
  out.write(`${virtualTime(virtual_ms)}, ${countOf(operations, 'operation')}\n`)
  if (options.runs === 1 && hash !== '') out.write(`hash of the transcript: ${hash}\n`)
  out.write(`${coverage.lines().join('\n')}\n`)
  if (failed !== undefined) return await explain(failed, options)
  const missing = coverage.missing()
  if (coverage.runs >= RUNS_FOR_COVERAGE && missing.length > 0) {
    out.write(`reached in fewer than 1 run of 100: ${missing.join(', ')}\n`)
    return 1
  }
  out.write('nothing was found to be wrong\n')
  return 0
}

async function explain(failed: Report, options: SimulateOptions): Promise<number> {
  const { seed, failure } = failed
  out.write(`\nseed ${seed} failed: ${failure?.check} at ${failure?.at_ms} ms\n`)
  out.write(`${failure?.message}\n\n`)
  const { keep, report } = await shortened(failed, options)
  const lines = (await transcriptOf(seed, keep)).split('\n')
  for (const line of lines) if (line.includes('FAULT ')) out.write(`${line}\n`)
  out.write(`\nthe last ${TAIL_LINES} lines of the transcript:\n`)
  out.write(`${lines.slice(-TAIL_LINES).join('\n')}\n`)
  out.write(`\n${report.failure?.check}: ${report.failure?.message}\n`)
  out.write('\nthe same again, with all of the transcript:\n')
  out.write(`  ${replayCommand({ seed, keep })}\n`)
  return 1
}

/** A schedule that a person has chosen stays as it is. */
async function shortened(failed: Report, { keep, jobs }: SimulateOptions) {
  if (keep !== undefined) return { keep, report: failed }
  out.write(`making its schedule of ${countOf(failed.faults, 'fault')} shorter …\n`)
  const short = await shrink(failed, jobs)
  const left = short.keep.length
  const verb = left === 1 ? 'suffices' : 'suffice'
  out.write(left === 0 ? 'it fails without any fault\n' : `${left} of them ${verb}:\n`)
  return short
}

async function transcriptOf(seed: number, keep: readonly number[] | undefined): Promise<string> {
  const first = await runSeed(seed, { transcript: true, ...(keep && { keep }) })
  return first.transcript()
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options === 'help') {
    out.write(`${USAGE}\n`)
    return 0
  }
  const { seed, keep, transcript } = options
  if (keep !== undefined) refuseBeyond(keep, drawFaults(seed, drawParameters(seed)).length)
  if (transcript) out.write(`${await transcriptOf(seed, keep)}\n`)
  return await simulate(options)
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const usage = error instanceof UsageError
    process.stderr.write(`${usage ? `${error.message}\n\n${USAGE}` : (error as Error).stack}\n`)
    process.exitCode = 2
  },
)
