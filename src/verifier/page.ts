/** The report as one page that needs nothing besides itself: no script, no font, no address. */

import { plural, spanText } from './explain.ts'
import type { Finding } from './finding.ts'
import type { Operation } from './history.ts'
import { type Markup, markup, Markup as Raw } from './markup.ts'
import { changeText, failuresText, type Report, type RunReport, timeText } from './report.ts'
import { gapChart, runChart } from './run-chart.ts'
import { KINDS } from './statistics.ts'
import { timeLine } from './time-line.ts'

/** Findings drawn; the others are counted. */
const FINDINGS_DRAWN = 5

const STYLE = new Raw(`
:root { color-scheme: light dark; --ink: #1c2430; --dim: #5d6878; --ground: #fff; --line: #d5dae2;
  --soft: #f3f5f8; --good: #1a7f46; --bad: #c0262d; --doubt: #9a6700; --write: #2f6fd0;
  --read: #6b7789; --gap: #ffe4b8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --dim: #9aa5b4; --ground: #14181e;
  --line: #343c48; --soft: #1d232b; --good: #4cc17d; --bad: #ff6b6b; --doubt: #e0b040;
  --write: #6ea6ff; --read: #98a4b5; --gap: #4a3a1a; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 980px; padding: 28px 24px 60px; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 17px; font-weight: 600; color: var(--dim); margin: 0 0 6px }
h2 { font-size: 20px; margin: 40px 0 8px } h3 { font-size: 16px; margin: 26px 0 6px }
.verdict { border-left: 6px solid; padding: 12px 18px; background: var(--soft); font-size: 22px;
  font-weight: 650 }
.verdict.c0 { border-color: var(--good) } .verdict.c1 { border-color: var(--bad) }
.verdict.c2 { border-color: var(--doubt) }
.verdict p { font-size: 15px; font-weight: 400; margin: 4px 0 0; color: var(--dim) }
.small { color: var(--dim); font-size: 14px } .scroll { overflow-x: auto }
code { font: 14px ui-monospace, monospace; background: var(--soft); padding: 1px 4px }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: 4px 12px; border-bottom: 1px solid var(--line) }
th { color: var(--dim); font-weight: 500 } td:first-child, th:first-child { text-align: left;
  padding-left: 0 }
svg { display: block; font: 13px system-ui, sans-serif } svg text { fill: var(--ink) }
svg .time, svg .answer, svg .who { fill: var(--dim); font-size: 12px } svg .end { text-anchor: end }
svg .idle { text-anchor: middle; font-style: italic } svg .rule { stroke: var(--line) }
svg .tick { stroke: var(--line); stroke-dasharray: 2 3 }
svg .gap { fill: var(--gap) } svg .ok { fill: var(--good) } svg .bad, svg .fail { fill: var(--bad) }
svg rect.unknown { fill: var(--doubt) } svg .change line { stroke: var(--write) }
svg .change text { fill: var(--write); font-size: 11px }
svg .bar rect { fill: var(--soft); stroke: var(--read); stroke-width: 1.5 }
svg .bar.write rect { stroke: var(--write) } svg .bar.culprit rect { stroke: var(--bad);
  stroke-width: 3 }
svg .bar.unknown rect { stroke: var(--doubt); stroke-dasharray: 5 4 }
svg .bar circle { fill: var(--read) } svg .bar.write circle { fill: var(--write) }
svg .bar.culprit circle { fill: var(--bad) } svg .bar.unknown circle { fill: var(--doubt) }
svg .badge { fill: var(--ground); text-anchor: middle; font-weight: 700 }
.key span { display: inline-block; margin-right: 18px } .key i { display: inline-block; width: 12px;
  height: 12px; margin-right: 5px; vertical-align: -1px }
`)

