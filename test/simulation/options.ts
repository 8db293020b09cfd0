/** The command line of `npm run simulate`. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

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
  --seed S        the first one                                             (random)
  --jobs J        processes beside each other           (one for each processor)
  --keep 0,3,5    only these faults of the schedule (with --runs 1)
  --transcript    print what happened (with --runs 1)
  --help          this text`

/** A command line that cannot be obeyed. */
export class UsageError extends Error {}

export function readOptions(args: readonly string[]): SimulateOptions | 'help' {
  const { values } = parse(args)
  if (values.help) return 'help'
  const runs = whole('runs', values.runs)
  if (runs > 1 && (values.keep !== undefined || values.transcript)) {
    throw new UsageError('--keep and --transcript go with --runs 1')
  }
  const random = () => String(Math.floor(Math.random() * 0x8000_0000))
  return {
    runs,
    seed: whole('seed', values.seed ?? random()),
    jobs: whole('jobs', values.jobs ?? String(availableParallelism())),
    keep: values.keep
      ?.split(',')
      .filter((place) => place !== '')
      .map((place) => whole('keep', place)),
    transcript: values.transcript,
  }
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

function whole(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0 && value < 0x1_0000_0000) return value
  throw new UsageError(`--${name}: "${text}" is not a whole number`)
}
