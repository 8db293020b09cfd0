/** A run over time: writes and failures, changes of leader, and the longest gap from near by. */

import { operationText, spanText } from './explain.ts'
import { classOf, isWrite, type Operation } from './history.ts'
import { type Markup, markup } from './markup.ts'
import { type RunReport, timeText } from './report.ts'
import { SLICE_US, type Slice } from './statistics.ts'

const WIDTH = 900
const HEIGHT = 150
const LEFT = 8
const COLUMNS_MAX = 225
/** Around the longest gap: this part of it more, at least so much, on both sides. */
const AROUND = 0.35
const AROUND_US_MIN = 20_000
const ROW = 13
const BARS_MAX = 1500
const ROWS_MAX = 40

/** Successful writes and failures over the whole run. */
export function runChart(run: RunReport): Markup {
  const slices = columns(run.statistics.slices)
  const most = Math.max(1, ...slices.map(({ written, failed }) => written + failed))
  const end_us = Math.max(run.load_us, 1)
  const end_s = (end_us / 1_000_000).toFixed(1)
  const x = (time_us: number) => LEFT + (time_us / end_us) * WIDTH
  const width = (slices.length === 0 ? 1 : columnSpan(run.statistics.slices) / end_us) * WIDTH
  const tall = (count: number) => (count / most) * HEIGHT
  const bars = slices.map((slice, at) => {
    const left = LEFT + at * width
    const written = tall(slice.written)
    const failed = tall(slice.failed)
    return markup`<rect x="${left.toFixed(1)}" y="${(HEIGHT + 20 - written).toFixed(1)}"
 width="${Math.max(0.5, width - 0.6).toFixed(1)}" height="${written.toFixed(1)}" class="ok"/>
${
  slice.failed === 0
    ? undefined
    : markup`<rect x="${left.toFixed(1)}" y="${(HEIGHT + 20 - written - failed).toFixed(1)}"
 width="${Math.max(0.5, width - 0.6).toFixed(1)}" height="${failed.toFixed(1)}" class="bad"/>
`
}`
  })
  const { gap } = run
  const changes = run.leaderChanges.map(
    (
      change,
    ) => markup`<g class="change"><title>${change.leader ?? 'nobody'} leads in term ${change.term}
since ${timeText(change.at_us, 3)}</title>
<line x1="${x(change.at_us)}" x2="${x(change.at_us)}" y1="14" y2="${HEIGHT + 20}"/>
<text x="${x(change.at_us) + 3}" y="12">${change.leader ?? 'nobody'}</text></g>
`,
  )
  return markup`<div class="scroll"><svg width="${WIDTH + 16}" height="${HEIGHT + 42}" role="img"
 viewBox="0 0 ${WIDTH + 16} ${HEIGHT + 42}"><title>Writes and failures over time</title>
<rect x="${x(gap.from_us)}" y="20" width="${Math.max(1, x(gap.until_us) - x(gap.from_us))}"
 height="${HEIGHT}" class="gap"/>
${bars}${changes}
<line x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${HEIGHT + 20}" y2="${HEIGHT + 20}" class="rule"/>
<text x="${LEFT}" y="${HEIGHT + 36}" class="time">0 s</text>
<text x="${LEFT + WIDTH}" y="${HEIGHT + 36}" class="time end">${end_s} s</text>
</svg></div>`
}

function columnSpan(slices: readonly Slice[]): number {
  return Math.ceil(slices.length / COLUMNS_MAX) * SLICE_US
}

/** Slices put together, so that at most COLUMNS_MAX are drawn. */
function columns(slices: readonly Slice[]): Slice[] {
  const size = Math.max(1, Math.ceil(slices.length / COLUMNS_MAX))
  const made: Slice[] = []
  for (let at = 0; at < slices.length; at += size) {
    const column = { written: 0, failed: 0 }
    for (const slice of slices.slice(at, at + size)) {
      column.written += slice.written
      column.failed += slice.failed
    }
    made.push(column)
  }
  return made
}

/** The writes around the longest gap, each as a bar from call to return. */
export function gapChart(run: RunReport, operations: readonly Operation[]): Markup {
  const { gap } = run
  const around_us = Math.max(AROUND_US_MIN, AROUND * (gap.until_us - gap.from_us))
  const from_us = Math.max(0, gap.from_us - around_us)
  const until_us = Math.min(run.load_us, gap.until_us + around_us)
  const near = operations
    .filter(isWrite)
    .filter((one) => one.call_us <= until_us && (one.return_us ?? one.call_us) >= from_us)
    .filter(({ process }) => process < Math.min(run.clients, ROWS_MAX))
    .slice(0, BARS_MAX)
  const rows = Math.min(run.clients, ROWS_MAX)
  const x = (time_us: number) => {
    const share = (Math.min(until_us, Math.max(from_us, time_us)) - from_us) / (until_us - from_us)
    return LEFT + 60 + share * (WIDTH - 60)
  }
  const bottom = 24 + rows * ROW
  const bars = near.map((operation) => {
    const left = x(operation.call_us)
    const right = x(operation.return_us ?? until_us)
    const told = classOf(operation.outcome)
    const width = Math.max(1.5, right - left)
    return markup`<rect x="${left.toFixed(1)}" y="${24 + operation.process * ROW}"
 width="${width.toFixed(1)}" height="${ROW - 3}" class="${told}"><title>${operationText(operation)}
${timeText(operation.call_us)}, ${
      operation.return_us === undefined
        ? 'no answer'
        : spanText(operation.return_us - operation.call_us)
    }</title></rect>
`
  })
  const names = Array.from(
    { length: rows },
    (
      _,
      process,
    ) => markup`<text x="${LEFT}" y="${33 + process * ROW}" class="time">client ${process}</text>
`,
  )
  const changes = run.leaderChanges
    .filter(({ at_us }) => at_us >= from_us && at_us <= until_us)
    .map(
      ({
        at_us,
        leader,
        term,
      }) => markup`<g class="change"><line x1="${x(at_us)}" x2="${x(at_us)}" y1="14"
 y2="${bottom}"/><text x="${x(at_us) + 3}" y="12">${leader ?? 'nobody'}, term ${term}</text></g>
`,
    )
  return markup`<div class="scroll"><svg width="${WIDTH + 16}" height="${bottom + 22}" role="img"
 viewBox="0 0 ${WIDTH + 16} ${bottom + 22}"><title>Writes around the longest gap</title>
<rect x="${x(gap.from_us)}" y="20" width="${Math.max(1, x(gap.until_us) - x(gap.from_us))}"
 height="${bottom - 20}" class="gap"/>
${names}${bars}${changes}
<text x="${x(from_us)}" y="${bottom + 16}" class="time">${timeText(from_us, 3)}</text>
<text x="${x(until_us)}" y="${bottom + 16}" class="time end">${timeText(until_us, 3)}</text>
</svg></div>`
}
