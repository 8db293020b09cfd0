/**
 * A correct store in memory under concurrent clients: makes random histories that hold, since each
 * operation takes effect at one moment between its call and its return. Clients may also lose an
 * answer, after which the operation takes effect later, or never.
 */

import type { Action, Condition, Operation, Outcome } from '../../../src/verifier/history.ts'
import type { Random } from '../../../src/verifier/random.ts'

export type ModelOptions = {
  readonly operations: number
  readonly processes: number
  readonly keys: number
  /** Shares of all operations. */
  readonly deletes: number
  readonly conditions: number
  readonly staleReads: number
  readonly reads: number
  /** Shares of operations whose answer is lost, and of refusals. */
  readonly unknown: number
  readonly fail: number
  /** Share of operations on the first key. */
  readonly hot?: number
  /** Answers leave out what may be left out (`created`, the revision of a 412). */
  readonly terse?: number
}

export const MODEL_DEFAULTS: ModelOptions = {
  operations: 60,
  processes: 5,
  keys: 2,
  deletes: 0.1,
  conditions: 0.2,
  staleReads: 0.1,
  reads: 0.35,
  unknown: 0.05,
  fail: 0.03,
}

type State = { readonly value: string; readonly revision: number; readonly version: number }
type Version = {
  readonly from_us: number
  readonly revision: number
  readonly state: State | undefined
}

type Pending = {
  readonly id: number
  readonly process: number
  readonly key: string
  readonly call_us: number
  readonly action: Action
  outcome: Outcome | undefined
  /** Its answer is lost. */
  readonly lost: boolean
}

class Store {
  readonly #states = new Map<string, State>()
  readonly versions = new Map<string, Version[]>()
  revision = 0

  get(key: string): State | undefined {
    return this.#states.get(key)
  }

  apply(key: string, action: Action, now_us: number): Outcome {
    const state = this.#states.get(key)
    if (action.type === 'read') return this.#read(state, action.unless)
    if (action.type === 'stale-read') throw new Error('not applied')
    if (!holds(action.condition, state)) {
      this.revision++
      return { type: 'condition-failed', revision: state?.revision ?? 0 }
    }
    this.revision++
    if (action.type === 'delete') {
      if (state === undefined) return { type: 'absent' }
      this.#set(key, undefined, now_us)
      return { type: 'deleted', revision: this.revision }
    }
    const version = (state?.version ?? 0) + 1
    this.#set(key, { value: action.value, revision: this.revision, version }, now_us)
    return { type: 'written', revision: this.revision, created: state === undefined }
  }

  #read(state: State | undefined, unless: number | undefined): Outcome {
    const seen = this.revision
    if (state === undefined) return { type: 'absent', seen }
    if (state.revision === unless) return { type: 'not-modified', seen }
    return { type: 'found', ...state, seen }
  }

  #set(key: string, state: State | undefined, now_us: number): void {
    if (state === undefined) this.#states.delete(key)
    else this.#states.set(key, state)
    const versions = this.versions.get(key) ?? []
    versions.push({ from_us: now_us, revision: this.revision, state })
    this.versions.set(key, versions)
  }
}

function holds(condition: Condition | undefined, state: State | undefined): boolean {
  if (condition === undefined) return true
  if (condition.type === 'absent') return state === undefined
  return state?.revision === condition.revision
}

