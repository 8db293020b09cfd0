/**
 * The table of a run: a line for each scenario, gathered over all test files. They are processes of
 * one runner, so that its process id names the file they share.
 */

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Row = {
  readonly scenario: string
  readonly passed: boolean
  readonly text: string
  readonly took_s: number
}

const FILE = join(tmpdir(), `ordinal-e2e-${process.ppid}.jsonl`)

export function addRow(row: Row): void {
  appendFileSync(FILE, `${JSON.stringify(row)}\n`)
}

/** All of this run so far. */
export function rows(): Row[] {
  if (!existsSync(FILE)) return []
  const lines = readFileSync(FILE, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Row)
}
