/**
 * The load generator's contract. It is a process of its own, the same for all targets of a run: a
 * closed loop of keep-alive connections, each with one request under way, random keys.
 */

import { execFileSync } from 'node:child_process'
import type { GeneratorName } from './options.ts'
import type { RequestSet } from './requests.ts'

export type Drive = {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  readonly seed: number
  /** Send each key once and end then, rather than after `seconds`: fills a store. */
  readonly eachOnce: boolean
  readonly requests: RequestSet
}

export type DriveErrors = {
  readonly connect: number
  readonly read: number
  readonly write: number
  /** Answers that were not 2xx (wrk: from 400 on). */
  readonly status: number
  readonly timeout: number
}

export type DriveResult = {
  readonly requests: number
  readonly duration_us: number
  readonly p50_us: number
  readonly p99_us: number
  readonly max_us: number
  /** CPU time of the generator from its first request on. */
  readonly cpu_us: number
  readonly errors: DriveErrors
}

export type Generator = {
  readonly name: 'wrk' | 'own'
  readonly about: string
  drive(drive: Drive, signal: AbortSignal): Promise<DriveResult>
}

/** An answer slower than this is an error. */
export const ANSWER_MS_MAX = 10_000
/** A generator that is not done this long after its time is killed. */
export const OVERRUN_MS_MAX = 30_000

/** Sum of all errors: a drive with any is not valid. */
export function errorCount({ errors }: DriveResult): number {
  return errors.connect + errors.read + errors.write + errors.status + errors.timeout
}

/** First line of `wrk -v`; undefined if it is not on the PATH. */
function wrkVersion(): string | undefined {
  try {
    // It prints its version and its usage, and ends with code 1.
    return execFileSync('wrk', ['-v'], { encoding: 'utf8', stdio: 'pipe', timeout: 5000 })
  } catch (error) {
    const failure = error as NodeJS.ErrnoException & { stdout?: string }
    if (failure.code === 'ENOENT') return undefined
    return failure.stdout?.split('\n')[0]
  }
}

/** Which generator to take. Throws if wrk is asked for and missing. */
export function chooseGenerator(wanted: GeneratorName): { wrk: string | undefined } {
  if (wanted === 'own') return { wrk: undefined }
  const wrk = wrkVersion()
  if (wrk === undefined && wanted === 'wrk') throw new Error('wrk is not on the PATH')
  return { wrk: wrk?.replace(/ Copyright.*/s, '') }
}
