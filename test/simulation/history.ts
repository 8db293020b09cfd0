/**
 * What the clients saw, and whether one copy of the data, in the order of its revisions, could have
 * shown it to them.
 *
 * Every state has a revision, and the model (model.ts) knows every state that was committed. So an
 * answer is right if it is what that state says, and if that state is at least as new as everything
 * that anybody knew when the question was asked: that is linearizability with the order given.
 *
 *   stale-read        a linearizable answer from before what was known when it was asked
 *   wrong-read        a value that the key did not have at the answer's revision
 *   lost-write        an acknowledged write that is not at its revision
 *   answered-early    an answer from a revision that is not committed
 *   too-stale         a stale answer older than it says, or than it may be
 *   undone-effect     a write refused as `not-applied` that took effect
 */

import type { Model, Version } from './model.ts'
import { Violation } from './violation.ts'

export type Intent =
  | { readonly type: 'put'; readonly key: string; readonly value: string; readonly ttl_ms: number }
  | { readonly type: 'delete'; readonly key: string }
  | {
      readonly type: 'get'
      readonly key: string
      readonly consistency: 'linearizable' | 'stale'
      readonly maxStale_ms: number
      readonly minRevision: number
    }

/** What a write demanded of the key, as far as it matters here. */
export type Condition =
  | { readonly type: 'none' | 'absent' | 'other' }
  | { readonly type: 'revision'; readonly revision: number }

export type Answer = {
  readonly status: string
  /** Of the write's result, or of the record read (0: there is none). */
  readonly revision: number
  /** Of the record read; undefined: there is none, or this was no read. */
  readonly value: string | undefined
  /** The state that answered. */
  readonly state: number
  /** ms; 0 for linearizable. */
  readonly age_ms: number
}

export type Outcome =
  | { readonly type: 'ok'; readonly answer: Answer }
  /** Surely without effect. */
  | { readonly type: 'failed'; readonly code: string }
  | { readonly type: 'unknown'; readonly code: string }

export type Operation = {
  readonly client: number
  readonly intent: Intent
  readonly condition: Condition
  readonly call_ms: number
  /** The newest revision that anybody had heard of when this was asked. */
  readonly known: number
  return_ms: number
  outcome: Outcome | undefined
  /** It failed surely without effect, and was asked again as another operation. */
  askedAgain: boolean
}

/** Clocks of replicas may be wrong by this share when they count an age. */
const AGE_TOLERANCE = 1.06
const AGE_SLACK_MS = 5

export class History {
  readonly #model: Model
  readonly operations: Operation[] = []
  /** Newest revision known, and since when; ascending. */
  readonly #known: { at_ms: number; revision: number }[] = [{ at_ms: 0, revision: 0 }]
  readonly counters = { ok: 0, failed: 0, unknown: 0 }

  constructor(model: Model) {
    this.#model = model
  }

  get known(): number {
    return this.#known.at(-1)?.revision ?? 0
  }

  begin(client: number, intent: Intent, at: { condition: Condition; now_ms: number }): Operation {
    const operation: Operation = {
      client,
      intent,
      condition: at.condition,
      call_ms: at.now_ms,
      known: this.known,
      return_ms: Number.POSITIVE_INFINITY,
      outcome: undefined,
      askedAgain: false,
    }
    this.operations.push(operation)
    return operation
  }

  /** Throws a `Violation` where the answer cannot be right. */
  end(operation: Operation, outcome: Outcome, now_ms: number): void {
    operation.outcome = outcome
    operation.return_ms = now_ms
    this.counters[outcome.type] += 1
    if (outcome.type !== 'ok') return
    const { answer } = outcome
    this.#learn(Math.max(answer.state, answer.revision), now_ms)
    if (operation.intent.type === 'get') this.#checkRead(operation, operation.intent, answer)
    else this.#checkWrite(operation, operation.intent, answer)
  }

