/** The command line of `npm run mutants`. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { UsageError, whole } from '../../command-line.ts'
import { belowTheDisk, simulated } from './catalog.ts'

const SEEDS_MAX = 1_000_000
const JOBS_MAX = 1024

export type MutantOptions = {
  /** Names; all when none was given. */
  readonly only: ReadonlySet<string>
  readonly seeds: number
  readonly jobs: number
  /** Try the seed that is known first, and write nothing. */
  readonly known: boolean
}

export const USAGE = `npm run mutants -- [options]

Plants each mutant in turn and looks for the first seed of the simulator's general schedule that
finds it (and the storage suite's tests for those below the simulated disk). The seeds that were
used must pass without a mutant. Writes the table to docs/proof.md, where the rows of the mutants
that were run are renewed and all others stay. Ends with 1 if one escapes.

  --only NAME[,NAME]  these mutants alone; renews their rows
  --seeds N           seeds 1 to N                                              (5000)
  --jobs J            processes beside each other               (one for each processor)
  --known             try the seed that found it last first; writes nothing
  --list              the mutants' names and what they break
  --help              this text`

/** Reads the command line. Throws {@link UsageError}; 'help' and 'list' ask for those texts. */
export function readOptions(args: readonly string[]): MutantOptions | 'help' | 'list' {
  const { values } = parse(args)
  if (values.help) return 'help'
  if (values.list) return 'list'
  const all = [...simulated, ...belowTheDisk].map((mutant) => mutant.name)
  const names = values.only?.split(',') ?? all
  for (const name of names) {
    if (!all.includes(name)) throw new UsageError(`--only: there is no mutant "${name}"`)
  }
  return {
    only: new Set(names),
    seeds: whole('seeds', values.seeds, { least: 1, most: SEEDS_MAX }),
    jobs: whole('jobs', values.jobs, { least: 1, most: JOBS_MAX }),
    known: values.known,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        seeds: { type: 'string', default: '5000' },
        jobs: { type: 'string', default: String(availableParallelism()) },
        known: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
