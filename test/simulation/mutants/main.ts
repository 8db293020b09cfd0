/**
 * `npm run mutants`: who checks the checker. Plants each mutant and looks for a run that finds it;
 * docs/proof.md says how to read the table.
 *
 *   known seeds ──not caught──► seeds 1, 2, 3, … ──► the same seeds without a mutant ──► table
 */

import { UsageError } from '../../command-line.ts'
import { countOf } from '../figures.ts'
import { belowTheDisk, simulated } from './catalog.ts'
import { type Known, readKnown, renewed, writeKnown } from './known.ts'
import type { DiskMutant, Mutant } from './mutant.ts'
import { type MutantOptions, readOptions, USAGE } from './options.ts'
import { GROUND } from './planting.ts'
import { Control, Search, searchAll } from './search.ts'
import { failingUnmutated, runSuites } from './suite-run.ts'
import { firstLine, tables, writePage } from './table.ts'

const started_ms = performance.now()

function say(line: string): void {
  const seconds = Math.round((performance.now() - started_ms) / 1000)
  process.stdout.write(`${String(seconds).padStart(5)} s  ${line}\n`)
}

/** Shows where the searches stand, on one line that is written over. */
function progress(searches: readonly Search[]): void {
  if (!process.stderr.isTTY) return
  const open = searches.filter((search) => search.runners > 0)
  const ended = searches.filter((search) => search.ended).length
  const now = open.map(({ mutant, done }) => `${mutant} ${done}`).join(', ')
  process.stderr.write(`\r\x1b[K${ended}/${searches.length}: ${now}`.slice(0, 110))
  if (open.length === 0) process.stderr.write('\r\x1b[K')
}

async function run(
  searches: readonly Search[],
  options: { jobs: number; control: Control },
): Promise<void> {
  const told = new Set<Search>()
  await searchAll(searches, {
    ...options,
    changed: (search) => {
      progress(searches)
      if (!search.ended || told.has(search)) return
      told.add(search)
      say(describe(search))
    },
  })
}

function describe({ mutant, caught, done, fell, spoilt }: Search): string {
  const falls = fell.length === 0 ? '' : `; ${fell.length} runs fell without a check`
  const spoils = spoilt.length === 0 ? '' : `; ${spoilt.length} seeds fail without it`
  if (caught?.failure === undefined) {
    const last = (fell.at(-1) ?? spoilt.at(-1))?.failure
    const why = last === undefined ? '' : `; ${last.check}: ${firstLine(last.message)}`
    return `${mutant}: not caught in ${done} runs${falls}${spoils}${why}`
  }
  const { check, message } = caught.failure
  return `${mutant}: ${check}, seed ${caught.seed}${falls}${spoils}; ${firstLine(message)}`
}

function knownOf({ mutant, caught }: Search): Known | undefined {
  if (caught?.failure === undefined) return undefined
  const { check, message } = caught.failure
  return { name: mutant, caughtBy: check, seed: caught.seed, message: firstLine(message) }
}

/** Name → what found it; those that escaped are missing. */
async function huntSimulated(
  options: MutantOptions & { control: Control },
  known: ReadonlyMap<string, Known>,
): Promise<Map<string, Known>> {
  const found = new Map<string, Known>()
  const hunt = async (mutants: readonly Mutant[], seedsOf: (name: string) => number[]) => {
    const searches = mutants.map((mutant) => {
      const { name } = mutant
      return new Search(name, { seeds: seedsOf(name), controls: controlsOf(mutant) })
    })
    await run(searches, options)
    for (const search of searches) {
      const row = knownOf(search)
      if (row !== undefined) found.set(row.name, row)
    }
  }
  const wanted = simulated.filter(({ name }) => options.only.has(name))
  if (options.known) {
    const tried = wanted.filter(({ name }) => known.get(name)?.seed !== undefined)
    await hunt(tried, (name) => [known.get(name)?.seed as number])
  }
  const left = wanted.filter(({ name }) => !found.has(name))
  await hunt(left, () => upTo(options.seeds))
  return found
}

