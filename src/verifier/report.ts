/** The report of a run or of a saved history: as plain text and as JSON. */

import type { Verdict } from './check-history.ts'
import { operationText, plural, shortText, spanText, visible } from './explain.ts'
import { culpritOf, type Finding } from './finding.ts'
import type { Operation } from './history.ts'
import type { Judgement } from './judgement.ts'
import { commonest, type Gap, KINDS, type Kind, type Statistics } from './statistics.ts'

export type Report = {
  readonly judgement: Judgement
  readonly verdict: Verdict
  /** Undefined: the history came out of a file. */
  readonly run: RunReport | undefined
  /** Where the history came from, or went to. */
  readonly historyFile: string | undefined
}

export type RunReport = {
  readonly urls: readonly string[]
  readonly clients: number
  readonly rate: number
  readonly keys: number
  readonly prefix: string
  readonly seed: number
  readonly load_us: number
  readonly statistics: Statistics
  readonly gap: Gap
  readonly leaderChanges: readonly LeaderChangeReport[]
  readonly leaderChangesTotal: number
  readonly leader: string | undefined
}

export type LeaderChangeReport = {
  readonly at_us: number
  readonly term: number
  readonly leader: string | undefined
  readonly formerTerm: number
  readonly formerLeader: string | undefined
}

/** Findings told one by one in text. */
const FINDINGS_TOLD = 5

/** `+12.345 s` since the run began. */
export function timeText(time_us: number, digits: 3 | 6 = 6): string {
  return `+${(time_us / 1_000_000).toFixed(digits)} s`
}

/** The report for a terminal. */
export function reportText(report: Report): string {
  const { judgement, verdict, run, historyFile } = report
  const lines: string[] = []
  if (run !== undefined) lines.push(...runLines(run), '')
  const { figures } = verdict
  lines.push(
    `Checked ${plural(figures.operations, 'operation')} on ${plural(figures.keys, 'key')}; ` +
      `${plural(figures.acknowledged, 'acknowledged write')}, ` +
      `${figures.confirmed.toLocaleString('en')} confirmed in the end, ${figures.lost} lost.`,
  )
  if (historyFile !== undefined) lines.push(`History: ${historyFile}`)
  for (const [at, finding] of verdict.findings.slice(0, FINDINGS_TOLD).entries()) {
    lines.push('', ...findingLines(finding, at + 1))
  }
  const more = verdict.findingsTotal - Math.min(FINDINGS_TOLD, verdict.findings.length)
  if (more > 0) lines.push('', `${plural(more, 'further proof')} not shown here (--json has more).`)
  lines.push('', `Verdict: ${judgement.headline}`)
  for (const note of judgement.notes) lines.push(`  ${note}`)
  return `${lines.map(visible).join('\n')}\n`
}

function runLines(run: RunReport): string[] {
  const { statistics, gap, leaderChanges } = run
  const rows = [['operation', 'ok', '412/304', 'fail', 'unknown', 'p50', 'p90', 'p99', 'max']]
  for (const kind of KINDS) {
    const counts = countsOf(statistics, kind)
    const { latency } = counts
    const span = (share: number) =>
      latency.count === 0 ? '' : spanText(latency.percentile_us(share))
    rows.push([
      kind,
      ...[counts.ok, counts.condition, counts.fail, counts.unknown].map((count) =>
        count.toLocaleString('en'),
      ),
      span(0.5),
      span(0.9),
      span(0.99),
      latency.count === 0 ? '' : spanText(latency.highest_us),
    ])
  }
  const seconds = run.load_us / 1_000_000
  const codes = statistics.failures === 0 ? '' : `: ${failuresText(statistics)}`
  const lines = [
    ...table(rows),
    '',
    `${plural(statistics.operations, 'operation')} in ${seconds.toFixed(1)} s ` +
      `(${Math.round(statistics.operations / seconds)}/s), ` +
      `${plural(statistics.failures, 'failure')}${codes}`,
    `Longest gap without a successful write: ${spanText(gap.until_us - gap.from_us)}, ` +
      `from ${timeText(gap.from_us, 3)} to ${timeText(gap.until_us, 3)}`,
    `Changes of leader: ${run.leaderChangesTotal}`,
  ]
  for (const change of leaderChanges.slice(0, 20)) lines.push(`  ${changeText(change)}`)
  lines.push(`Again with the same choices: --seed ${run.seed}`)
  return lines
}

