/** The command line of `npm run simulate`, read and written. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { UsageError, whole } from '../command-line.ts'

export type SimulateOptions = {
  readonly runs: number
  /** The first seed; the others follow it. */
  readonly seed: number
  readonly jobs: number
  /** Places in the schedule of the faults to be kept; undefined: all. */
  readonly keep: readonly number[] | undefined
  readonly transcript: boolean
}

export const USAGE = `npm run simulate -- [options]

Runs whole clusters on simulated time, disks and networks, one a seed, while faults come.
Ends with 1 at the first run in which something is wrong, after making its schedule of faults
as short as it can be.

  --runs N        how many seeds                                              (1000)
  --seed S        the first one, from 0 to 4294967295                       (random)
  --jobs J        processes beside each other           (one for each processor)
  --keep 0,3,5    only these faults of the schedule, or none (with --runs 1)
  --transcript    print what happened (with --runs 1)
  --help          this text`

const SEED_MAX = 0xffff_ffff
const JOBS_MAX = 1024
/** Of `--keep`: no fault at all. */
const NONE = 'none'

export function readOptions(args: readonly string[]): SimulateOptions | 'help' {
  const { values } = parse(args)
  if (values.help) return 'help'
  const runs = whole('runs', values.runs, { least: 1, most: SEED_MAX + 1 })
  if (runs > 1 && (values.keep !== undefined || values.transcript)) {
    throw new UsageError('--keep and --transcript go with --runs 1')
  }
  const random = () => String(Math.floor(Math.random() * Math.min(2 ** 31, 2 ** 32 - runs + 1)))
  const seed = whole('seed', values.seed ?? random(), { least: 0, most: SEED_MAX })
  if (seed + runs - 1 > SEED_MAX) {
    throw new UsageError(`--runs: seed ${seed} and ${runs} runs go beyond the last, ${SEED_MAX}`)
  }
  const jobs = values.jobs ?? String(availableParallelism())
  return {
    runs,
    seed,
    jobs: whole('jobs', jobs, { least: 1, most: JOBS_MAX }),
    keep: values.keep === undefined ? undefined : placesIn(values.keep),
    transcript: values.transcript,
  }
}

/** The command that does one run again, with all of its transcript. */
export function replayCommand({ seed, keep }: { seed: number; keep: readonly number[] }): string {
  const kept = keep.length === 0 ? NONE : keep.join(',')
  return `npm run simulate -- --runs 1 --seed ${seed} --keep ${kept} --transcript`
}

/** Places beyond a schedule of this many faults. Throws `UsageError`. */
export function refuseBeyond(keep: readonly number[], faults: number): void {
  const beyond = keep.filter((place) => place >= faults)
  if (beyond.length === 0) return
  const places = faults === 0 ? 'holds no fault' : `has the places 0 to ${faults - 1}`
  throw new UsageError(`--keep: the schedule of this seed ${places}, not ${beyond.join(', ')}`)
}

function placesIn(text: string): number[] {
  if (text === NONE) return []
  return text.split(',').map((place) => whole('keep', place, { least: 0, most: SEED_MAX }))
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        runs: { type: 'string', default: '1000' },
        seed: { type: 'string' },
        jobs: { type: 'string' },
        keep: { type: 'string' },
        transcript: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}
