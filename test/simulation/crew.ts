/** Worker processes that run seeds beside each other. */

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { RunFailure } from './run-seed.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))
/** A run takes a second or so; one that takes this long hangs. */
const RUN_MS_MAX = 180_000
/** Most of what a run makes is short-lived. */
const FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=32']
/** A worker is replaced after this many runs. */
const RUNS_A_WORKER = 500

export type Job = {
  readonly seed: number
  /** Places in the seed's schedule of the faults to be kept; undefined: all. */
  readonly keep: readonly number[] | undefined
}

export type Report = {
  readonly seed: number
  readonly failure: RunFailure | undefined
  readonly hash: string
  readonly virtual_ms: number
  readonly operations: number
  readonly faults: number
  readonly coverage: Readonly<Record<string, number>>
}

/** One worker process, made anew when it was lost or has run for long. */
export class Worker {
  #child: ChildProcess | undefined
  #runs = 0

  /** Runs one job; one at a time. A worker that ends or hangs is a failed run. */
  run(job: Job): Promise<Report> {
    if (this.#runs >= RUNS_A_WORKER) this.close()
    this.#runs += 1
    this.#child ??= fork(WORKER, { execArgv: FLAGS })
    const child = this.#child
    return new Promise((resolve) => {
      const settle = (report: Report) => {
        clearTimeout(timer)
        child.off('message', settle)
        child.off('exit', ended)
        resolve(report)
      }
      const fail = (check: string, message: string) => {
        this.close()
        const failure = { check, message, at_ms: 0 }
        const nothing = { hash: '', virtual_ms: 0, operations: 0, faults: 0, coverage: {} }
        settle({ seed: job.seed, failure, ...nothing })
      }
      const ended = () => fail('process-ended', 'the process of the run ended')
      const timer = setTimeout(() => {
        fail('hang', `the run did not end within ${RUN_MS_MAX / 1000} s`)
      }, RUN_MS_MAX)
      child.on('message', settle)
      child.on('exit', ended)
      child.send(job)
    })
  }

  close(): void {
    this.#child?.removeAllListeners('exit')
    this.#child?.kill('SIGKILL')
    this.#child = undefined
    this.#runs = 0
  }
}

/** Runs many jobs with several workers; stops taking new ones when `onReport` says false. */
export async function runAll(
  jobs: Iterable<Job>,
  options: { workers: number; onReport: (report: Report) => boolean },
): Promise<void> {
  const queue = jobs[Symbol.iterator]()
  let going = true
  const lane = async () => {
    const worker = new Worker()
    try {
      for (let next = queue.next(); going && next.done !== true; next = queue.next()) {
        if (!options.onReport(await worker.run(next.value))) going = false
      }
    } finally {
      worker.close()
    }
  }
  await Promise.all(Array.from({ length: options.workers }, lane))
}
