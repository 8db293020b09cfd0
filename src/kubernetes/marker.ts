/**
 * The note outside the disks that this cluster was formed: a ConfigMap that the chart makes without
 * `data`, and that goes with the release. One that is not there says nothing about the past.
 */

import type { Marker, MarkerState } from '../database/replica/orchestrator.ts'
import type { Clock } from '../shared/clock.ts'
import { Latest } from './latest.ts'
import type { Objects } from './objects.ts'
import type { Standing } from './standing.ts'

export type MarkerOptions = {
  readonly objects: Objects
  /** undefined: there is none. */
  readonly name: string | undefined
  readonly standing: Standing
  readonly clock: Clock
}

/** What the ConfigMap's data say. */
export function markerOf(name: string, data: Readonly<Record<string, string>>): MarkerState {
  const { clusterId = '', history = '' } = data
  if (clusterId === '' && history === '') return { type: 'absent' }
  if (clusterId === '' || history === '') {
    const why = `the ConfigMap ${name} has only one of clusterId and history`
    return { type: 'unreadable', why }
  }
  return { type: 'present', marker: { clusterId, history } }
}

export class MarkerNote {
  readonly #options: MarkerOptions
  readonly #latest: Latest<MarkerState>

  constructor(options: MarkerOptions) {
    this.#options = options
    this.#latest = new Latest(() => this.#read(), options.clock)
  }

  async read(timeout_ms: number): Promise<MarkerState> {
    const state = await this.#latest.within(timeout_ms)
    return state ?? { type: 'unreadable', why: `no answer within ${timeout_ms} ms` }
  }

  /** Whether it is written. */
  async write({ clusterId, history }: Marker): Promise<boolean> {
    const { objects, name, standing } = this.#options
    if (name === undefined) return false
    const answer = await objects.patchConfigMap(name, { data: { clusterId, history } })
    return standing.note(`write the ConfigMap ${name}`, answer).type === 'ok'
  }

  async #read(): Promise<MarkerState> {
    const { objects, name, standing } = this.#options
    if (name === undefined) {
      return {
        type: 'unreadable',
        why: 'ORDINAL_MARKER names no ConfigMap (cluster.marker.enabled)',
      }
    }
    const answer = standing.note(`read the ConfigMap ${name}`, await objects.configMap(name))
    if (answer.type === 'ok') return markerOf(name, answer.object.data ?? {})
    if (answer.type !== 'absent') return { type: 'unreadable', why: answer.why }
    const why = `the ConfigMap ${name} is not there; the release makes it, without data`
    return { type: 'unreadable', why }
  }
}
