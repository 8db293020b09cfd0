/**
 * What is known of each mutant: the seed that found it last, by which check. The file is written by
 * the full command; with it a quick one needs about one run for each mutant.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export type Known = {
  readonly name: string
  /** The check, or the test, that failed; null: it was run, and escaped. */
  readonly caughtBy: string | null
  /** The seed that found it: the first of 1, 2, 3, …; undefined for those of the storage suite. */
  readonly seed?: number
  /** First line of what was said. */
  readonly message: string
}

const FILE = fileURLToPath(new URL('known.json', import.meta.url))

/** Name → what is known. */
export function readKnown(): Map<string, Known> {
  const rows = JSON.parse(readFileSync(FILE, 'utf8')) as Known[]
  return new Map(rows.map((row) => [row.name, row]))
}

/**
 * What is known after a run: the rows of those that were run are renewed, all others stay. Who is
 * in neither was not run.
 */
export function renewed(
  known: ReadonlyMap<string, Known>,
  { ran, found }: { ran: Iterable<string>; found: ReadonlyMap<string, Known> },
): Map<string, Known> {
  const rows = new Map(known)
  for (const name of ran) {
    rows.set(name, found.get(name) ?? { name, caughtBy: null, message: '' })
  }
  return rows
}

/** Keeps these rows, in this order. */
export function writeKnown(rows: readonly Known[]): void {
  writeFileSync(FILE, `${JSON.stringify(rows, null, 2)}\n`)
}
