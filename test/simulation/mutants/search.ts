/**
 * Looks for a seed that finds a mutant: seeds in ascending order, until one does or there are no
 * more. Several runners may work on one search; the lowest seed that finds it counts, and only if
 * the same seed finds nothing without the mutant (the control).
 */

import { isCatch, type Report, Runner } from './runner.ts'

/** The product as it is: what a seed finds there is no merit of a mutant. */
export class Control {
  readonly #runners = new Map<string, Runner>()
  readonly #reports = new Map<string, Promise<Report>>()
  #last: Promise<unknown> = Promise.resolve()

  /** Runs a seed with these changes alone ('': none), each once. */
  run(changes: string, seed: number): Promise<Report> {
    const name = `${changes} ${seed}`
    let report = this.#reports.get(name)
    if (report === undefined) {
      const runner = this.#runners.get(changes) ?? new Runner(changes)
      this.#runners.set(changes, runner)
      // One by one: a process runs one seed at a time.
      report = this.#last.then(() => runner.run(seed))
      this.#last = report
      this.#reports.set(name, report)
    }
    return report
  }

  close(): void {
    for (const runner of this.#runners.values()) runner.close()
  }
}

export type SearchOptions = {
  readonly seeds: readonly number[]
  /** Changes under which a seed that catches must pass: '' for none, a mutant's ground. */
  readonly controls: readonly string[]
}

export class Search {
  readonly mutant: string
  readonly controls: readonly string[]
  readonly #seeds: readonly number[]
  #next = 0
  #running = 0
  #caught: Report | undefined
  /** Runs that are done. */
  done = 0
  /** Runs that failed without a check, and those that fail without the mutant too. */
  readonly fell: Report[] = []
  readonly spoilt: Report[] = []

  constructor(mutant: string, { seeds, controls }: SearchOptions) {
    this.mutant = mutant
    this.controls = controls
    this.#seeds = seeds
  }

  get runners(): number {
    return this.#running
  }

  /** The run with the lowest seed that found the mutant. */
  get caught(): Report | undefined {
    return this.#caught
  }

  get ended(): boolean {
    return this.#running === 0 && !this.hasMore
  }

  get hasMore(): boolean {
    return this.#next < this.#seeds.length && this.#caught === undefined
  }

  /** Runs the next seed. */
  async step(runner: Pick<Runner, 'run'>, control: Pick<Control, 'run'>): Promise<void> {
    const seed = this.#seeds[this.#next] as number
    this.#next += 1
    this.#running += 1
    const report = await runner.run(seed)
    if (isCatch(report)) await this.#judge(report, control)
    else if (report.failure !== undefined) this.fell.push(report)
    this.#running -= 1
    this.done += 1
  }

  async #judge(report: Report, control: Pick<Control, 'run'>): Promise<void> {
    for (const changes of this.controls) {
      const without = await control.run(changes, report.seed)
      if (without.failure === undefined) continue
      this.spoilt.push(without)
      return
    }
    if (this.#caught === undefined || report.seed < this.#caught.seed) this.#caught = report
  }
}

/**
 * Runs all searches with `jobs` processes: as long as there are enough searches each has one, then
 * the idle ones join those that are left. `changed` is called after each run.
 */
export async function searchAll(
  searches: readonly Search[],
  options: { jobs: number; control: Control; changed: (search: Search) => void },
): Promise<void> {
  const work = async () => {
    let runner: Runner | undefined
    try {
      for (let search = choose(searches); search !== undefined; search = choose(searches)) {
        if (runner?.mutant !== search.mutant) {
          runner?.close()
          runner = new Runner(search.mutant)
        }
        const current: Search = search
        do {
          await current.step(runner, options.control)
          options.changed(current)
        } while (current.hasMore && isCrowded(searches, current))
      }
    } finally {
      runner?.close()
    }
  }
  await Promise.all(Array.from({ length: options.jobs }, work))
}

/** The search that the fewest processes work on, the earliest of those. */
function choose(searches: readonly Search[]): Search | undefined {
  let best: Search | undefined
  for (const search of searches) {
    if (!search.hasMore) continue
    if (best === undefined || search.runners < best.runners) best = search
  }
  return best
}

/** A process stays with its search as long as no other search is without one. */
function isCrowded(searches: readonly Search[], current: Search): boolean {
  return current.runners === 0 || !searches.some((one) => one.hasMore && one.runners === 0)
}
