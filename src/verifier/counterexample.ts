/**
 * From a key whose answers no order explains to the few operations that show it.
 *
 * Only some operations are kept. The others are *weakened*, so that whatever cannot be explained
 * with them cannot be explained as it was: reads are forgotten; writes that were over before all
 * that is kept leave the key with some value or with none; any number of the writes that overlap
 * what is kept may take effect, at any time after the first of them was called.
 *
 * First the plainest story is tried: an answer, the write that it names, and one in between. Else a
 * window around the place where the search was stuck is kept, each time four times as large; then
 * parts of it are weakened for as long as something stays that cannot be explained (delta
 * debugging, Zeller 2002). In the end none can be spared, so that all but the one answered last
 * have an order: the longest that there is.
 */

import { classOf, isWrite, type Operation } from './history.ts'
import { findOrder, type SearchLimits, type SearchOutcome } from './linearizability.ts'
import { buildKeyProblem } from './problem-builder.ts'

/** Operations before and after the suspects in the first window. */
const WINDOW_MIN = 8
const WINDOW_GROWTH = 4
/** Writes tried one by one beside an answer and what it names. */
const BETWEEN_MAX = 32
/** Searches for one counterexample; then it stays as large as it is. */
const SEARCHES_MAX = 400
export type Counterexample = {
  /** By call: those that show it, and what else is in the order. */
  readonly operations: readonly Operation[]
  /** An order of all of them but the culprit that explains their answers. */
  readonly order: readonly Operation[]
  /** The one answered last: whatever the order, its answer does not fit. */
  readonly culprit: Operation
}

/**
 * Looks for a small proof that the operations of one key are wrong, near the `suspects` of a
 * search. Undefined: none was found within the limits (of one search each).
 */
export function findCounterexample(
  operations: readonly Operation[],
  suspects: readonly Operation[],
  limits: SearchLimits,
): { readonly found: Counterexample | undefined; readonly steps: number } {
  const shrinking = new Shrinking(operations, limits)
  const kept = shrinking.run(suspects)
  return { found: kept && shrinking.describe(kept), steps: shrinking.steps }
}

/** What is not weakened, by its original; of some only that they took effect. */
type Kept = ReadonlyMap<Operation, 'whole' | 'effect'>

class Shrinking {
  readonly #limits: SearchLimits
  /** What is known, by the time of the answer. */
  readonly #answered: readonly Operation[]
  /** All writes that may have taken effect, by kind. */
  readonly #puts: WriteSpans
  readonly #deletes: WriteSpans
  readonly #writers = new Map<string | number, Operation>()
  steps = 0
  #searches = 0

  constructor(operations: readonly Operation[], limits: SearchLimits) {
    this.#limits = limits
    const answered: Operation[] = []
    const puts: Operation[] = []
    const deletes: Operation[] = []
    for (const operation of operations) {
      const { outcome, action } = operation
      if (outcome.type === 'fail' || action.type === 'stale-read') continue
      if (classOf(outcome) === 'ok') answered.push(operation)
      if (!tookEffect(operation) && (outcome.type !== 'unknown' || !isWrite(operation))) continue
      ;(action.type === 'put' ? puts : deletes).push(operation)
      if (action.type === 'put') this.#writers.set(action.value, operation)
      if (outcome.type === 'written') this.#writers.set(outcome.revision, operation)
    }
    this.#answered = answered.sort((one, other) => returnOf(one) - returnOf(other))
    this.#puts = new WriteSpans(puts)
    this.#deletes = new WriteSpans(deletes)
  }

  run(suspects: readonly Operation[]): Kept | undefined {
    for (const suspect of suspects) {
      const kept = this.#plain(suspect)
      if (kept !== undefined) return this.#bare(this.#shrink(kept))
    }
    return this.#window(suspects)
  }

