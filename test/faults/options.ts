/** The command line of `npm run test:faults`, read and written. */

import { parseArgs } from 'node:util'
import { number, UsageError, whole } from '../command-line.ts'
import { minutesMax } from './workload.ts'

export type SuiteOptions = {
  /** How long faults go on; the end (recovery, reading back, checking) comes on top. */
  readonly minutes: number
  readonly seed: number
  readonly replicas: number
  readonly api: number
  readonly clients: number
  /** Operations a second, all clients together. */
  readonly rate: number
  /** Where logs, history and plan of a failed run are put; undefined: a temporary folder. */
  readonly out: string | undefined
  /** Leave the folder also when all is well. */
  readonly keep: boolean
  /** Make the leader lie for a moment: the run must find it. */
  readonly lie: boolean
}

export const USAGE = `npm run test:faults -- [options]

  --minutes M     how long faults are made                                    (3)
  --seed S        of the plan of faults and of the workload         (a random one)
  --replicas N    3 or 5                                                      (3)
  --api N         API servers                                                 (2)
  --clients N     clients of the workload                                     (8)
  --rate N        operations a second, all clients together                 (200)
  --out FOLDER    for logs, history and plan of a run that failed (a temporary one)
  --keep          leave that folder also when all is well
  --lie           make the leader lie for a moment, to see that the run ends with 1
  --help          this text

Exit code 0: nothing is wrong. 1: a wrong answer, states that differ, or no recovery. 2: it could
not be told.`

/** Undefined: help was asked for. Throws `UsageError`. */
export function parseOptions(args: readonly string[]): SuiteOptions | undefined {
  const { values } = parse(args)
  if (values.help) return undefined
  const seed = values.seed ?? process.env['ORDINAL_SEED'] ?? String(Date.now() % 0x1_0000_0000)
  const rate = whole('rate', values.rate, { least: 1, most: 100_000 })
  const most = Math.floor(minutesMax(rate))
  if (!['3', '5'].includes(values.replicas)) {
    throw new UsageError(`--replicas: expected 3 or 5, not "${values.replicas}"`)
  }
  return {
    minutes: number('minutes', values.minutes, { least: 0.05, most }),
    seed: whole('seed', seed, { least: 0, most: 0xffff_ffff }),
    replicas: Number(values.replicas),
    api: whole('api', values.api, { least: 1, most: 9 }),
    clients: whole('clients', values.clients, { least: 1, most: 256 }),
    rate,
    out: values.out,
    keep: values.keep,
    lie: values.lie,
  }
}

/** The command that does the same again; not into the same folder, which shows the first run. */
export function commandOf({ out: _, keep, lie, ...numbers }: SuiteOptions): string {
  const words = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)])
  if (keep) words.push('--keep')
  if (lie) words.push('--lie')
  return `npm run test:faults -- ${words.join(' ')}`
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string', default: '3' },
        seed: { type: 'string' },
        replicas: { type: 'string', default: '3' },
        api: { type: 'string', default: '2' },
        clients: { type: 'string', default: '8' },
        rate: { type: 'string', default: '200' },
        out: { type: 'string' },
        keep: { type: 'boolean', default: false },
        lie: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