function controlsOf({ name, ground }: Mutant): string[] {
  return ground === undefined ? [''] : ['', `${name}${GROUND}`]
}

function upTo(seed: number): number[] {
  return Array.from({ length: seed }, (_, at) => at + 1)
}

async function huntBelowTheDisk(
  options: MutantOptions,
): Promise<{ found: Map<string, Known>; fine: boolean }> {
  const found = new Map<string, Known>()
  const wanted = belowTheDisk.filter(({ name }) => options.only.has(name))
  // Where the quick command is run, these suites were run before.
  const suites = options.known ? [] : wanted.flatMap((mutant) => mutant.suites)
  const failing = await failingUnmutated(new Set(suites))
  if (failing !== undefined) {
    say(`${failing} fails without a mutant`)
    return { found, fine: false }
  }
  const left = [...wanted]
  const work = async () => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const row = await huntInSuites(mutant)
      if (row !== undefined) found.set(mutant.name, row)
    }
  }
  await Promise.all(Array.from({ length: options.jobs }, work))
  return { found, fine: true }
}

async function huntInSuites(mutant: DiskMutant): Promise<Known | undefined> {
  const { caught, fell } = await runSuites(mutant)
  if (caught === undefined) {
    say(`${mutant.name}: not caught${fell === '' ? '' : `; ${fell}`}`)
    return undefined
  }
  const message = firstLine(caught.message)
  say(`${mutant.name}: ${caught.test}; ${message}`)
  return { name: mutant.name, caughtBy: caught.test, message }
}

/**
 * All seeds that were tried find nothing in the product as it is, nor with the ground that some
 * mutants stand on. The quick command leaves it at the seeds that found something.
 */
async function passesWithout(
  found: ReadonlyMap<string, Known>,
  { known, jobs }: MutantOptions,
): Promise<boolean> {
  const last = new Map<string, number>()
  for (const mutant of known ? [] : simulated) {
    const seed = found.get(mutant.name)?.seed ?? 0
    for (const changes of controlsOf(mutant)) {
      last.set(changes, Math.max(last.get(changes) ?? 0, seed))
    }
  }
  let passes = true
  for (const [changes, seed] of last) {
    if (seed === 0) continue
    const what = changes === '' ? 'without a mutant' : changes
    const left = upTo(seed)
    const work = async () => {
      const own = new Control()
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const { failure } = await own.run(changes, next)
        if (failure === undefined) continue
        passes = false
        say(`${what}, seed ${next}: ${failure.check}; ${firstLine(failure.message)}`)
      }
      own.close()
    }
    await Promise.all(Array.from({ length: jobs }, work))
    say(`${what}: ${countOf(seed, 'seed')} ${seed === 1 ? 'was' : 'were'} run`)
  }
  return passes
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  if (options === 'list') {
    for (const { name, danger } of [...simulated, ...belowTheDisk]) {
      process.stdout.write(`${name.padEnd(40)} ${danger}\n`)
    }
    return 0
  }
  const before = readKnown()
  const below = await huntBelowTheDisk(options)
  const control = new Control()
  const found = await huntSimulated({ ...options, control }, before)
  control.close()
  const passes = await passesWithout(found, options)
  const ran = new Set(options.only)
  // Where their suites fail by themselves, none of these was planted.
  if (!below.fine) for (const { name } of belowTheDisk) ran.delete(name)
  const known = renewed(before, { ran, found: new Map([...found, ...below.found]) })
  if (!options.known && passes && below.fine) {
    const order = [...simulated, ...belowTheDisk].map(({ name }) => known.get(name))
    writeKnown(order.filter((row) => row !== undefined))
    writePage(known)
  }
  process.stdout.write(`\n${tables(known, ran)}\n\n`)
  const escaped = [...ran].filter((name) => known.get(name)?.caughtBy === null)
  say(`${ran.size - escaped.length} of ${countOf(options.only.size, 'mutant')} caught`)
  if (escaped.length > 0) say(`not caught: ${escaped.join(', ')}`)
  return escaped.length === 0 && passes && below.fine ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n\n${USAGE}\n`)
  process.exitCode = 2
}
