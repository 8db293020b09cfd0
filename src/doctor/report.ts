/** Findings for people, one line and a remedy each, and for programs. */

import { allWell, type Finding, type State } from './finding.ts'

const WORDS: Readonly<Record<State, string>> = {
  ok: 'ok',
  warning: 'warn',
  failed: 'FAIL',
  skipped: 'skip',
}

/** Longer ones (paths, URLs) push their own line only. */
const NAME_COLUMNS_MAX = 16

/** Lines in the order of the findings, and a last one that sums up. */
export function textOf(findings: readonly Finding[]): string {
  const width = (of: (finding: Finding) => string) =>
    Math.max(0, ...findings.map((finding) => of(finding).length))
  const checks = width(({ check }) => check)
  const names = Math.min(
    NAME_COLUMNS_MAX,
    width(({ about }) => about),
  )
  const lines = findings.flatMap(({ check, about, state, text, remedy }) => {
    const head = `${WORDS[state].padEnd(4)}  ${check.padEnd(checks)}  ${about.padEnd(names)}`
    const line = `${head}  ${text.replaceAll(/\s+/g, ' ')}`
    return remedy === undefined ? [line] : [line, `${' '.repeat(6)}-> ${remedy}`]
  })
  const count = (state: State) => findings.filter((finding) => finding.state === state).length
  const sum = `${count('failed')} failed, ${count('warning')} warnings, ${count('ok')} ok`
  return `${[...lines, allWell(findings) ? `all well: ${sum}` : sum].join('\n')}\n`
}

/** One JSON document. */
export function jsonOf(findings: readonly Finding[]): string {
  return `${JSON.stringify({ ok: allWell(findings), findings }, undefined, 2)}\n`
}
