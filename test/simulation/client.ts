/**
 * A simulated client: one operation after the other, through any API server, as the HTTP routes
 * would hand it on; now and then conditional on what it saw before. It notes what it asked and what
 * became of it (history.ts).
 */

import type { ClusterError } from '../../src/shared/errors.ts'
import type { TagCondition } from '../../src/shared/http/conditions.ts'
import type { AnswerSource, ReadAnswer, ReadTerms } from '../../src/shared/http/reader.ts'
import type { WriteCommand, WriteResult } from '../../src/shared/http/write-taker.ts'
import type { ApiHost } from './api-host.ts'
import type { Chance } from './chance.ts'
import type { Condition, Intent, Operation, Outcome } from './history.ts'
import type { World } from './world.ts'

/** Clients are near the API servers. */
const NEAR_MS = 0.5
/** A client waits this much longer than it told the server. */
const PATIENCE_MS = 1500
/** How soon a client notices that a lull is over, at the latest. */
const LULL_LOOK_MS = 200
/** Probability that a write that failed is asked again. */
const AGAIN = 0.5

export class Client {
  readonly #world: World
  readonly #chance: Chance
  readonly #number: number
  #writes = 0
  /** key → history and revision seen last; 0: none. */
  readonly #seen = new Map<string, { history: string; revision: number }>()
  #newest = 0
  #stopped = false
  /** What failed surely without effect, to be asked again. */
  #again: { intent: Intent; condition: TagCondition | undefined } | undefined
  busy = false

  constructor(world: World, number: number) {
    this.#world = world
    this.#number = number
    this.#chance = world.chanceOf(`client ${number}`)
  }

  start(): void {
    this.#next(this.#chance.random() * 1000)
  }

  stop(): void {
    this.#stopped = true
  }

  /** Acts now, if it is not waiting for an answer. */
  act(): void {
    if (this.busy || this.#stopped) return
    const apis = this.#world.apis
    const api = apis[this.#chance.below(apis.length)] as ApiHost
    const { intent, condition } = this.#again ?? this.#intend()
    this.#again = undefined
    const now_ms = this.#world.scheduler.now_ms
    const operation = this.#world.history.begin(this.#number, intent, {
      condition: summaryOf(condition),
      now_ms,
    })
    this.busy = true
    const timeout_ms = this.#chance.pick(this.#world.parameters.workload.timeouts_ms)
    this.#ask(api, { operation, condition, timeout_ms })
  }

