/**
 * Runs test files under a mutant below the simulated disk. It is caught when an assertion fails; a
 * test that dies of an exception proves nothing.
 */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { DiskMutant } from './mutant.ts'
import { MUTANT_VARIABLE } from './planting.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PLANT = fileURLToPath(new URL('plant.ts', import.meta.url))
const SUITE_MS_MAX = 240_000
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024
/** Fixed, so that the table tells the same each time. */
const SEED = '1'

export type SuiteCatch = { readonly test: string; readonly message: string }
export type SuiteReport = {
  readonly caught: SuiteCatch | undefined
  /** How the suite failed without an assertion; '' if it did not. */
  readonly fell: string
}

/** Runs the mutant's suites until one fails. */
export async function runSuites(mutant: DiskMutant): Promise<SuiteReport> {
  let fell = ''
  for (const suite of mutant.suites) {
    // To the first failure; and where that is an exception, to the end: something may be asserted.
    for (const bail of [true, false]) {
      const output = await outputOf(suite, { mutant: mutant.name, bail })
      const failures = failuresIn(output.text)
      const caught = failures.find((failure) => failure.assertion)
      if (caught !== undefined) {
        const { test, message } = caught
        return { caught: { test: `${suite}: ${test}`, message }, fell: '' }
      }
      if (!output.failed) break
      const [thrown] = failures
      fell = `${suite}: ${thrown?.test ?? 'no result'}: an exception: ${thrown?.message ?? ''}`
    }
  }
  return { caught: undefined, fell }
}

/** The first test file of these that fails without any mutant; undefined: none does. */
export async function failingUnmutated(suites: ReadonlySet<string>): Promise<string | undefined> {
  for (const suite of suites)
    if ((await outputOf(suite, { mutant: '', bail: true })).failed) return suite
  return undefined
}

async function outputOf(
  suite: string,
  { mutant, bail }: { mutant: string; bail: boolean },
): Promise<{ text: string; failed: boolean }> {
  const args = ['--disable-warning=ExperimentalWarning', '--import', PLANT, suite]
  const env = {
    ...process.env,
    [MUTANT_VARIABLE]: mutant,
    ORDINAL_SEED: SEED,
    TAP_BAIL: bail ? '1' : '0',
    TAP_TIMEOUT: String(SUITE_MS_MAX / 1000),
  }
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: ROOT,
      env,
      timeout: SUITE_MS_MAX,
      maxBuffer: OUTPUT_BYTES_MAX,
    })
    return { text: stdout, failed: false }
  } catch (error) {
    return { text: String((error as { stdout?: unknown }).stdout ?? ''), failed: true }
  }
}

export type Failure = {
  readonly test: string
  readonly message: string
  readonly assertion: boolean
}

/** What failed, innermost: the lines that sum up a test (they tell its time) are left out. */
export function failuresIn(tap: string): Failure[] {
  const lines = tap.split('\n')
  return lines.flatMap((line, at) => {
    const found = /^( *)not ok \d+ - (.*)$/.exec(line)
    if (found === null || line.includes('# time=')) return []
    const [, indent = '', message = ''] = found
    const outer = `${indent.slice(4)}# Subtest: `
    const test = lines.slice(0, at).findLast((other) => other.startsWith(outer))
    const rest = lines.slice(at + 1)
    const end = rest.findIndex((other) => /^ *\.\.\.$/.test(other))
    // tap's marks of what was thrown, or rejected, or too slow, and not asserted.
    const marks = rest.slice(0, Math.max(0, end))
    const caught = marks.some((other) => /^ *(tapCaught|expired):/.test(other))
    return [{ test: (test ?? '').slice(outer.length), message, assertion: !caught }]
  })
}
