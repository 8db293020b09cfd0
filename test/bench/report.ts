/**
 * The summary as text: throughput and latency, ratios, batches, CPU a request, and a word about
 * what makes the figures doubtful.
 */

import type { Spread } from './statistics.ts'
import type { Summary, TargetSummary } from './summary.ts'

/** From here on the generator may be what limits, not the target. */
const GENERATOR_SHARE_MAX = 0.9
/** More of the machine than this used by others makes figures doubtful. */
const ELSEWHERE_SHARE_MAX = 0.1

type Align = 'left' | 'right'

/** Columns padded to their widest cell; the first `left` ones to the left. */
export function table(rows: readonly (readonly string[])[], left: number): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const pad = (cell: string, width: number, align: Align) =>
    align === 'left' ? cell.padEnd(width) : cell.padStart(width)
  return rows
    .map((row) =>
      row
        .map((cell, column) => pad(cell, widths[column] ?? 0, column < left ? 'left' : 'right'))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const whole = (value: number) => value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',')
const times = (value: number) => `${value.toFixed(2)}×`
const range = ({ least, most }: Spread) => `${least.toFixed(2)}–${most.toFixed(2)}`

function sumOf(cpu_us: Readonly<Record<string, number>>, generator: boolean): number {
  const chosen = Object.entries(cpu_us).filter(([name]) => generator || name !== 'generator')
  return chosen.reduce((sum, [, time_us]) => sum + time_us, 0)
}

function speedTable({ targets }: Summary): string {
  const heads = ['op', 'connections', 'target', 'way', 'requests/s', 'least–most']
  const rows = targets.map((one) => [
    one.operation.toUpperCase(),
    String(one.connections),
    one.target,
    one.way,
    `${whole(one.perSecond.median)}${one.valid ? '' : ' !'}`,
    `${whole(one.perSecond.least)}–${whole(one.perSecond.most)}`,
    one.p50_ms.toFixed(2),
    one.p99_ms.toFixed(2),
    sumOf(one.cpu_us, false).toFixed(1),
  ])
  return table([[...heads, 'p50 ms', 'p99 ms', 'CPU µs/request'], ...rows], 4)
}

function ratioTable({ ratios }: Summary): string {
  const heads = ['op', 'connections', 'ordinal ÷', 'requests/s', 'range', 'p99', 'range']
  const rows = ratios.map((one) => [
    one.operation.toUpperCase(),
    String(one.connections),
    one.peer,
    times(one.perSecond.median),
    range(one.perSecond),
    times(one.p99.median),
    range(one.p99),
  ])
  return table([heads, ...rows], 3)
}

function batchLines({ targets }: Summary): string[] {
  return targets.flatMap(({ operation, connections, batch }) =>
    batch === null
      ? []
      : [
          `  ${operation.toUpperCase()} at ${connections}: ${batch.entry.toFixed(1)} commands an ` +
            `entry, ${batch.synced.toFixed(1)} a synced batch of the leader`,
        ],
  )
}

function cpuLine({ target, operation, connections, cpu_us }: TargetSummary): string {
  const parts = Object.entries(cpu_us).map(([name, time_us]) => `${name} ${time_us.toFixed(1)}`)
  const sum = sumOf(cpu_us, true).toFixed(1)
  return `  ${target} ${operation.toUpperCase()} at ${connections}: ${sum} = ${parts.join(' + ')}`
}

function doubts(summary: Summary): string[] {
  const at = ({ target, operation, connections }: TargetSummary) =>
    `${target} ${operation.toUpperCase()} at ${connections}`
  return summary.targets.flatMap((one) => {
    const lines: string[] = []
    if (!one.valid) lines.push(`  INVALID: ${at(one)} had failed requests (!)`)
    if (one.generatorShare > GENERATOR_SHARE_MAX) {
      const share = (one.generatorShare * 100).toFixed(0)
      lines.push(`  ${at(one)}: the generator used ${share} % of a core and may be the limit`)
    }
    if ((one.elsewhereShare ?? 0) > ELSEWHERE_SHARE_MAX) {
      const share = ((one.elsewhereShare ?? 0) * 100).toFixed(0)
      lines.push(`  ${at(one)}: ${share} % of the machine was busy with something else`)
    }
    return lines
  })
}

function idleLine(idle: Readonly<Record<string, number>>): string {
  const parts = Object.entries(idle).map(([name, share]) => `${name} ${(share * 100).toFixed(1)} %`)
  return `Idle, of one core: ${parts.join(', ')}`
}

/** The whole report, of several lines. `idle`: shares of one core, by process. */
export function reportText(summary: Summary, idle: Readonly<Record<string, number>>): string {
  const parts = [`Medians of all rounds\n${speedTable(summary)}`]
  if (summary.ratios.length > 0) {
    parts.push(`Ratios, medians of those of each round\n${ratioTable(summary)}`)
  }
  const batches = batchLines(summary)
  if (batches.length > 0) parts.push(['Batch size', ...batches].join('\n'))
  const withCpu = summary.targets.filter(({ cpu_us }) => Object.keys(cpu_us).length > 1)
  if (withCpu.length > 0) {
    parts.push(['CPU time a request, µs', ...withCpu.map(cpuLine)].join('\n'))
  }
  if (Object.keys(idle).length > 0) parts.push(idleLine(idle))
  const warnings = doubts(summary)
  if (warnings.length > 0) parts.push(['Doubtful', ...warnings].join('\n'))
  return parts.join('\n\n')
}