/** A history that holds. */
export function makeHistory(random: Random, given: Partial<ModelOptions> = {}): Operation[] {
  const options = { ...MODEL_DEFAULTS, ...given }
  const store = new Store()
  const revisions = new Map<string, number>()
  const made: Operation[] = []
  const pending = new Map<number, Pending>()
  const lost: Pending[] = []
  let now_us = 0
  let called = 0
  const call = (process: number) => {
    const hot = random.chance(options.hot ?? 0)
    const key = hot ? 'k0' : `k${random.below(options.keys)}`
    const action = chooseAction(random, { options, known: revisions.get(key), id: called })
    const one = { id: called++, process, key, call_us: now_us, action, outcome: undefined }
    pending.set(process, { ...one, lost: random.chance(options.unknown) })
  }
  const apply = (one: Pending) => {
    one.outcome =
      one.action.type === 'stale-read'
        ? staleRead(store, one, { random, now_us })
        : random.chance(options.fail)
          ? { type: 'fail', code: 'no-leader' }
          : store.apply(one.key, one.action, now_us)
    const { outcome } = one
    if ('revision' in outcome && outcome.revision !== undefined && outcome.type !== 'deleted') {
      if (outcome.revision > 0) revisions.set(one.key, outcome.revision)
    }
  }
  const finish = (one: Pending, outcome: Outcome) => {
    pending.delete(one.process)
    const { id, process, key, call_us, action } = one
    const return_us = outcome.type === 'unknown' && random.chance(0.5) ? undefined : now_us
    made.push({ id, process, key, call_us, return_us, action, outcome })
  }
  while (called < options.operations || pending.size > 0) {
    now_us += random.below(3)
    const process = random.below(options.processes)
    const one = pending.get(process)
    if (one === undefined) {
      if (called < options.operations) call(process)
    } else if (one.lost && random.chance(0.5)) {
      if (one.outcome === undefined) lost.push(one)
      finish(one, { type: 'unknown', code: 'outcome-unknown' })
    } else if (one.outcome === undefined) apply(one)
    else if (!one.lost) finish(one, tersely(one.outcome, random.chance(options.terse ?? 0)))
    if (lost.length > 0 && random.chance(0.1)) {
      const [late] = lost.splice(random.below(lost.length), 1)
      if (late !== undefined && late.action.type !== 'stale-read') {
        store.apply(late.key, late.action, now_us)
      }
    }
  }
  return made
}

function tersely(outcome: Outcome, terse: boolean): Outcome {
  if (!terse) return outcome
  if (outcome.type === 'written') return { type: 'written', revision: outcome.revision }
  if (outcome.type === 'condition-failed') return { type: 'condition-failed' }
  return outcome
}

function staleRead(
  store: Store,
  one: Pending,
  { random, now_us }: { random: Random; now_us: number },
): Outcome {
  const versions = store.versions.get(one.key) ?? []
  const from_us = now_us - random.below(40)
  const action = one.action as Extract<Action, { type: 'stale-read' }>
  const chosen = versions.findLast(({ from_us: start }) => start <= from_us)
  const all = [...store.versions.values()].flat()
  const before = all.filter(({ from_us: start }) => start <= from_us)
  const seen = before.reduce((highest, { revision }) => Math.max(highest, revision), 0)
  const age_ms = (now_us - from_us) / 1000
  const tooOld = action.maxStale_ms !== undefined && age_ms > action.maxStale_ms
  if (tooOld || seen < (action.minRevision ?? 0)) return { type: 'fail', code: 'too-stale' }
  if (chosen?.state === undefined) return { type: 'absent', seen, age_ms }
  return { type: 'found', ...chosen.state, seen, age_ms }
}

function chooseAction(
  random: Random,
  { options, known, id }: { options: ModelOptions; known: number | undefined; id: number },
): Action {
  if (random.chance(options.staleReads)) {
    const action = { type: 'stale-read' } as const
    if (random.chance(0.3)) return { ...action, maxStale_ms: 0.01 + random.next() / 50 }
    return known !== undefined && random.chance(0.5) ? { ...action, minRevision: known } : action
  }
  const conditional = random.chance(options.conditions)
  if (random.chance(options.reads)) {
    return conditional && known !== undefined ? { type: 'read', unless: known } : { type: 'read' }
  }
  const chosen: Condition =
    known === undefined || random.chance(0.3)
      ? { type: 'absent' }
      : { type: 'revision', revision: known }
  const removes = random.chance(options.deletes)
  const condition = conditional && !(removes && chosen.type === 'absent') ? chosen : undefined
  const action: Action = removes ? { type: 'delete' } : { type: 'put', value: `v${id}` }
  return condition === undefined ? action : { ...action, condition }
}
