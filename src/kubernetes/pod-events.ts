/**
 * Events on the own Pod, for `kubectl describe pod` and `kubectl get events`. What happens again is
 * counted in the Event that told it first; few are told in a short time, and none is worth a wait.
 */

import { randomBytes } from 'node:crypto'
import type { Clock } from '../shared/clock.ts'
import {
  EVENT_PAUSE_MS,
  EVENT_TEXT_MAX,
  EVENTS_BURST_MAX,
  EVENTS_REMEMBERED_MAX,
  EVENTS_WAITING_MAX,
} from '../shared/limits.ts'
import type { Answer } from './answer.ts'
import type { Event, Objects } from './objects.ts'
import { Pause, retryAfter_ms } from './pause.ts'
import type { Standing } from './standing.ts'

export type PodEvent = {
  readonly type: 'Normal' | 'Warning'
  /** In CamelCase; API: added, never renamed. */
  readonly reason: string
  /** Those of one reason and kind are the same event, told with its latest text. */
  readonly kind: string
  readonly text: string
}

type Waiting = {
  readonly event: PodEvent
  readonly count: number
  readonly first: string
  readonly last: string
}
type Told = { readonly name: string; readonly count: number }

export type PodEventsOptions = {
  readonly objects: Objects
  readonly namespace: string
  /** The own Pod. */
  readonly pod: string
  readonly standing: Standing
  readonly clock: Clock
  readonly random: () => number
}

export class PodEvents {
  readonly #options: PodEventsOptions
  readonly #pause: Pause
  readonly #done: Promise<void>
  /** Reason and kind → what is to be told, in order. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #told = new Map<string, Told>()
  #uid: string | undefined
  #allowance = EVENTS_BURST_MAX
  #allowedAt_ms: number
  #closed = false

  constructor(options: PodEventsOptions) {
    this.#options = options
    this.#pause = new Pause(options.clock)
    this.#allowedAt_ms = options.clock.now_ms()
    this.#done = this.#work()
  }

  /** To be told when it can be; the oldest goes when too many wait. */
  add(event: PodEvent): void {
    if (this.#closed) return
    const key = `${event.reason} ${event.kind}`
    const now = new Date(this.#options.clock.wall_ms()).toISOString()
    const before = this.#waiting.get(key)
    this.#waiting.set(key, {
      event,
      count: (before?.count ?? 0) + 1,
      first: before?.first ?? now,
      last: now,
    })
    forgetOldest(this.#waiting, EVENTS_WAITING_MAX)
    this.#pause.wake()
  }

  /** Resolves when what waits was tried once more. */
  async close(): Promise<void> {
    this.#closed = true
    this.#pause.wake()
    await this.#done
  }

  async #work(): Promise<void> {
    let failures = 0
    for (;;) {
      const [next] = this.#waiting
      if (next === undefined) {
        if (this.#closed) return
        await this.#pause.sleep(undefined)
        continue
      }
      const pause_ms = this.#mayTell()
      if (pause_ms > 0) {
        if (this.#closed) return
        await this.#pauseFor(pause_ms)
        continue
      }
      const [key, waiting] = next
      this.#waiting.delete(key)
      if (await this.#tell(key, waiting)) {
        failures = 0
        this.#allowance -= 1
        continue
      }
      this.#putBack(key, waiting)
      if (this.#closed) return
      failures += 1
      await this.#pauseFor(retryAfter_ms(failures, this.#options.random))
    }
  }

  /** Not cut short by a further event. */
  async #pauseFor(pause_ms: number): Promise<void> {
    const { clock } = this.#options
    const until_ms = clock.now_ms() + pause_ms
    while (!this.#closed && clock.now_ms() < until_ms) {
      await this.#pause.sleep(until_ms - clock.now_ms())
    }
  }

  /** How long to wait for the next one. */
  #mayTell(): number {
    const now_ms = this.#options.clock.now_ms()
    const earned = Math.floor((now_ms - this.#allowedAt_ms) / EVENT_PAUSE_MS)
    if (this.#allowance + earned >= EVENTS_BURST_MAX) {
      this.#allowance = EVENTS_BURST_MAX
      this.#allowedAt_ms = now_ms
    } else {
      this.#allowance += earned
      this.#allowedAt_ms += earned * EVENT_PAUSE_MS
    }
    return this.#allowance > 0 ? 0 : this.#allowedAt_ms + EVENT_PAUSE_MS - now_ms
  }

  #putBack(key: string, waiting: Waiting): void {
    const newer = this.#waiting.get(key)
    const { count, first } = waiting
    const both = newer === undefined ? waiting : { ...newer, count: newer.count + count, first }
    this.#waiting.set(key, both)
    forgetOldest(this.#waiting, EVENTS_WAITING_MAX)
  }

  /** Resolves to whether this is done with. */
  async #tell(key: string, waiting: Waiting): Promise<boolean> {
    const { objects } = this.#options
    const { event, last } = waiting
    const told = this.#told.get(key)
    const message = event.text.slice(0, EVENT_TEXT_MAX)
    if (told !== undefined) {
      const count = told.count + waiting.count
      const patch = { count, message, lastTimestamp: last }
      const answer = this.#note(await objects.patchEvent(told.name, patch))
      // After an hour or so the API server forgets an Event: it is told anew.
      if (answer.type !== 'absent') {
        if (answer.type === 'ok') this.#remember(key, { name: told.name, count })
        return isOver(answer)
      }
    }
    const body = await this.#bodyOf(waiting, message)
    const answer = this.#note(await objects.createEvent(body))
    const name = body.metadata.name ?? ''
    if (answer.type === 'ok') this.#remember(key, { name, count: waiting.count })
    return isOver(answer)
  }

  async #bodyOf({ event, count, first, last }: Waiting, message: string): Promise<Event> {
    const { namespace, pod } = this.#options
    const uid = await this.#ownUid()
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${pod}.${randomBytes(8).toString('hex')}`, namespace },
      involvedObject: {
        apiVersion: 'v1',
        kind: 'Pod',
        name: pod,
        namespace,
        ...(uid === undefined ? {} : { uid }),
      },
      type: event.type,
      reason: event.reason,
      message,
      count,
      firstTimestamp: first,
      lastTimestamp: last,
      source: { component: 'ordinal' },
      reportingComponent: 'ordinal',
      reportingInstance: pod,
    }
  }

  /** `kubectl describe` finds Events by it; without, the Event is found by the Pod's name. */
  async #ownUid(): Promise<string | undefined> {
    if (this.#uid !== undefined) return this.#uid
    const { objects, pod, standing } = this.#options
    const answer = standing.note('read Pods', await objects.pod(pod))
    if (answer.type === 'ok') this.#uid = answer.object.metadata?.uid
    return this.#uid
  }

  #remember(key: string, told: Told): void {
    this.#told.delete(key)
    this.#told.set(key, told)
    forgetOldest(this.#told, EVENTS_REMEMBERED_MAX)
  }

  #note(answer: Answer<Event>): Answer<Event> {
    return this.#options.standing.note('write Events', answer)
  }
}

/** Told, or never to be taken: trying again would change nothing. */
function isOver({ type }: Answer<Event>): boolean {
  return type === 'ok' || type === 'invalid' || type === 'conflict'
}

/** A map keeps the order in which its keys came. */
function forgetOldest(map: Map<string, unknown>, most: number): void {
  const [oldest] = map.size > most ? map.keys() : []
  if (oldest !== undefined) map.delete(oldest)
}
