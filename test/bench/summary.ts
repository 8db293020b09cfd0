/**
 * What all rounds say together: medians for each target and setting, and the ratios of Ordinal to
 * each peer. A ratio is taken within each round, of drives that ran one right after the other; the
 * median of those is steadier than the ratio of two medians where a machine's speed drifts.
 */

import type { Measurement, Setting } from './measure.ts'
import { median, type Spread, spread } from './statistics.ts'
import type { TargetName } from './target.ts'

export type TargetSummary = Setting & {
  readonly target: TargetName
  readonly way: string
  readonly perSecond: Spread
  readonly p50_ms: number
  readonly p99_ms: number
  /** Medians of CPU time a request, by process. */
  readonly cpu_us: Readonly<Record<string, number>>
  readonly generatorShare: number
  readonly elsewhereShare: number | null
  readonly batch: { readonly entry: number; readonly synced: number } | null
  /** Whether all its drives were without an error. */
  readonly valid: boolean
}

export type Ratio = Setting & {
  readonly peer: TargetName
  /** Above 1: Ordinal answers more requests a second. */
  readonly perSecond: Spread
  /** Below 1: Ordinal's slowest answers are quicker. */
  readonly p99: Spread
}

export type Summary = {
  readonly targets: readonly TargetSummary[]
  readonly ratios: readonly Ratio[]
  readonly valid: boolean
}

function of(all: readonly Measurement[], read: (one: Measurement) => number): number {
  return median(all.map(read)) ?? 0
}

/** Median by process, of the processes that were there in any of the drives. */
function cpuMedians(all: readonly Measurement[]): Record<string, number> {
  const names = new Set(all.flatMap((one) => Object.keys(one.cpu_us)))
  const medians: Record<string, number> = {}
  for (const name of [...names].sort()) {
    const values = all.map((one) => one.cpu_us[name]).filter((value) => value !== undefined)
    medians[name] = median(values) ?? 0
  }
  return medians
}

function batchMedians(all: readonly Measurement[]): TargetSummary['batch'] {
  const batches = all.map(({ batch }) => batch).filter((batch) => batch !== null)
  const entry = median(batches.map((batch) => batch.entry))
  const synced = median(batches.map((batch) => batch.synced))
  return entry === undefined || synced === undefined ? null : { entry, synced }
}

function summarizeGroup(all: readonly [Measurement, ...Measurement[]]): TargetSummary {
  const [{ target, operation, connections, way }] = all
  const perSecond = all.map((one) => one.perSecond)
  const elsewhere = all.map((one) => one.elsewhereShare).filter((share) => share !== null)
  return {
    target,
    operation,
    connections,
    way,
    perSecond: spread(perSecond) ?? { median: 0, least: 0, most: 0 },
    p50_ms: of(all, (one) => one.p50_ms),
    p99_ms: of(all, (one) => one.p99_ms),
    cpu_us: cpuMedians(all),
    generatorShare: of(all, (one) => one.generatorShare),
    elsewhereShare: median(elsewhere) ?? null,
    batch: batchMedians(all),
    valid: all.every(({ valid }) => valid),
  }
}

function groupBy<T>(all: readonly T[], name: (one: T) => string): [T, ...T[]][] {
  const groups = new Map<string, [T, ...T[]]>()
  for (const one of all) {
    const group = groups.get(name(one))
    if (group === undefined) groups.set(name(one), [one])
    else group.push(one)
  }
  return [...groups.values()]
}

function ratiosOf(group: readonly [Measurement, ...Measurement[]]): Ratio[] {
  const [{ operation, connections }] = group
  const ours = group.filter(({ target }) => target === 'ordinal')
  const peers = new Set(group.map(({ target }) => target).filter((name) => name !== 'ordinal'))
  return [...peers].flatMap((peer) => {
    const pairs = ours.flatMap((one) => {
      const other = group.find(({ target, round }) => target === peer && round === one.round)
      return other === undefined ? [] : [{ one, other }]
    })
    const perSecond = spread(pairs.map(({ one, other }) => one.perSecond / other.perSecond))
    const p99 = spread(pairs.map(({ one, other }) => one.p99_ms / other.p99_ms))
    if (perSecond === undefined || p99 === undefined) return []
    return [{ peer, operation, connections, perSecond, p99 }]
  })
}

/** Summarizes all drives of all rounds. */
export function summarize(measurements: readonly Measurement[]): Summary {
  const setting = (one: Measurement) => `${one.operation} ${one.connections}`
  const bySetting = groupBy(measurements, setting)
  const targets = bySetting.flatMap((group) =>
    groupBy(group, ({ target }) => target).map(summarizeGroup),
  )
  return {
    targets,
    ratios: bySetting.flatMap(ratiosOf),
    valid: measurements.length > 0 && measurements.every(({ valid }) => valid),
  }
}