/** The whole page. `operations`: the history, for what is drawn of it. */
export function reportPage(report: Report, operations: readonly Operation[]): string {
  const { judgement, verdict, run } = report
  const { figures } = verdict
  const notes = judgement.notes.map((note) => markup`<p>${note}</p>`)
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ordinal verify: ${judgement.headline}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Ordinal verify</h1>
<div class="verdict c${judgement.exitCode}">${capital(judgement.headline)}${notes}</div>
<p class="small">Checked ${plural(figures.operations, 'operation')} on
 ${plural(figures.keys, 'key')}: ${plural(figures.acknowledged, 'acknowledged write')},
 ${figures.confirmed.toLocaleString('en')} of them confirmed by the last read of their key,
 ${figures.lost} lost.${run === undefined ? '' : ` At ${run.urls.join(', ')}.`}</p>
${findings(report)}
${run === undefined ? undefined : runSections(run, operations)}
</body>
</html>
`.text
}

function findings({ verdict }: Report): Markup | undefined {
  if (verdict.findings.length === 0) return undefined
  const drawn = verdict.findings.slice(0, FINDINGS_DRAWN)
  const more = verdict.findingsTotal - drawn.length
  return markup`<h2>What is wrong</h2>
<p class="small">Each bar goes from a call to its answer; time is not to scale. The one marked ✗ has
 an answer that cannot be; numbers are an order that explains all others.</p>
${drawn.map(findingSection)}
${more > 0 ? markup`<p class="small">${plural(more, 'further proof')} not drawn.</p>` : undefined}`
}

const TITLES: Readonly<Record<Finding['type'], string>> = {
  'not-linearizable': 'No order explains these answers',
  'lost-write': 'An acknowledged write is lost',
  'revision-order': 'Revisions do not rise in real time',
  'applied-twice': 'A value or a revision stands for more than one write',
  'value-from-nowhere': 'A value that nobody can have written',
  'state-mismatch': 'An answer does not fit the state that it comes from',
  'too-stale': 'A stale read is older than it may be',
  'below-min-revision': 'A read is answered from below the revision that was asked for',
  'impossible-answer': 'An answer of the wrong kind',
}

function findingSection(finding: Finding): Markup {
  const { type, key, explanation } = finding
  return markup`<h3>${TITLES[type]} <span class="small">(key ${key})</span></h3>
<p>${explanation}</p>
${timeLine(finding)}
`
}

function runSections(run: RunReport, operations: readonly Operation[]): Markup {
  const { gap, statistics, leaderChanges, leaderChangesTotal } = run
  const seconds = run.load_us / 1_000_000
  const failures = statistics.failures === 0 ? '' : ` (${failuresText(statistics)})`
  return markup`<h2>The run</h2>
<p>${plural(statistics.operations, 'operation')} by ${plural(run.clients, 'client')} in
 ${seconds.toFixed(1)} s, ${plural(statistics.failures, 'failure')}${failures},
 ${plural(leaderChangesTotal, 'change')} of leader.</p>
${runChart(run)}
<p class="small key"><span><i style="background:var(--good)"></i>writes acknowledged</span>
<span><i style="background:var(--bad)"></i>failures</span>
<span><i style="background:var(--gap)"></i>longest gap</span>
<span><i style="background:var(--write);width:2px"></i>change of leader</span></p>
<h3>Longest gap without a successful write: ${spanText(gap.until_us - gap.from_us)}</h3>
<p class="small">From ${timeText(gap.from_us, 3)} to ${timeText(gap.until_us, 3)}. Each bar is a
 write, from call to answer.</p>
${gapChart(run, operations)}
<p class="small key"><span><i style="background:var(--good)"></i>answered</span>
<span><i style="background:var(--bad)"></i>failed, never applied</span>
<span><i style="background:var(--doubt)"></i>outcome unknown</span></p>
${
  leaderChanges.length === 0
    ? undefined
    : markup`<h3>Changes of leader</h3>
<ul>${leaderChanges.slice(0, 50).map((change) => markup`<li>${changeText(change)}</li>`)}</ul>`
}
<h3>Operations</h3>
${operationsTable(run)}
<p class="small">Latencies of answered operations. Again with the same choices:
 <code>--seed ${run.seed}</code></p>`
}

function operationsTable({ statistics }: RunReport): Markup {
  const names = ['', 'ok', '412, 304', 'failed', 'unknown', 'p50', 'p90', 'p99', 'max']
  const rows = KINDS.map((kind) => {
    const counts = statistics.kinds.get(kind)
    if (counts === undefined) return undefined
    const { ok, condition, fail, unknown, latency } = counts
    const numbers = [ok, condition, fail, unknown].map((count) => count.toLocaleString('en'))
    const shares = [0.5, 0.9, 0.99].map((share) => latency.percentile_us(share))
    const spans = [...shares, latency.highest_us].map((span) =>
      latency.count === 0 ? '' : spanText(span),
    )
    const cells = [kind, ...numbers, ...spans].map((cell) => markup`<td>${cell}</td>`)
    return markup`<tr>${cells}</tr>
`
  })
  const heads = names.map((name) => markup`<th>${name}</th>`)
  return markup`<div class="scroll"><table><thead><tr>${heads}</tr>
</thead><tbody>
${rows}</tbody></table></div>`
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
