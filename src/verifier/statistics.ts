/** What a run looked like from outside: counts, latencies, gaps without a successful write. */

import { classOf, type Operation } from './history.ts'

/** Kinds of operations as people tell them apart. */
export const KINDS = ['put', 'conditional put', 'delete', 'read', 'stale read'] as const
export type Kind = (typeof KINDS)[number]

export function kindOf({ action }: Operation): Kind {
  switch (action.type) {
    case 'put':
      return action.condition === undefined ? 'put' : 'conditional put'
    case 'delete':
      return 'delete'
    case 'read':
      return 'read'
    case 'stale-read':
      return 'stale read'
    default:
      return action satisfies never
  }
}

export type KindCounts = {
  ok: number
  /** Answered 412 or 304: an observation, too. */
  condition: number
  fail: number
  unknown: number
  readonly latency: Latencies
}

/** A time without a successful write. */
export type Gap = { readonly from_us: number; readonly until_us: number }

/** One slice of the run: how many writes were acknowledged, and how many operations failed. */
export type Slice = { written: number; failed: number }

/** Width of a slice, µs. */
export const SLICE_US = 250_000
/** Slices kept; those of longer runs are not drawn. */
export const SLICES_MAX = 100_000

export class Statistics {
  readonly kinds: ReadonlyMap<Kind, KindCounts> = new Map(
    KINDS.map((kind) => [
      kind,
      { ok: 0, condition: 0, fail: 0, unknown: 0, latency: new Latencies() },
    ]),
  )
  readonly slices: Slice[] = []
  /** Failures (no answer, or a status from 500 on) by their code. */
  readonly failureCodes = new Map<string, number>()
  operations = 0
  failures = 0
  written = 0
  #lastWrite_us = 0
  #longest: Gap = { from_us: 0, until_us: 0 }

  /** `failure`: transport, or a status from 500 on; its code. */
  add(operation: Operation, failure: string | undefined): void {
    const counts = this.kinds.get(kindOf(operation)) as KindCounts
    const { outcome, call_us, return_us } = operation
    const end_us = return_us ?? call_us
    this.operations++
    const told = classOf(outcome)
    if (outcome.type === 'condition-failed' || outcome.type === 'not-modified') counts.condition++
    else counts[told]++
    if (told === 'ok') counts.latency.add(end_us - call_us)
    const slice = this.#sliceAt(end_us)
    if (failure !== undefined) {
      this.failures++
      if (slice !== undefined) slice.failed++
      this.failureCodes.set(failure, (this.failureCodes.get(failure) ?? 0) + 1)
    }
    if (outcome.type !== 'written' && outcome.type !== 'deleted') return
    this.written++
    if (slice !== undefined) slice.written++
    this.#longest = longer(this.#longest, { from_us: this.#lastWrite_us, until_us: end_us })
    this.#lastWrite_us = Math.max(this.#lastWrite_us, end_us)
  }

  /** Time since the last successful write, µs. */
  gapAt(now_us: number): number {
    return now_us - this.#lastWrite_us
  }

  /** The longest time without a successful write, up to the end of the load. */
  longestGap(end_us: number): Gap {
    return longer(this.#longest, { from_us: this.#lastWrite_us, until_us: end_us })
  }

  #sliceAt(time_us: number): Slice | undefined {
    const at = Math.floor(time_us / SLICE_US)
    if (at >= SLICES_MAX) return undefined
    for (let next = this.slices.length; next <= at; next++) {
      this.slices.push({ written: 0, failed: 0 })
    }
    return this.slices[at]
  }
}

function longer(one: Gap, other: Gap): Gap {
  return other.until_us - other.from_us > one.until_us - one.from_us ? other : one
}

/** The failures that occurred most, most first. */
export function commonest(codes: ReadonlyMap<string, number>): [string, number][] {
  return [...codes].sort((one, other) => other[1] - one[1])
}

const GROWTH = 1.02

/** Latencies in buckets that grow by 2 %, so that memory does not grow with the run. */
export class Latencies {
  readonly #buckets = new Map<number, number>()
  #count = 0
  #highest_us = 0

  add(latency_us: number): void {
    const bucket = Math.round(Math.log(Math.max(1, latency_us)) / Math.log(GROWTH))
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1)
    this.#count++
    this.#highest_us = Math.max(this.#highest_us, latency_us)
  }

  get count(): number {
    return this.#count
  }

  get highest_us(): number {
    return this.#highest_us
  }

  /** The latency that a share (0 to 1) of all did not exceed, µs; 0: there were none. */
  percentile_us(share: number): number {
    if (share >= 1) return this.#highest_us
    let left = Math.ceil(this.#count * share)
    for (const bucket of [...this.#buckets.keys()].sort((one, other) => one - other)) {
      left -= this.#buckets.get(bucket) as number
      if (left <= 0) return Math.min(GROWTH ** bucket, this.#highest_us)
    }
    return 0
  }
}
