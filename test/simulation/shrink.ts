/**
 * Makes the schedule of a failing run as short as it can be: leaves out halves, then quarters, then
 * single faults, as long as the same check still fails (Zeller and Hildebrandt 2002, ddmin).
 */

import { type Job, type Report, runAll } from './crew.ts'

export type Shrunk = {
  readonly keep: readonly number[]
  readonly report: Report
  readonly tries: number
}

export async function shrink(failed: Report, workers: number): Promise<Shrunk> {
  let keep = Array.from({ length: failed.faults }, (_, place) => place)
  let report = failed
  let tries = 0
  for (let parts = 2; keep.length > 0; ) {
    const size = Math.ceil(keep.length / parts)
    const attempts: number[][] = []
    for (let from = 0; from < keep.length; from += size) {
      attempts.push(keep.filter((_, place) => place < from || place >= from + size))
    }
    tries += attempts.length
    const found = await firstThatFails(failed, attempts, workers)
    if (found !== undefined) {
      keep = found.keep
      report = found.report
      parts = Math.max(2, parts - 1)
    } else if (size === 1) break
    else parts = Math.min(keep.length, parts * 2)
  }
  return { keep, report, tries }
}

async function firstThatFails(
  failed: Report,
  attempts: readonly number[][],
  workers: number,
): Promise<{ keep: number[]; report: Report } | undefined> {
  let found: { keep: number[]; report: Report } | undefined
  const jobs: (Job & { keep: number[] })[] = attempts.map((keep) => ({ seed: failed.seed, keep }))
  // One after the other, so that the answer does not depend on who is faster.
  for (const job of jobs) {
    await runAll([job], {
      workers: Math.min(1, workers),
      onReport: (report) => {
        if (report.failure?.check === failed.failure?.check) found = { keep: job.keep, report }
        return true
      },
    })
    if (found !== undefined) return found
  }
  return undefined
}
