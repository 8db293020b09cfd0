/** A process that runs seeds, one at a time, as its parent asks (crew.ts). */

import type { Job, Report } from './crew.ts'
import { runSeed } from './run-seed.ts'

async function work({ seed, keep }: Job): Promise<Report> {
  const result = await runSeed(seed, keep === undefined ? {} : { keep })
  const { transcript: _, faults: schedule, ...rest } = result
  return { ...rest, faults: schedule.length }
}

process.on('message', (job: Job) => {
  work(job).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`seed ${job.seed}: ${error instanceof Error ? error.stack : error}\n`)
      process.exit(1)
    },
  )
})
// The parent is gone: nobody waits for anything here.
process.on('disconnect', () => process.exit())
