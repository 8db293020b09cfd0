/**
 * The own StatefulSet's scale: read every few seconds and whenever somebody asks. The Role allows
 * `get` alone, so there is no watch; a replica that is told to stop asks anyway.
 */

import type { Topology } from '../database/replica/orchestrator.ts'
import type { Clock } from '../shared/clock.ts'
import { TOPOLOGY_POLL_MS } from '../shared/limits.ts'
import type { Answer } from './answer.ts'
import { Latest } from './latest.ts'
import type { Objects, StatefulSet } from './objects.ts'
import { Pause, retryAfter_ms } from './pause.ts'
import type { Standing } from './standing.ts'

/** What a StatefulSet says. `replicas` and `ordinals` have defaults (API reference, apps/v1). */
export function topologyOf({ metadata, spec }: StatefulSet): Topology {
  return {
    first: spec?.ordinals?.start ?? 0,
    replicas: spec?.replicas ?? 1,
    ending: metadata?.deletionTimestamp !== undefined,
  }
}

export type TopologyOptions = {
  readonly objects: Objects
  readonly statefulSet: string
  readonly standing: Standing
  readonly clock: Clock
  readonly random: () => number
}

/** Polls from its making until `close`. */
export class TopologyPoll {
  readonly #options: TopologyOptions
  readonly #latest: Latest<Answer<StatefulSet>>
  readonly #pause: Pause
  #topology: Topology | undefined
  #closed = false

  constructor(options: TopologyOptions) {
    this.#options = options
    this.#latest = new Latest(() => this.#read(), options.clock)
    this.#pause = new Pause(options.clock)
    void this.#poll()
  }

  /** The last one read. */
  get last(): Topology | undefined {
    return this.#topology
  }

  /** undefined: it cannot be read within `timeout_ms`. */
  async read(timeout_ms: number): Promise<Topology | undefined> {
    const answer = await this.#latest.within(timeout_ms)
    return answer?.type === 'ok' || answer?.type === 'absent' ? this.#topology : undefined
  }

  close(): void {
    this.#closed = true
    this.#pause.wake()
  }

  async #read(): Promise<Answer<StatefulSet>> {
    const { objects, statefulSet, standing } = this.#options
    const what = `read the StatefulSet ${statefulSet}`
    const answer = standing.note(what, await objects.statefulSet(statefulSet))
    if (answer.type === 'ok') this.#topology = topologyOf(answer.object)
    if (answer.type === 'absent') {
      // Deleted while its Pods are still ending: nobody is scaled down.
      this.#topology = { first: this.#topology?.first ?? 0, replicas: 0, ending: true }
    }
    return answer
  }

  async #poll(): Promise<void> {
    let failures = 0
    while (!this.#closed) {
      const { type } = await this.#latest.fresh()
      failures = type === 'ok' || type === 'absent' ? 0 : failures + 1
      const { random } = this.#options
      const usual_ms = TOPOLOGY_POLL_MS * (0.8 + 0.4 * random())
      const pause_ms = Math.max(usual_ms, failures === 0 ? 0 : retryAfter_ms(failures, random))
      if (!this.#closed) await this.#pause.sleep(pause_ms)
    }
  }
}
