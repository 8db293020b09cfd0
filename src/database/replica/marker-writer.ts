/**
 * The note outside the disks that a cluster was formed (DESIGN §7): written by the leader once the
 * cluster has opened, that is when all N have stored its id, and tried again until it is there. A
 * new leader looks whether it is. Without it a total loss would start an empty cluster under the
 * old name; the store itself does not depend on it.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import type { CoreStatus } from '../consensus/types.ts'
import { type Marker, ORCHESTRATOR_TIMEOUT_MS, type Orchestrator } from './orchestrator.ts'

const LOOK_EVERY_MS = 500
/** Pauses after a failure, doubled up to the second. */
const RETRY_MS_MIN = 1000
const RETRY_MS_MAX = 30_000

export type MarkerWriterOptions = {
  readonly orchestrator: Orchestrator
  readonly clock: Clock
  readonly status: () => CoreStatus
  readonly onWritten: (marker: Marker) => void
}

export class MarkerWriter {
  readonly #options: MarkerWriterOptions
  /** Term in which it was seen or written, and what. */
  #settled = ''
  #failures = 0
  #timer: Timer | undefined
  #closed = false

  constructor(options: MarkerWriterOptions) {
    this.#options = options
  }

  start(): void {
    void this.#round()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** For people; undefined: nothing is wrong. */
  get note(): string | undefined {
    if (this.#failures === 0) return undefined
    return 'the marker could not be written yet: a loss of all disks would go unnoticed'
  }

  async #round(): Promise<void> {
    const wait_ms = await this.#write()
    if (this.#closed) return
    this.#timer = this.#options.clock.after(wait_ms, () => void this.#round())
  }

  async #write(): Promise<number> {
    const { orchestrator, status } = this.#options
    const now = status()
    const due = markerDue(now)
    const what = due === undefined ? '' : `${now.term} ${due.clusterId} ${due.history}`
    if (due === undefined || what === this.#settled) {
      this.#failures = 0
      return LOOK_EVERY_MS
    }
    const found = await orchestrator.readMarker(ORCHESTRATOR_TIMEOUT_MS)
    const there =
      found.type === 'present' &&
      found.marker.clusterId === due.clusterId &&
      found.marker.history === due.history
    const written = !there && found.type !== 'unreadable' && (await orchestrator.writeMarker(due))
    if (there || written) {
      this.#settled = what
      this.#failures = 0
      if (written) this.#options.onWritten(due)
      return LOOK_EVERY_MS
    }
    const wait_ms = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures)
    this.#failures = Math.min(this.#failures + 1, 16)
    return wait_ms
  }
}

/** What a leader has to note; undefined: it is not its turn. */
export function markerDue(status: CoreStatus): Marker | undefined {
  const { role, committedInTerm, membership, membershipIndex, commit } = status
  if (role !== 'leader' || !committedInTerm || membership?.opened !== true) return undefined
  if (membershipIndex > commit) return undefined
  return { clusterId: membership.clusterId, history: membership.history }
}