  /** The plainest story there is: an answer, what it names, and one write in between. */
  #plain(suspect: Operation): Kept | undefined {
    if (classOf(suspect.outcome) !== 'ok') return undefined
    const sources = this.#sourcesOf(suspect).filter(tookEffect)
    const story = [suspect, ...sources]
    if (this.#fails(whole(story))) return whole(story)
    // What was over before all that the answer names cannot be in between.
    const from_us = sources.reduce((least, { call_us }) => Math.min(least, call_us), Infinity)
    const end = this.#answeredBefore(suspect.call_us)
    let tried = 0
    for (let at = end - 1; at >= 0 && tried < BETWEEN_MAX; at--) {
      const write = this.#answered[at] as Operation
      if (sources.length > 0 && returnOf(write) < from_us) break
      if (!tookEffect(write) || story.includes(write)) continue
      tried++
      const kept = whole([...story, write])
      if (this.#fails(kept)) return kept
    }
    return undefined
  }

  /** How many were answered before a time. */
  #answeredBefore(time_us: number): number {
    let low = 0
    let high = this.#answered.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (returnOf(this.#answered[middle] as Operation) < time_us) low = middle + 1
      else high = middle
    }
    return low
  }

  #window(suspects: readonly Operation[]): Kept | undefined {
    const all = this.#answered
    const first = suspects.reduce((least, one) => Math.min(least, returnOf(one)), Infinity)
    const middle = this.#answeredBefore(first)
    for (let size = WINDOW_MIN; ; size *= WINDOW_GROWTH) {
      const window = new Set(all.slice(Math.max(0, middle - size), middle + size))
      for (const operation of suspects)
        if (classOf(operation.outcome) === 'ok') window.add(operation)
      // What a value seen in the window came from, or it could have been written at any time.
      for (const operation of [...window]) {
        for (const writer of this.#sourcesOf(operation)) if (tookEffect(writer)) window.add(writer)
      }
      const kept = whole([...window])
      if (this.#fails(kept)) return this.#bare(this.#shrink(kept))
      if (size >= all.length) return undefined
    }
  }

  /** The writes that its answer, or its condition, names. */
  #sourcesOf({ action, outcome }: Operation): Operation[] {
    const names: (string | number | undefined)[] = []
    if (outcome.type === 'found') names.push(outcome.value)
    if (outcome.type === 'condition-failed') names.push(outcome.revision)
    if (outcome.type === 'not-modified' && action.type === 'read') names.push(action.unless)
    if ('condition' in action && action.condition?.type === 'revision') {
      names.push(action.condition.revision)
    }
    const writers = names.map((name) => (name === undefined ? undefined : this.#writers.get(name)))
    return writers.filter((writer) => writer !== undefined)
  }

  #shrink(window: Kept): Kept {
    this.#searches = 0
    const all = [...window.keys()].sort((one, other) => one.call_us - other.call_us)
    // Reads go first where there is a choice: that a write was acknowledged says more.
    const writes = all.filter(tookEffect)
    const reads = this.#least(
      all.filter((operation) => !tookEffect(operation)),
      writes,
    )
    return whole([...reads, ...this.#least(writes, reads)])
  }

  /** As few of these as it can be with the others kept: halves, then quarters, then each. */
  #least(operations: readonly Operation[], others: readonly Operation[]): readonly Operation[] {
    let kept = operations
    for (let part = kept.length; part > 0; part = part === 1 ? 0 : Math.ceil(part / 2)) {
      for (let at = 0; at < kept.length; ) {
        const less = [...kept.slice(0, at), ...kept.slice(at + part)]
        if (this.#searches < SEARCHES_MAX && this.#fails(whole([...less, ...others]))) kept = less
        else at += part
      }
    }
    return kept
  }

  /** Leaves out the conditions of writes, and whether they made the key, where that is no part. */
  #bare(kept: Kept): Kept {
    let least = kept
    for (const operation of kept.keys()) {
      if (!tookEffect(operation)) continue
      const bare = new Map(least).set(operation, 'effect')
      if (this.#fails(bare)) least = bare
    }
    return least
  }

  /** With only these kept as they are, no order explains the answers. */
  #fails(kept: Kept): boolean {
    return this.#search(kept).type === 'not-linearizable'
  }

  /** Is there an order of what is kept, `without` one of it? */
  #search(kept: Kept, without?: Operation): SearchOutcome {
    this.#searches++
    const made = this.#named(kept)
    if (without !== undefined) made.delete(without)
    let from_us = Infinity
    let until_us = 0
    for (const operation of made.values()) {
      from_us = Math.min(from_us, operation.call_us)
      until_us = Math.max(until_us, returnOf(operation))
    }
    const range = { from_us, until_us, except: made }
    const around = { anyPut: this.#puts.within(range), anyRemove: this.#deletes.within(range) }
    const operations = [...made.values()]
    const first = findOrder(buildKeyProblem(operations, around), this.#limits)
    this.steps += first.steps
    if (first.type !== 'not-linearizable' || !this.#puts.anyBefore(from_us)) return first
    const present = { ...around, present: true }
    const second = findOrder(buildKeyProblem(operations, present), this.#limits)
    this.steps += second.steps
    return second
  }

  /** What is kept, and the writes that its answers and conditions name. */
  #named(kept: Kept): Map<Operation, Operation> {
    const made = new Map<Operation, Operation>()
    for (const [operation, as] of kept) {
      made.set(operation, as === 'whole' ? operation : effectOf(operation))
    }
    for (const operation of [...made.values()]) {
      for (const source of this.#sourcesOf(operation)) {
        if (!made.has(source)) made.set(source, effectOf(source))
      }
    }
    return made
  }

  describe(kept: Kept): Counterexample {
    const all = [...kept.keys()]
    const culprit = all.reduce((last, one) => (returnOf(one) >= returnOf(last) ? one : last))
    const outcome = this.#search(kept, culprit)
    const found = outcome.type === 'linearizable' ? outcome.order : []
    const own = new Map<number, Operation>()
    for (const operation of this.#named(kept).keys()) own.set(operation.id, operation)
    const order = found
      .map((operation) => own.get(operation.id) ?? operation)
      .filter((operation) => operation !== culprit)
    const operations = [...new Set([...own.values(), ...order])]
    operations.sort((one, other) => one.call_us - other.call_us)
    return { operations, order, culprit }
  }
}

/** Writes of one kind, and which of them overlap a span. */
class WriteSpans {
  /** By call. */
  readonly #writes: readonly Operation[]
  readonly #longest_us: number
  readonly #firstReturn_us: number
  /** Those that never end; by call, too. */
  readonly #open: readonly Operation[]

  constructor(writes: Operation[]) {
    const ended = writes.filter((write) => returnOf(write) < Infinity)
    this.#open = writes
      .filter((write) => returnOf(write) === Infinity)
      .sort((one, other) => one.call_us - other.call_us)
    this.#writes = ended.sort((one, other) => one.call_us - other.call_us)
    this.#longest_us = ended.reduce((most, one) => Math.max(most, returnOf(one) - one.call_us), 0)
    this.#firstReturn_us = ended.reduce((least, one) => Math.min(least, returnOf(one)), Infinity)
  }

  /** One of them was over before. */
  anyBefore(time_us: number): boolean {
    return this.#firstReturn_us < time_us
  }

  /** The first called of those, but for `except`, that overlap a span. */
  within(range: {
    readonly from_us: number
    readonly until_us: number
    readonly except: ReadonlyMap<Operation, unknown>
  }): Operation | undefined {
    const { from_us, until_us, except } = range
    const overlaps = (write: Operation) =>
      write.call_us <= until_us && returnOf(write) >= from_us && !except.has(write)
    const open = this.#open.find(overlaps)
    const start_us = from_us - this.#longest_us
    for (let at = this.#firstFrom(start_us); at < this.#writes.length; at++) {
      const write = this.#writes[at] as Operation
      if (write.call_us > until_us) break
      if (!overlaps(write)) continue
      return open === undefined || write.call_us < open.call_us ? write : open
    }
    return open
  }

  #firstFrom(call_us: number): number {
    let low = 0
    let high = this.#writes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#writes[middle] as Operation).call_us < call_us) low = middle + 1
      else high = middle
    }
    return low
  }
}

function whole(operations: readonly Operation[]): Kept {
  return new Map(operations.map((operation) => [operation, 'whole']))
}

function tookEffect({ outcome }: Operation): boolean {
  return outcome.type === 'written' || outcome.type === 'deleted'
}

/** When it was over for good; a write of unknown outcome never is. */
function returnOf({ return_us, outcome }: Operation): number {
  return outcome.type === 'unknown' ? Infinity : (return_us ?? Infinity)
}

/** Of a write only that it took effect, whatever the key held. */
function effectOf(operation: Operation): Operation {
  const { action, outcome } = operation
  if (action.type !== 'put') return operation
  return {
    ...operation,
    action: { type: 'put', value: action.value },
    outcome: outcome.type === 'written' ? { type: 'written', revision: outcome.revision } : outcome,
  }
}