/** `+3.250 s  db-0 (term 1) → db-1 (term 2)`. */
export function changeText(change: LeaderChangeReport): string {
  const { at_us, term, leader, formerTerm, formerLeader } = change
  const former = `${formerLeader ?? 'nobody'} (term ${formerTerm})`
  return `${timeText(at_us, 3)}  ${former} → ${leader ?? 'nobody'} (term ${term})`
}

export function failuresText(statistics: Statistics): string {
  return commonest(statistics.failureCodes)
    .map(([code, count]) => `${count.toLocaleString('en')} ${code}`)
    .join(', ')
}

function countsOf(statistics: Statistics, kind: Kind) {
  const counts = statistics.kinds.get(kind)
  if (counts === undefined) throw new Error(`no counts of ${kind}`)
  return counts
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] as number
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

function findingLines(finding: Finding, number: number): string[] {
  const { type, key, explanation, operations, order } = finding
  const lines = [`${number}. ${type}, key ${key}`, `   ${explanation}`, '']
  for (const operation of operations) {
    const place = order === undefined ? -1 : order.indexOf(operation)
    const mark = operation === culpritOf(finding) ? '✗' : place === -1 ? ' ' : String(place + 1)
    lines.push(`   ${mark.padStart(2)}  ${spanOf(operation)}  ${operationText(operation)}`)
  }
  if (order !== undefined && order.length > 0) {
    lines.push('', '   numbers: an order that explains all but ✗')
  }
  return lines
}

function spanOf({ call_us, return_us }: Operation): string {
  const until = return_us === undefined ? 'no answer' : timeText(return_us)
  return `${timeText(call_us)} … ${until}`
}

/** What an exit code says. */
const HOLDS = { 0: 'yes', 1: 'no', 2: 'undecided' } as const

/** The report for programs where there is none: why nobody can tell. */
export function failureDocument(error: string): Record<string, unknown> {
  return { error, verdict: { holds: HOLDS[2], exitCode: 2, headline: `could not tell: ${error}` } }
}

/** The report for programs. */
export function reportDocument(report: Report): Record<string, unknown> {
  const { judgement, verdict, run, historyFile } = report
  return {
    verdict: {
      holds: HOLDS[judgement.exitCode],
      exitCode: judgement.exitCode,
      headline: judgement.headline,
      notes: judgement.notes,
      undecided: verdict.undecided,
      findingsTotal: verdict.findingsTotal,
      findings: verdict.findings.map(findingDocument),
    },
    checked: verdict.figures,
    historyFile,
    ...(run === undefined ? {} : { run: runDocument(run) }),
  }
}

function findingDocument(finding: Finding): Record<string, unknown> {
  const { type, key, explanation, operations, order, culprit } = finding
  return {
    type,
    key,
    explanation,
    operations: operations.map((operation) => ({ ...operation, text: operationText(operation) })),
    ...(order === undefined ? {} : { order: order.map(({ id }) => id) }),
    ...(order === undefined ? {} : { orderText: order.map(shortText) }),
    ...(culprit === undefined ? {} : { culprit: culprit.id }),
  }
}

function runDocument(run: RunReport): Record<string, unknown> {
  const { statistics, gap, load_us } = run
  const kinds = KINDS.map((kind) => {
    const { latency, condition, ...counts } = countsOf(statistics, kind)
    const milliseconds = (span_us: number) =>
      latency.count === 0 ? null : Number((span_us / 1000).toFixed(3))
    return [
      kind,
      {
        ...counts,
        conditionFailed: condition,
        latency_ms: {
          p50: milliseconds(latency.percentile_us(0.5)),
          p90: milliseconds(latency.percentile_us(0.9)),
          p99: milliseconds(latency.percentile_us(0.99)),
          max: milliseconds(latency.highest_us),
        },
      },
    ]
  })
  return {
    urls: run.urls,
    clients: run.clients,
    rate: run.rate,
    keys: run.keys,
    prefix: run.prefix,
    seed: run.seed,
    duration_ms: load_us / 1000,
    operations: statistics.operations,
    written: statistics.written,
    failures: statistics.failures,
    failureCodes: Object.fromEntries(statistics.failureCodes),
    longestGap_ms: (gap.until_us - gap.from_us) / 1000,
    longestGap: { from_ms: gap.from_us / 1000, until_ms: gap.until_us / 1000 },
    leader: run.leader,
    leaderChangesTotal: run.leaderChangesTotal,
    leaderChanges: run.leaderChanges.map(({ at_us, ...change }) => ({
      at_ms: at_us / 1000,
      ...change,
    })),
    byOperation: Object.fromEntries(kinds),
  }
}
