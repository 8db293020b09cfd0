/**
 * Reads that wait: first for a read index (linearizable), then until that index and the client's
 * `minRevision` are applied here (DESIGN §8). Each has a deadline; a refused read index is asked
 * for again until then, since a new leader may be a few milliseconds away.
 */

import type { ErrorCode } from '../../shared/errors.ts'

export type ReadTerms = {
  readonly consistency: 'linearizable' | 'stale'
  /** Stale only: the state may be this old; 0: any age. */
  readonly maxStale_ms: number
  /** Wait until this revision is applied; 0: do not wait. */
  readonly minRevision: number
  readonly timeout_ms: number
}

export type ReadWaiter = {
  /** The state may be read now, in this very call. */
  run(age_ms: number): void
  refuse(code: ErrorCode, message: string): void
}

type Waiting = {
  readonly terms: ReadTerms
  readonly waiter: ReadWaiter
  readonly deadline_ms: number
  /** Read index once known; -1 before. */
  index: number
  /** Asked consensus and not answered. */
  asked: boolean
}

/** What the waiting reads need of the replica. */
export type ReadState = {
  now_ms(): number
  applied(): number
  revision(): number
  /** Age of the applied state, ms; -1: unknown. */
  age_ms(): number
  /** It held all the data once. One that never did would tell of keys that they do not exist. */
  wasWhole(): boolean
  /** Why no linearizable read is possible now, as far as this replica can tell. */
  problem(): { code: ErrorCode; message: string }
  /** Starts a read round for this id. */
  ask(id: number): void
}

export class WaitingReads {
  readonly #state: ReadState
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1

  constructor(state: ReadState) {
    this.#state = state
  }

  get size(): number {
    return this.#waiting.size
  }

  add(terms: ReadTerms, waiter: ReadWaiter): void {
    const now_ms = this.#state.now_ms()
    const id = this.#nextId
    this.#nextId += 1
    const linearizable = terms.consistency === 'linearizable'
    const waiting: Waiting = {
      terms,
      waiter,
      deadline_ms: now_ms + terms.timeout_ms,
      index: linearizable ? -1 : 0,
      asked: linearizable,
    }
    if (!linearizable && this.#tryRun(waiting)) return
    this.#waiting.set(id, waiting)
    if (linearizable) this.#state.ask(id)
  }

  /** Consensus confirmed that reads at or above `index` are linearizable for this read. */
  confirmed(id: number, index: number): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    waiting.index = index
    if (this.#tryRun(waiting)) this.#waiting.delete(id)
  }

  /** No leader, or it changed: asked again at the next tick. */
  refused(id: number): void {
    const waiting = this.#waiting.get(id)
    if (waiting !== undefined) waiting.asked = false
  }

  /** Entries were applied: some may run now. */
  advanced(): void {
    if (this.#waiting.size === 0) return
    for (const [id, waiting] of this.#waiting) {
      if (waiting.index >= 0 && this.#tryRun(waiting)) this.#waiting.delete(id)
    }
  }

  /** Ends what is past its deadline, asks again for what was refused. */
  tick(): void {
    if (this.#waiting.size === 0) return
    const now_ms = this.#state.now_ms()
    for (const [id, waiting] of this.#waiting) {
      if (now_ms >= waiting.deadline_ms) {
        this.#waiting.delete(id)
        this.#expire(waiting)
      } else if (waiting.index < 0 && !waiting.asked) {
        waiting.asked = true
        this.#state.ask(id)
      } else if (waiting.index >= 0 && this.#tryRun(waiting)) {
        this.#waiting.delete(id)
      }
    }
  }

  refuseAll(code: ErrorCode, message: string): void {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { waiter } of all) waiter.refuse(code, message)
  }

  #tryRun(waiting: Waiting): boolean {
    const { terms } = waiting
    if (this.#state.applied() < waiting.index) return false
    if (this.#state.revision() < terms.minRevision) return false
    if (terms.consistency === 'linearizable') {
      waiting.waiter.run(0)
      return true
    }
    const age_ms = this.#state.age_ms()
    if (age_ms < 0 && !this.#state.wasWhole()) {
      waiting.waiter.refuse('cluster-forming', 'this replica has not received its data yet')
      return true
    }
    if (terms.maxStale_ms > 0 && (age_ms < 0 || age_ms > terms.maxStale_ms)) {
      waiting.waiter.refuse('too-stale', `this replica's state is ${describeAge(age_ms)}`)
      return true
    }
    waiting.waiter.run(age_ms)
    return true
  }

  #expire(waiting: Waiting): void {
    if (waiting.index >= 0 && this.#state.revision() < waiting.terms.minRevision) {
      const at = this.#state.revision()
      waiting.waiter.refuse('revision-not-reached', `this replica is at revision ${at}`)
      return
    }
    const { code, message } = this.#state.problem()
    waiting.waiter.refuse(code, message)
  }
}

function describeAge(age_ms: number): string {
  return age_ms < 0 ? 'of unknown age' : `${Math.round(age_ms)} ms old`
}
