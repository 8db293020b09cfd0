/**
 * The process that runs seeds with a mutant planted (plant.ts, loaded before it). A process for
 * each mutant, since a module is loaded once; seeds are asked for one by one, over IPC.
 */

import { runSeed } from '../run-seed.ts'
import type { Report } from './runner.ts'

async function report(seed: number): Promise<Report> {
  try {
    const { failure, coverage } = await runSeed(seed, { exceptions: 'crash' })
    return { seed, failure, exceptions: coverage['exceptions'] ?? 0 }
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { seed, failure: { check: 'exception', message }, exceptions: 1 }
  }
}

process.on('message', (seed: number) => {
  void report(seed).then((done) => process.send?.(done))
})
// The parent is gone: nobody waits for anything here.
process.on('disconnect', () => process.exit())
