/** Carries out a schedule of faults, ends each in its time, and heals everything at the end. */

import { DiskBudget } from './disk-budget.ts'
import { strikeDisk } from './disk-strikes.ts'
import type { Fault, FaultType, Moment } from './faults.ts'
import { strikeNetwork } from './network-strikes.ts'
import { Operator } from './operator.ts'
import { strikePod } from './pod-strikes.ts'
import type { ReplicaHost } from './replica-host.ts'
import type { World } from './world.ts'

/** What a strike may use. */
export type Hand = {
  readonly world: World
  readonly budget: DiskBudget
  readonly operator: Operator
  /** Ends something after a while, or when all is healed. */
  for(duration_ms: number, end: () => void): void
  /** It took effect; a fault that does not apply now has none. */
  struck(fault: Fault): void
}

/** Faults that are situations by themselves. */
const SITUATION_OF: Partial<Record<FaultType, string>> = {
  'lost-disk': 'disk-lost',
  'lost-disks': 'disk-lost',
  'old-disk': 'old-disk-back',
  'drain-all': 'all-drained',
  'kill-all': 'all-killed',
  'rolling-restart': 'rolled',
  'api-kill': 'api-died',
}

export class Nemesis {
  readonly #world: World
  readonly #faults: readonly Fault[]
  readonly #hand: Hand
  /** How to end what goes on. */
  readonly #going = new Set<() => void>()
  /** Waiting for their moment, the oldest first. */
  readonly #armed: Fault[] = []
  #healed = false

  constructor(world: World, faults: readonly Fault[]) {
    this.#world = world
    this.#faults = faults
    const budget = new DiskBudget(world)
    const operator = new Operator(world, (member) => budget.allowsWithout(member))
    budget.leaving = () => operator.leaving
    this.#hand = {
      world,
      budget,
      operator,
      for: (duration_ms, end) => this.#for(duration_ms, end),
      struck: (fault) => {
        world.count(`fault-${fault.type}`)
        const situation = SITUATION_OF[fault.type]
        if (situation !== undefined) world.count(situation)
      },
    }
  }

  /** More was taken than the cluster must survive. */
  get beyond(): boolean {
    return this.#hand.budget.exceeded
  }

  start(): void {
    for (const fault of this.#faults) {
      this.#world.scheduler.at(fault.at_ms, undefined, () => {
        if (fault.when === undefined) this.#strike(this.#aimed(fault))
        else this.#armed.push(fault)
      })
    }
    this.#world.onMoment = (moment, ordinal) => this.#noticed(moment, ordinal)
  }

  /** One that is meant for the leader, with its ordinal. */
  #aimed(fault: Fault): Fault {
    if (fault.aim !== 'leader' || !('ordinal' in fault)) return fault
    const leads = (host: ReplicaHost) => host.replica?.loop?.status().role === 'leader'
    const ordinal = this.#world.hosts().find(leads)?.ordinal ?? fault.ordinal
    return { ...fault, ordinal }
  }

  /** Something happened that faults may be waiting for. */
  #noticed(moment: Moment, ordinal: number): void {
    const at = this.#armed.findIndex((fault) => fault.when?.moment === moment)
    const fault = this.#armed[at]
    if (fault?.when === undefined) return
    this.#armed.splice(at, 1)
    const { when, ...rest } = fault
    const aimed = when.actor && 'ordinal' in rest ? { ...rest, ordinal } : rest
    this.#world.scheduler.after(when.after_ms, undefined, () => this.#strike(aimed as Fault))
  }

  /** Ends all that goes on. */
  heal(): void {
    this.#healed = true
    this.#world.note('FAULTS END')
    for (const end of [...this.#going]) end()
    this.#hand.operator.finish()
  }

  #for(duration_ms: number, end: () => void): void {
    const once = () => {
      if (this.#going.delete(once)) end()
    }
    this.#going.add(once)
    this.#world.scheduler.after(duration_ms, undefined, once)
  }

  #strike(fault: Fault): void {
    if (this.#healed) return
    this.#world.note(`FAULT ${JSON.stringify(fault)}`)
    strikePod(this.#hand, fault)
    strikeDisk(this.#hand, fault)
    strikeNetwork(this.#hand, fault)
  }
}
