/**
 * The load: concurrent clients that each have one operation under way, at a common rate, and the
 * last read of all keys when they have stopped. Nothing is sent twice: the history would not tell
 * which of the two took effect.
 */

import type { Client, ReadOptions, WriteOptions } from '../../client/client.ts'
import { assertNever } from '../../shared/assert.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Action, Condition } from '../history.ts'
import { randomOf } from '../random.ts'
import { type Meaning, meaningOfRead, meaningOfWrite } from './answers.ts'
import { Plan, type PlanOptions, type Step } from './plan.ts'
import type { Recorder } from './recorder.ts'

/** Pause of a client whose operation failed, so that a dead server is not hammered. */
const FAILED_PAUSE_MS = 20
/** Keys read at once in the end, at most; a client reads one at a time. */
const FINAL_READERS = 16

export type LoadOptions = PlanOptions & {
  readonly clients: number
  /** Operations a second of all clients together; 0: as fast as they are answered. */
  readonly rate: number
  readonly seed: number
}

export class Load {
  readonly #options: LoadOptions
  readonly #clients: readonly Client[]
  readonly #recorder: Recorder
  readonly #clock: Clock
  /** Keys with an acknowledged write, and with any that may have taken effect. */
  readonly #written = new Set<string>()
  readonly #touched = new Set<string>()
  #next_ms = 0
  #stopped = false

  /** `clients`: one for each place to send to; the load's clients share them in turn. */
  constructor(
    options: LoadOptions,
    ports: { clients: readonly Client[]; recorder: Recorder; clock: Clock },
  ) {
    this.#options = options
    this.#clients = ports.clients
    this.#recorder = ports.recorder
    this.#clock = ports.clock
  }

  /** Resolves when each client has stopped and has its last answer. */
  async run(): Promise<void> {
    this.#next_ms = this.#clock.now_ms()
    const { clients } = this.#options
    await Promise.all(Array.from({ length: clients }, (_, process) => this.#runClient(process)))
  }

  stop(): void {
    this.#stopped = true
  }

  /** Reads each key with an acknowledged write, until it is answered or time is up. */
  async readAll(timeout_ms: number): Promise<void> {
    const until_ms = this.#clock.now_ms() + timeout_ms
    const left = [...this.#written]
    const work = async (process: number) => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) {
        while (this.#clock.now_ms() < until_ms && !this.#recorder.overflowing) {
          const meaning = await this.#do(process, { key, action: { type: 'read' } }, false)
          if (meaning.outcome.type !== 'fail') break
          await this.#pause(FAILED_PAUSE_MS)
        }
      }
    }
    const readers = Math.min(FINAL_READERS, this.#options.clients)
    await Promise.all(Array.from({ length: readers }, (_, process) => work(process)))
  }

  /** Deletes the keys of this run; what fails is left. */
  async clear(): Promise<void> {
    const left = [...this.#touched]
    const work = async () => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) {
        const answer = await this.#clientOf(0).delete(key)
        if (answer.type === 'no-answer') return
      }
    }
    await Promise.all(Array.from({ length: FINAL_READERS }, work))
  }

  async #runClient(process: number): Promise<void> {
    const random = randomOf(this.#options.seed * 7919 + process)
    const plan = new Plan(this.#options, { process, random, known: this.#recorder })
    for (;;) {
      await this.#turn()
      if (this.#stopped || this.#recorder.full) return
      const { outcome, failure } = await this.#do(process, plan.next(), true)
      if (outcome.type === 'written' || outcome.type === 'deleted') {
        plan.written = Math.max(plan.written, outcome.revision)
      }
      if (failure !== undefined) await this.#pause(FAILED_PAUSE_MS)
    }
  }

  /** Waits for the next place at the rate. What was missed while all waited is not made up for. */
  async #turn(): Promise<void> {
    const { rate } = this.#options
    if (rate === 0) return
    const now_ms = this.#clock.now_ms()
    const turn_ms = Math.max(this.#next_ms, now_ms - 1000 / rate)
    this.#next_ms = turn_ms + 1000 / rate
    if (turn_ms > now_ms) await this.#pause(turn_ms - now_ms)
  }

  async #do(process: number, step: Step, counted: boolean): Promise<Meaning> {
    const call = this.#recorder.call(process, step)
    const meaning = await this.#send(this.#clientOf(process), step)
    this.#recorder.answer(call, meaning, counted)
    const { type } = meaning.outcome
    if (type === 'written' || type === 'deleted') this.#written.add(step.key)
    if (step.action.type === 'put' && type !== 'fail') this.#touched.add(step.key)
    return meaning
  }

  async #send(client: Client, { key, action }: Step): Promise<Meaning> {
    switch (action.type) {
      case 'put':
        return meaningOfWrite(
          await client.put(key, action.value, this.#conditions(action.condition)),
        )
      case 'delete':
        return meaningOfWrite(await client.delete(key, this.#conditions(action.condition)))
      case 'read':
      case 'stale-read':
        return meaningOfRead(await client.get(key, this.#readOptions(action)))
      default:
        return assertNever(action)
    }
  }

  #conditions(condition: Condition | undefined): WriteOptions {
    if (condition === undefined) return {}
    return condition.type === 'absent'
      ? { ifNoneMatch: '*' }
      : { ifMatch: this.#tag(condition.revision) }
  }

  #readOptions(action: Extract<Action, { type: 'read' | 'stale-read' }>): ReadOptions {
    if (action.type === 'read') {
      return action.unless === undefined ? {} : { ifNoneMatch: this.#tag(action.unless) }
    }
    const { maxStale_ms, minRevision } = action
    return {
      consistency: 'stale',
      ...(maxStale_ms === undefined ? {} : { maxStale_ms }),
      ...(minRevision === undefined ? {} : { minRevision }),
    }
  }

  #tag(revision: number): string {
    return `"${this.#recorder.history ?? ''}-${revision}"`
  }

  #clientOf(process: number): Client {
    return this.#clients[process % this.#clients.length] as Client
  }

  #pause(delay_ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(delay_ms, resolve))
  }
}