  /** At the end of the run: what was said to have had no effect had none. */
  finish(): void {
    for (const { intent, outcome, askedAgain } of this.operations) {
      // Where it was asked again the same value may well be there, once (model.ts).
      if (intent.type !== 'put' || outcome === undefined || askedAgain) continue
      const effect = this.#model.effectOf(intent.value)
      if (outcome.type === 'failed' && effect !== undefined) {
        const what = `put ${intent.value} took effect at ${effect}, and was refused`
        throw new Violation('undone-effect', `${what} as not applied (${outcome.code})`)
      }
      if (outcome.type !== 'ok') continue
      const { status, revision } = outcome.answer
      const done = status === 'created' || status === 'updated'
      if (done && effect !== revision) {
        throw new Violation('lost-write', `put ${intent.value} is at ${effect}, not at ${revision}`)
      }
      if (!done && effect !== undefined) {
        throw new Violation('undone-effect', `put ${intent.value} was ${status}, and took effect`)
      }
    }
  }

  #learn(revision: number, now_ms: number): void {
    if (revision > this.known) this.#known.push({ at_ms: now_ms, revision })
  }

  /** What was known at this moment. */
  #knownAt(at_ms: number): number {
    for (let at = this.#known.length - 1; at >= 0; at -= 1) {
      const { at_ms: since_ms, revision } = this.#known[at] as { at_ms: number; revision: number }
      if (since_ms <= at_ms) return revision
    }
    return 0
  }

  #checkRead(operation: Operation, intent: Intent & { type: 'get' }, answer: Answer): void {
    const { state, age_ms } = answer
    const asked = `get ${intent.key} by client ${operation.client}`
    this.#demandCommitted(state, asked)
    const version = this.#model.at(intent.key, state)
    if (version.value !== answer.value || revisionOf(version) !== answer.revision) {
      const should = `${version.value} of ${version.revision}`
      const what = `${answer.value} of ${answer.revision}, should be ${should} at state ${state}`
      throw new Violation('wrong-read', `${asked}: ${what}`)
    }
    if (intent.consistency === 'linearizable') {
      if (state >= operation.known) return
      const what = `state ${state}, and ${operation.known} was known before`
      throw new Violation('stale-read', `${asked}: ${what}`)
    }
    if (state < intent.minRevision) {
      throw new Violation('too-stale', `${asked}: state ${state} below ${intent.minRevision}`)
    }
    if (age_ms < 0) return
    if (intent.maxStale_ms > 0 && age_ms > intent.maxStale_ms) {
      throw new Violation('too-stale', `${asked}: ${age_ms} ms old, of ${intent.maxStale_ms} ms`)
    }
    const fresh = this.#knownAt(operation.call_ms - age_ms * AGE_TOLERANCE - AGE_SLACK_MS)
    if (state >= fresh) return
    const what = `state ${state}, ${fresh} was known more than ${age_ms} ms before`
    throw new Violation('too-stale', `${asked}: ${what}`)
  }

  #checkWrite(operation: Operation, intent: Intent, answer: Answer): void {
    const { status, revision, state } = answer
    const asked = `${intent.type} ${intent.key} by client ${operation.client}: ${status}`
    if (status === 'condition-failed' || status === 'absent') {
      this.#checkObservation(operation, intent.key, answer)
      return
    }
    this.#demandCommitted(revision, asked)
    if (revision <= operation.known) {
      const what = `${revision}, and ${operation.known} was known before`
      throw new Violation('stale-read', `${asked} at ${what}`)
    }
    if (state < revision)
      throw new Violation('stale-read', `${asked}: state ${state} < ${revision}`)
    const version = this.#model.at(intent.key, revision)
    const value = intent.type === 'put' ? intent.value : undefined
    if (version.revision !== revision || version.value !== value) {
      const what = `${version.value} of ${version.revision}`
      throw new Violation('lost-write', `${asked} at ${revision}, where the key has ${what}`)
    }
  }

  /** The key had this revision at some moment between the call and the answer. */
  #checkObservation(operation: Operation, key: string, answer: Answer): void {
    const { revision, state } = answer
    for (let at = operation.known; at <= state; at += 1) {
      if (revisionOf(this.#model.at(key, at)) === revision) return
    }
    const what = `revision ${revision} between ${operation.known} and ${state}`
    throw new Violation('wrong-read', `${answer.status} ${key}: the key had no ${what}`)
  }

  #demandCommitted(revision: number, asked: string): void {
    if (revision <= this.#model.revision) return
    const what = `${revision}, and only ${this.#model.revision} is committed`
    throw new Violation('answered-early', `${asked}: state ${what}`)
  }
}

function revisionOf(version: Version): number {
  return version.value === undefined ? 0 : version.revision
}
