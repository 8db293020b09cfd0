/**
 * The programs that check the chart. They are no npm packages, so they may be missing: then a test
 * that needs them says so loudly, and fails where CI is set, since there it would hide everything.
 */

import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** A rendering has 100 KB; a dashboard is in it. */
const OUTPUT_BYTES_MAX = 32 * 1024 * 1024
const TIMEOUT_MS = 60_000

export const ROOT = join(import.meta.dirname, '..', '..')
export const CHART = join(ROOT, 'chart')

/** Whether a program is on the PATH. */
export function has(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)))
}

/** What tap's `skip` takes: false where all programs are there. Throws where CI is set. */
export function needs(...programs: readonly string[]): string | false {
  const missing = programs.filter((program) => !has(program))
  if (missing.length === 0) return false
  const message = `NOT RUN: ${missing.join(' AND ')} NOT ON THE PATH, THE CHART IS NOT TESTED`
  if (process.env['CI']) throw new Error(message)
  process.stderr.write(`\n*** ${message} ***\n\n`)
  return message
}

/** Runs a program. Rejects with what it printed when it fails. */
export async function call(program: string, args: readonly string[]): Promise<string> {
  const options = { maxBuffer: OUTPUT_BYTES_MAX, timeout: TIMEOUT_MS }
  const { stdout } = await run(program, [...args], options)
  return stdout
}

/** The same at once, with something on its standard input. */
export function feed(program: string, args: readonly string[], input: string): string {
  return execFileSync(program, [...args], { input, encoding: 'utf8', timeout: TIMEOUT_MS })
}
