/** `npm run simulate`: many seeds, and what they reached; or the one that failed, made short. */

import { type Job, type Report, runAll } from './crew.ts'
import { readOptions, type SimulateOptions, USAGE, UsageError } from './options.ts'
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
  for (let number = 0; number < runs; number += 1) yield { seed: (seed + number) >>> 0, keep }
}

async function simulate(options: SimulateOptions): Promise<number> {
  const coverage = new Coverage()
  const progress = new Progress(options.runs, process.stderr)
  let failed: Report | undefined
  let virtual_ms = 0
  let operations = 0
  out.write(`seeds ${options.seed} to ${options.seed + options.runs - 1}\n`)
  const speed = () => {
    const minutes = Math.max(progress.elapsed_ms, 1) / 60_000
    const runs = Math.round(coverage.runs / minutes)
    const hours = (virtual_ms / 3_600_000 / minutes).toFixed(1)
    return `${runs} runs/min, ${hours} virtual hours/min`
  }
  await runAll(jobsOf(options), {
    workers: Math.max(1, Math.min(options.jobs, options.runs)),
    onReport: (report) => {
      coverage.add(report.coverage)
      virtual_ms += report.virtual_ms
      operations += report.operations
      if (report.failure !== undefined) failed ??= report
      progress.show(coverage.runs, speed())
      return failed === undefined
    },
  })
  progress.close()
  out.write(`${coverage.runs} runs, ${speed()}; `)
  out.write(`${(virtual_ms / 3_600_000).toFixed(1)} virtual hours, ${operations} operations\n`)
  if (options.runs > 1) out.write(`${coverage.lines().join('\n')}\n`)
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
  out.write(`${failure?.message}\n\nmaking its schedule of ${failed.faults} faults shorter …\n`)
  const whole = options.keep === undefined
  const { keep, report } = whole
    ? await shrink(failed, options.jobs)
    : { keep: options.keep ?? [], report: failed }
  out.write(`${keep.length} of them suffice:\n`)
  const lines = (await transcriptOf(seed, keep)).split('\n')
  for (const line of lines) if (line.includes('FAULT ')) out.write(`${line}\n`)
  out.write(`\nthe last ${TAIL_LINES} lines of the transcript:\n`)
  out.write(`${lines.slice(-TAIL_LINES).join('\n')}\n`)
  out.write(`\n${report.failure?.check}: ${report.failure?.message}\n`)
  out.write('\nthe same again, with all of the transcript:\n')
  const kept = `--keep ${keep.join(',')}`
  out.write(`  npm run simulate -- --runs 1 --seed ${seed} ${kept} --transcript\n`)
  return 1
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
  if (options.transcript) {
    out.write(`${await transcriptOf(options.seed, options.keep)}\n`)
  }
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
