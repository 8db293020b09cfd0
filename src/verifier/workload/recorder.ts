/** The history of a run, and its clock. Holds at most HISTORY_OPERATIONS_MAX operations. */

import type { Clock } from '../../shared/clock.ts'
import type { Operation } from '../history.ts'
import { Statistics } from '../statistics.ts'
import type { Meaning } from './answers.ts'
import type { Step } from './plan.ts'

/** Operations of one run; about 300 bytes each. The run ends when they are reached. */
export const HISTORY_OPERATIONS_MAX = 1_000_000
/** Operations kept free for the last reads of all keys. */
const RESERVE = 20_000

export type Call = { readonly process: number; readonly call_us: number; readonly step: Step }

export class Recorder {
  readonly #clock: Clock
  readonly #start_ms: number
  readonly #operations_max: number
  readonly #operations: Operation[] = []
  readonly #revisions = new Map<string, number>()
  readonly statistics = new Statistics()
  /** The last failure of each code in the server's words. */
  readonly details = new Map<string, string>()
  /** The history id that the server's tags name, and another one that came later. */
  history: string | undefined
  otherHistory: string | undefined

  constructor(clock: Clock, operations_max = HISTORY_OPERATIONS_MAX) {
    this.#clock = clock
    this.#start_ms = clock.now_ms()
    this.#operations_max = operations_max
  }

  get operations(): readonly Operation[] {
    return this.#operations
  }

  get full(): boolean {
    return (
      this.#operations.length >= this.#operations_max - Math.min(RESERVE, this.#operations_max / 2)
    )
  }

  /** No further operation can be held at all. */
  get overflowing(): boolean {
    return this.#operations.length >= this.#operations_max
  }

  now_us(): number {
    return (this.#clock.now_ms() - this.#start_ms) * 1000
  }

  /** The revision last seen of a key by anybody. */
  revisionOf(key: string): number | undefined {
    // Without the history id it makes no tag.
    return this.history === undefined ? undefined : this.#revisions.get(key)
  }

  call(process: number, step: Step): Call {
    // Times are rounded so that a span only grows: less is concluded from it, never more.
    return { process, step, call_us: Math.floor(this.now_us()) }
  }

  /** The answer to a call. `counted`: it belongs to the load that is measured. */
  answer({ process, step, call_us }: Call, meaning: Meaning, counted = true): Operation {
    const { outcome, failure, detail, history } = meaning
    const operation: Operation = {
      id: this.#operations.length,
      process,
      key: step.key,
      call_us,
      return_us: Math.ceil(this.now_us()),
      action: step.action,
      outcome,
    }
    this.#operations.push(operation)
    if (counted) this.statistics.add(operation, failure)
    if ('code' in outcome && outcome.code !== undefined && detail !== undefined) {
      this.details.set(outcome.code, detail)
    }
    if (history !== undefined) this.#checkHistory(history)
    this.#learn(operation)
    return operation
  }

  #checkHistory(history: string): void {
    this.history ??= history
    if (history !== this.history) this.otherHistory ??= history
  }

  #learn({ key, outcome }: Operation): void {
    if (outcome.type === 'deleted' || outcome.type === 'absent') this.#revisions.delete(key)
    if (!('revision' in outcome) || outcome.type === 'deleted') return
    if (outcome.revision === undefined || outcome.revision === 0) return
    this.#revisions.set(key, outcome.revision)
  }
}
