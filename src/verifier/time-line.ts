/**
 * Operations drawn over time: a row for each client, a bar from call to return.
 *
 * Time is not to scale: an operation takes a millisecond, and the next one that matters may come a
 * minute later. Each bar is as wide as its text, and what is left of the other is left of it here.
 */

import { answerText, operationText, requestText, spanText } from './explain.ts'
import { culpritOf, type Finding } from './finding.ts'
import type { Operation } from './history.ts'
import { type Markup, markup } from './markup.ts'
import { timeText } from './report.ts'

const CHARACTER = 7
const BAR = 40
const ROW = 54
const LEFT = 84
const TOP = 42
const GAP_MIN = 18
/** So few times can each have their own label. */
const LABELLED_MAX = 16
const OPEN_END = 40
/** Bars drawn; a larger example is cut. */
const BARS_MAX = 60
/** Room that the text of a time takes, with six digits and with three. */
const TICK = 92
const TICK_SHORT = 74
const IDLE_US_MIN = 1000

type Bar = {
  readonly operation: Operation
  readonly row: number
  readonly width: number
}

/** The operations of a finding. */
export function timeLine(finding: Finding): Markup {
  const shown = finding.operations.slice(0, BARS_MAX)
  const { bars, rows } = place(shown)
  const x = scale(bars)
  const start = (bar: Bar) => x.get(bar.operation.call_us) as number
  const end = (bar: Bar) => {
    const { return_us } = bar.operation
    const own = return_us === undefined ? x.get(Infinity) : x.get(return_us)
    return own as number
  }
  const width = Math.max(...bars.map(end)) + TICK
  const height = TOP + rows.length * ROW + 8
  const cut = finding.operations.length - shown.length
  return markup`<div class="scroll"><svg width="${width}" height="${height}" role="img"
 viewBox="0 0 ${width} ${height}"><title>Operations over time</title>
${ticks(x, height)}${idle(x, shown)}
${rows.map(
  (
    process,
    row,
  ) => markup`<text x="8" y="${TOP + row * ROW + 25}" class="who">client ${process}</text>
<line x1="${LEFT - 8}" x2="${width}" y1="${TOP + row * ROW + 47}" y2="${TOP + row * ROW + 47}"
 class="rule"/>
`,
)}${bars.map((bar) => barMarkup(bar, { from: start(bar), until: end(bar) }, finding))}</svg></div>
${cut > 0 ? markup`<p class="small">and ${cut} more</p>` : undefined}`
}

function barMarkup(bar: Bar, at: { from: number; until: number }, finding: Finding): Markup {
  const { operation, row } = bar
  const y = TOP + row * ROW
  const place = finding.order?.indexOf(operation) ?? -1
  const culprit = operation === culpritOf(finding)
  const badge = culprit ? '✗' : place === -1 ? undefined : String(place + 1)
  const kind = culprit
    ? 'culprit'
    : operation.outcome.type === 'unknown'
      ? 'unknown'
      : kindOf(operation)
  const text = badge === undefined ? at.from + 8 : at.from + 32
  return markup`<g class="bar ${kind}"><title>${operationText(operation)}
called ${timeText(operation.call_us)}, ${
    operation.return_us === undefined ? 'no answer' : `answered ${timeText(operation.return_us)}`
  }</title>
<rect x="${at.from}" y="${y}" width="${at.until - at.from}" height="${BAR}" rx="5"/>
${
  badge === undefined
    ? undefined
    : markup`<circle cx="${at.from + 17}" cy="${y + 20}" r="10"/>
<text x="${at.from + 17}" y="${y + 25}" class="badge">${badge}</text>
`
}<text x="${text}" y="${y + 17}">${requestText(operation)}</text>
<text x="${text}" y="${y + 33}" class="answer">${answerText(operation)}</text></g>
`
}

function kindOf({ outcome }: Operation): string {
  return outcome.type === 'written' || outcome.type === 'deleted' ? 'write' : 'read'
}

/** A row for each client; a second one where it goes on while an operation is still open. */
function place(operations: readonly Operation[]): { bars: Bar[]; rows: number[] } {
  const rows: { readonly process: number; until_us: number }[] = []
  const bars: Bar[] = []
  const byCall = [...operations].sort((one, other) => one.call_us - other.call_us)
  const processes = [...new Set(byCall.map(({ process }) => process))]
  for (const process of processes) {
    for (const operation of byCall.filter((one) => one.process === process)) {
      const until_us = operation.return_us ?? Infinity
      let row = rows.findIndex(
        (one) => one.process === process && one.until_us <= operation.call_us,
      )
      if (row === -1) row = rows.push({ process, until_us }) - 1
      const used = rows[row]
      if (used !== undefined) used.until_us = until_us
      const length = Math.max(requestText(operation).length, answerText(operation).length)
      bars.push({ operation, row, width: 44 + length * CHARACTER })
    }
  }
  return { bars, rows: rows.map(({ process }) => process) }
}

/** Where each time lies: in order, with room for the text of each bar. */
function scale(bars: readonly Bar[]): Map<number, number> {
  const times = new Set<number>()
  for (const { operation } of bars) {
    times.add(operation.call_us)
    times.add(operation.return_us ?? Infinity)
  }
  const x = new Map<number, number>()
  const sorted = [...times].sort((one, other) => one - other)
  const gap = times.size <= LABELLED_MAX ? labelWidth(sorted) : GAP_MIN
  let last = LEFT - gap
  for (const time_us of sorted) {
    let at = last + (time_us === Infinity ? OPEN_END : gap)
    for (const { operation, width } of bars) {
      const starts = x.get(operation.call_us)
      const ends = (operation.return_us ?? Infinity) === time_us
      if (ends && starts !== undefined) at = Math.max(at, starts + width)
    }
    x.set(time_us, at)
    last = at
  }
  return x
}

function ticks(x: ReadonlyMap<number, number>, height: number): Markup[] {
  const marks: Markup[] = []
  let free = 0
  const label = labelWidth([...x.keys()])
  const digits = label === TICK ? 6 : 3
  for (const [time_us, at] of x) {
    if (time_us === Infinity) continue
    marks.push(markup`<line x1="${at}" x2="${at}" y1="22" y2="${height}" class="tick"/>
`)
    if (at < free) continue
    marks.push(markup`<text x="${at}" y="15" class="time">${timeText(time_us, digits)}</text>
`)
    free = at + label
  }
  return marks
}

/** How long nothing of what is shown was under way. */
function idle(x: ReadonlyMap<number, number>, operations: readonly Operation[]): Markup[] {
  const times = [...x.keys()]
  const marks: Markup[] = []
  for (let at = 1; at < times.length; at++) {
    const from_us = times[at - 1] as number
    const until_us = times[at] as number
    if (until_us === Infinity || until_us - from_us < IDLE_US_MIN) continue
    const busy = operations.some(
      ({ call_us, return_us }) => call_us <= from_us && (return_us ?? Infinity) >= until_us,
    )
    if (busy) continue
    const middle = ((x.get(from_us) as number) + (x.get(until_us) as number)) / 2
    const later = `${spanText(until_us - from_us)} later`
    marks.push(markup`<text x="${middle}" y="33" class="time idle">${later}</text>
`)
  }
  return marks
}

/** Milliseconds are easier to read; microseconds where two times would look the same. */
function labelWidth(times: readonly number[]): number {
  const apart = times.every((time_us, at) => at === 0 || time_us - (times[at - 1] ?? 0) >= 1000)
  return apart ? TICK_SHORT : TICK
}
