/** The mutants as a table: on the terminal, and in docs/proof.md between two marks. */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { belowTheDisk, simulated } from './catalog.ts'
import type { Known } from './known.ts'
import type { Mutant } from './mutant.ts'

const PAGE = fileURLToPath(new URL('../../../docs/proof.md', import.meta.url))
const BEGIN = '<!-- mutants: begin (written by `npm run mutants`) -->'
const END = '<!-- mutants: end -->'
const MESSAGE_CHARACTERS_MAX = 160
const HEAD_SIMULATED = [
  '| mutant | what it breaks | caught by | seeds needed | what was said |',
  '|---|---|---|---:|---|',
]
const HEAD_BELOW = [
  'Below the simulated disk, run against the storage suite:',
  '',
  '| mutant | what it breaks | caught by | what failed |',
  '|---|---|---|---|',
]

/** First line of a message, not too long for a table. */
export function firstLine(message: string): string {
  const [line = ''] = message.trim().split('\n')
  return line.length > MESSAGE_CHARACTERS_MAX
    ? `${line.slice(0, MESSAGE_CHARACTERS_MAX - 1)}…`
    : line
}

/** Markdown: both tables; with `only`, the rows of these mutants, and no table without rows. */
export function tables(known: ReadonlyMap<string, Known>, only?: ReadonlySet<string>): string {
  const row = ({ name, danger }: Mutant, simulated: boolean): string => {
    const found = known.get(name)
    const cells = [`\`${name}\``, danger, found === undefined ? 'not run' : caughtBy(found)]
    if (simulated) cells.push(String(found?.seed ?? ''))
    cells.push(found?.message ?? '')
    return `| ${cells.map(cell).join(' | ')} |`
  }
  const wanted = ({ name }: Mutant) => only?.has(name) ?? true
  const above = simulated.filter(wanted).map((mutant) => row(mutant, true))
  const below = belowTheDisk.filter(wanted).map((mutant) => row(mutant, false))
  const parts: string[] = []
  if (above.length > 0) parts.push([...HEAD_SIMULATED, ...above].join('\n'))
  if (below.length > 0) parts.push([...HEAD_BELOW, ...below].join('\n'))
  return parts.join('\n\n')
}

function caughtBy(found: Known): string {
  return found.caughtBy ?? '**escapes**'
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/[<>]/g, (sign) => (sign === '<' ? '&lt;' : '&gt;'))
}

/** Renews what stands between the marks on the page in docs/. */
export function writePage(known: ReadonlyMap<string, Known>): void {
  writeFileSync(PAGE, pageWith(readFileSync(PAGE, 'utf8'), known))
}

/** The page with these tables between its marks. Throws where it has none. */
export function pageWith(page: string, known: ReadonlyMap<string, Known>): string {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error(`docs/proof.md has no "${BEGIN}" … "${END}"`)
  const before = page.slice(0, from + BEGIN.length)
  return `${before}\n\n${tables(known)}\n\n${page.slice(to)}`
}