  #next(pause_ms: number): void {
    this.#world.scheduler.after(pause_ms, undefined, () => {
      if (this.#stopped) return
      if (this.#world.lulls > 0) this.#next(this.#chance.random() * LULL_LOOK_MS)
      else if (!this.busy) this.act()
      else this.#next(10)
    })
  }

  #key(): string {
    const { keys } = this.#world.parameters.workload
    // A few keys are asked for more often than others.
    const at = this.#chance.happens(0.5) ? this.#chance.below(Math.min(3, keys)) : -1
    return `k${at < 0 ? this.#chance.below(keys) : at}`
  }

  #intend(): { intent: Intent; condition: TagCondition | undefined } {
    const intent = this.#choose()
    const condition = intent.type === 'get' ? undefined : this.#condition(intent.key)
    return { intent, condition }
  }

  #choose(): Intent {
    const chance = this.#chance
    const { puts, deletes, staleReads, mortal, ttl_ms, padding_bytes } =
      this.#world.parameters.workload
    const key = this.#key()
    const kind = chance.random()
    if (kind < puts) {
      this.#writes += 1
      const padding = '.'.repeat(chance.below(padding_bytes + 1))
      const value = `c${this.#number}-${this.#writes}${padding}`
      const life_ms = chance.happens(mortal) ? Math.ceil(chance.random() * ttl_ms) : 0
      return { type: 'put', key, value, ttl_ms: life_ms }
    }
    if (kind < puts + deletes) return { type: 'delete', key }
    const stale = kind < puts + deletes + staleReads
    return {
      type: 'get',
      key,
      consistency: stale ? 'stale' : 'linearizable',
      maxStale_ms: stale && chance.happens(0.5) ? chance.pick([100, 1000, 10_000]) : 0,
      minRevision: chance.happens(0.2) ? this.#newest : 0,
    }
  }

  #condition(key: string): TagCondition | undefined {
    const chance = this.#chance
    if (!chance.happens(this.#world.parameters.workload.conditional)) return undefined
    const seen = this.#seen.get(key)
    if (seen === undefined || seen.revision === 0) return { noneMatch: 'any' }
    return chance.happens(0.8)
      ? { match: [seen] }
      : chance.pick([{ match: 'any' }, { noneMatch: [seen] }])
  }

  #ask(
    api: ApiHost,
    request: {
      operation: Operation
      condition: TagCondition | undefined
      timeout_ms: number
    },
  ): void {
    const { scheduler } = this.#world
    const { operation, timeout_ms } = request
    const read = operation.intent.type === 'get'
    const faces = api.faces
    let done = false
    const finish = (outcome: Outcome, history = '') => {
      if (done) return
      done = true
      api.onEnd.delete(lost)
      this.#maybeAgain(request, outcome)
      this.#finish(operation, outcome, history)
    }
    const lost = () => {
      scheduler.after(NEAR_MS, undefined, () => {
        finish({ type: read ? 'failed' : 'unknown', code: 'connection lost' })
      })
    }
    if (faces === undefined) {
      scheduler.after(NEAR_MS, undefined, () => finish({ type: 'failed', code: 'refused' }))
      return
    }
    api.onEnd.add(lost)
    scheduler.after(timeout_ms + PATIENCE_MS, undefined, () => {
      finish({ type: read ? 'failed' : 'unknown', code: 'client timeout' })
    })
    const { process } = faces
    scheduler.after(NEAR_MS, process, () => {
      const reply = (outcome: Outcome, history: string) => {
        if (!process.effect()) return
        scheduler.after(NEAR_MS, undefined, () => finish(outcome, history))
      }
      this.#submit(faces, request, reply)
    })
  }

  #submit(
    { tier, reader }: NonNullable<ApiHost['faces']>,
    request: {
      operation: Operation
      condition: TagCondition | undefined
      timeout_ms: number
    },
    reply: (outcome: Outcome, history: string) => void,
  ): void {
    const { operation, condition, timeout_ms } = request
    const { intent } = operation
    const key = Buffer.from(intent.key)
    if (intent.type === 'get') {
      const { consistency, maxStale_ms, minRevision } = intent
      const terms: ReadTerms = { consistency, maxStale_ms, minRevision, timeout_ms }
      reader.read(key, false, terms, (error, answer) => {
        reply(readOutcome(error, answer), answer?.source.history ?? '')
      })
      return
    }
    const command: WriteCommand =
      intent.type === 'delete'
        ? { type: 'delete', key, condition }
        : {
            type: 'put',
            key,
            value: Buffer.from(intent.value),
            contentType: 'text/plain',
            ttl_ms: intent.ttl_ms,
            condition,
          }
    tier.writer.submit(command, timeout_ms, (error, result, source) => {
      reply(writeOutcome(error, result, source), source?.history ?? '')
    })
  }

  /** A client may well try again what the server says has not happened. */
  #maybeAgain(
    { operation, condition }: { operation: Operation; condition: TagCondition | undefined },
    outcome: Outcome,
  ): void {
    const { intent } = operation
    if (outcome.type !== 'failed' || intent.type === 'get' || this.#stopped) return
    if (!this.#chance.happens(AGAIN)) return
    operation.askedAgain = true
    this.#again = { intent, condition }
  }

  #finish(operation: Operation, outcome: Outcome, history: string): void {
    this.busy = false
    this.#world.finished(operation, outcome)
    if (outcome.type === 'ok') {
      const { answer } = outcome
      const { intent } = operation
      const gone = answer.status === 'deleted' || answer.status === 'absent'
      this.#seen.set(intent.key, { history, revision: gone ? 0 : answer.revision })
      this.#newest = Math.max(this.#newest, answer.state)
    }
    const { think_ms } = this.#world.parameters.workload
    this.#next(this.#chance.random() * 2 * think_ms)
  }
}

function summaryOf(condition: TagCondition | undefined): Condition {
  if (condition === undefined) return { type: 'none' }
  if (condition.noneMatch === 'any') return { type: 'absent' }
  const { match } = condition
  const tag = match === 'any' ? undefined : match?.[0]
  return tag === undefined ? { type: 'other' } : { type: 'revision', revision: tag.revision }
}

function writeOutcome(
  error: ClusterError | undefined,
  result: WriteResult | undefined,
  source: AnswerSource | undefined,
): Outcome {
  if (error !== undefined) {
    const type = error.outcome === 'not-applied' ? 'failed' : 'unknown'
    return { type, code: error.code }
  }
  if (result === undefined || source === undefined) throw new Error('an answer without a result')
  const { status, revision } = result
  return {
    type: 'ok',
    answer: { status, revision, value: undefined, state: source.revision, age_ms: 0 },
  }
}

function readOutcome(error: ClusterError | undefined, answer: ReadAnswer | undefined): Outcome {
  if (error !== undefined) return { type: 'failed', code: error.code }
  if (answer === undefined) throw new Error('an answer without a result')
  const { record, age_ms, source } = answer
  return {
    type: 'ok',
    answer: {
      status: record === undefined ? 'not-found' : 'found',
      revision: record?.revision ?? 0,
      value: record === undefined ? undefined : Buffer.from(record.value).toString('latin1'),
      state: source.revision,
      age_ms,
    },
  }
}
