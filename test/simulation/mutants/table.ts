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

/** First line of a message, not too long for a table. */
export function firstLine(message: string): string {
  const [line = ''] = message.trim().split('\n')
  return line.length > MESSAGE_CHARACTERS_MAX
    ? `${line.slice(0, MESSAGE_CHARACTERS_MAX - 1)}…`
    : line
}

/** Markdown: both tables. */
export function tables(known: ReadonlyMap<string, Known>): string {
  const row = ({ name, danger }: Mutant, simulated: boolean): string => {
    const found = known.get(name)
    const cells = [`\`${name}\``, danger, found === undefined ? '**escapes**' : found.caughtBy]
    if (simulated) cells.push(String(found?.seed ?? ''))
    cells.push(found?.message ?? '')
    return `| ${cells.map(cell).join(' | ')} |`
  }
  return [
    '| mutant | what it breaks | caught by | seeds needed | what was said |',
    '|---|---|---|---:|---|',
    ...simulated.map((mutant) => row(mutant, true)),
    '',
    'Below the simulated disk, run against the storage suite:',
    '',
    '| mutant | what it breaks | caught by | what failed |',
    '|---|---|---|---|',
    ...belowTheDisk.map((mutant) => row(mutant, false)),
  ].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/[<>]/g, (sign) => (sign === '<' ? '&lt;' : '&gt;'))
}

/** Replaces what stands between the marks. Throws where the page has none. */
export function writePage(known: ReadonlyMap<string, Known>): void {
  const page = readFileSync(PAGE, 'utf8')
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error(`docs/proof.md has no "${BEGIN}" … "${END}"`)
  const before = page.slice(0, from + BEGIN.length)
  writeFileSync(PAGE, `${before}\n\n${tables(known)}\n\n${page.slice(to)}`)
}
