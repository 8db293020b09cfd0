/**
 * Runs seeds under one mutant (or under none) in a process of its own. A run that hangs, or that
 * takes its process with it, is a report like any other: such a mutant was not caught by a check.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MUTANT_VARIABLE } from './planting.ts'

/** A run of one seed is given up after this long: mutants loop. */
const RUN_SECONDS_MAX = 180
const PLANT = fileURLToPath(new URL('plant.ts', import.meta.url))
const RUNS = fileURLToPath(new URL('mutated-runs.ts', import.meta.url))

/** What one run found. */
export type Report = {
  readonly seed: number
  readonly failure: { readonly check: string; readonly message: string } | undefined
  /** Processes of the simulated cluster that ended by an exception nobody expected. */
  readonly exceptions: number
}

/** Not found by a check, but by the mutated program falling over, or not ending. */
const NO_CHECK = new Set(['exception', 'exhausted', 'hang', 'process-ended'])
/** What a cluster that keeps falling over fails as well. */
const NOT_AFTER_EXCEPTIONS = new Set<string>(['not-well'])

/** Did a check find the mutant in this run? */
export function isCatch({ failure, exceptions }: Report): boolean {
  if (failure === undefined || NO_CHECK.has(failure.check)) return false
  return exceptions === 0 || !NOT_AFTER_EXCEPTIONS.has(failure.check)
}

export class Runner {
  /** The mutant's name; '': none. */
  readonly mutant: string
  #child: ChildProcess | undefined

  constructor(mutant: string) {
    this.mutant = mutant
  }

  /** Runs one seed; one at a time. Never rejects. */
  run(seed: number): Promise<Report> {
    this.#child ??= fork(RUNS, {
      execArgv: ['--disable-warning=ExperimentalWarning', '--import', PLANT],
      env: { ...process.env, [MUTANT_VARIABLE]: this.mutant },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const child = this.#child
    return new Promise((resolve) => {
      let noise = ''
      const heard = (text: Buffer) => {
        noise = `${noise}${text}`.slice(-2000)
      }
      const settle = (report: Report): void => {
        clearInterval(timer)
        child.off('message', settle).off('exit', ended)
        child.stderr?.off('data', heard)
        resolve(report)
      }
      const failed = (check: string, message: string): void => {
        this.close()
        settle({ seed, failure: { check, message }, exceptions: 1 })
      }
      const ended = () => failed('process-ended', `the process of the run ended: ${noise}`)
      // Seconds in which this process ran: a machine that slept says nothing of the run.
      let seconds = 0
      const timer = setInterval(() => {
        seconds += 1
        if (seconds < RUN_SECONDS_MAX) return
        failed('hang', `the run did not end within ${RUN_SECONDS_MAX} s`)
      }, 1000)
      child.on('message', settle).on('exit', ended)
      child.stderr?.on('data', heard)
      child.send(seed, (error) => {
        if (error !== null) failed('process-ended', error.message)
      })
    })
  }

  close(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }
}
