/**
 * Which faults are active, since when and until when. It owns their time: each ends by itself, and
 * none outlives the process. What a fault does is up to those who ask here (`active`) or are told
 * (`watch`).
 *
 *   press ──lasting──► active ──time over, end──► ended
 *     └────sudden────► active ──SUDDEN_AFTER_MS──► struck: the process ends, or was paused
 */

import { assertNever } from '../../shared/assert.ts'
import type { Clock, Timer } from '../../shared/clock.ts'
import {
  FAULT_KINDS,
  FAULT_TYPES,
  type Fault,
  type FaultOf,
  type FaultRequest,
  type FaultType,
  type ParameterView,
  parametersOf,
} from './fault-kinds.ts'

/** A sudden fault begins this long after it was pressed, so that the answer leaves before. */
const SUDDEN_AFTER_MS = 50

/** What ends or stops the whole process; handed in, so that a test survives it. */
export type SuddenFaults = {
  /** Does not return. */
  kill(): void
  /** Blocks for so long. */
  pause(for_ms: number): void
  /** Does not return. */
  loseDisk(): void
}

export type FaultEvent = {
  readonly type: 'begun' | 'ended'
  readonly fault: FaultType
  readonly parameters: Readonly<Record<string, string>>
}

export type FaultBoardOptions = {
  /** The true clock, whatever the fault `clock-jump` says. */
  readonly clock: Clock
  readonly sudden: SuddenFaults
  readonly onEvent: (event: FaultEvent) => void
}

/** An active fault, for people. */
export type ActiveFault = {
  readonly since: string
  /** null: the end of the process. */
  readonly until: string | null
  readonly parameters: Readonly<Record<string, string>>
}

/** One kind of fault as `GET /faults` shows it. */
export type FaultView = {
  readonly name: FaultType
  readonly what: string
  /** What may be in the query. */
  readonly parameters: Readonly<Record<string, ParameterView>>
  readonly active: ActiveFault | null
  /** How often it was pressed since the process started. */
  readonly count: number
}

type Active = { readonly request: FaultRequest; readonly view: ActiveFault; readonly timer: Timer }

export class FaultBoard {
  readonly #options: FaultBoardOptions
  readonly #active = new Map<FaultType, Active>()
  readonly #counts = new Map<FaultType, number>()
  readonly #watchers = new Map<FaultType, () => void>()

  constructor(options: FaultBoardOptions) {
    this.#options = options
  }

  /** The fault of this type that is active now. */
  active<T extends FaultType>(type: T): FaultOf<T> | undefined {
    return this.#active.get(type)?.request.fault as FaultOf<T> | undefined
  }

  count(type: FaultType): number {
    return this.#counts.get(type) ?? 0
  }

  /** Tells one listener when a fault of this type begins, changes or ends. */
  watch(type: FaultType, listener: () => void): void {
    this.#watchers.set(type, listener)
  }

  /** Begins a fault; one of the same type that is active is replaced. */
  press(request: FaultRequest): void {
    const { clock, onEvent } = this.#options
    const { fault, parameters } = request
    const { type } = fault
    this.#active.get(type)?.timer.cancel()
    const now_ms = clock.wall_ms()
    const length_ms = lengthOf(fault)
    const view = {
      since: new Date(now_ms).toISOString(),
      until: length_ms === undefined ? null : new Date(now_ms + length_ms).toISOString(),
      parameters,
    }
    this.#active.set(type, { request, view, timer: this.#schedule(fault) })
    this.#counts.set(type, this.count(type) + 1)
    onEvent({ type: 'begun', fault: type, parameters })
    this.#watchers.get(type)?.()
  }

  /** Ends a fault; false: it was not active. */
  end(type: FaultType): boolean {
    const active = this.#active.get(type)
    if (active === undefined) return false
    active.timer.cancel()
    this.#active.delete(type)
    this.#options.onEvent({ type: 'ended', fault: type, parameters: active.view.parameters })
    this.#watchers.get(type)?.()
    return true
  }

  endAll(): void {
    for (const type of [...this.#active.keys()]) this.end(type)
  }

  /** All kinds, active or not. */
  list(): FaultView[] {
    return FAULT_TYPES.map((type) => this.view(type))
  }

  view(type: FaultType): FaultView {
    const { what } = FAULT_KINDS[type]
    const parameters = parametersOf(type)
    const active = this.#active.get(type)?.view ?? null
    return { name: type, what, parameters, active, count: this.count(type) }
  }

  /** One line for each active fault. */
  notes(): string[] {
    return [...this.#active].map(([type, { view }]) => {
      const given = Object.entries(view.parameters).map(([name, value]) => `${name}=${value}`)
      const until = view.until === null ? '' : `, until ${view.until}`
      return `fault ${[type, ...given].join(' ')}${until}`
    })
  }

  #schedule(fault: Fault): Timer {
    const { clock } = this.#options
    switch (fault.type) {
      case 'kill':
      case 'pause':
      case 'lost-disk':
        return clock.after(SUDDEN_AFTER_MS, () => this.#strike(fault))
      default:
        return clock.after(fault.for_ms, () => this.end(fault.type))
    }
  }

  #strike(fault: FaultOf<'kill' | 'pause' | 'lost-disk'>): void {
    const { sudden } = this.#options
    switch (fault.type) {
      case 'kill':
        sudden.kill()
        break
      case 'pause':
        sudden.pause(fault.for_ms)
        break
      case 'lost-disk':
        sudden.loseDisk()
        break
      default:
        assertNever(fault)
    }
    this.end(fault.type)
  }
}

/** How long a fault lasts, ms; undefined: to the end of the process. */
function lengthOf(fault: Fault): number | undefined {
  if (fault.type === 'kill' || fault.type === 'lost-disk') return undefined
  return fault.for_ms + (fault.type === 'pause' ? SUDDEN_AFTER_MS : 0)
}
