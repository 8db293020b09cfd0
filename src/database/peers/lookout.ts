/**
 * Asks discovery again and again: for new ordinals, and for one ordinal's address at each dial.
 *
 * A failed lookup is retried quickly at first (a denial may be cached for a while, DESIGN §7), then
 * with a growing pause. All who ask at one moment share one lookup.
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { DIAL_RETRY_MS_MAX, DIAL_RETRY_MS_MIN, DISCOVERY_REFRESH_MS } from '../../shared/limits.ts'
import type { Discovery, PeerAddress } from '../../shared/link.ts'
import type { PeerLog } from './log.ts'

export type LookoutOptions = {
  readonly discovery: Discovery
  readonly clock: Clock
  /** All ordinals that discovery names now. */
  readonly onFound: (ordinals: ReadonlySet<number>) => void
  readonly log?: PeerLog
}

/** Keeps looking for peers from `start` to `close`. */
export class Lookout {
  readonly #options: LookoutOptions
  #looking: Promise<readonly PeerAddress[]> | undefined
  #failures = 0
  #timer: Timer | undefined
  #closed = false

  constructor(options: LookoutOptions) {
    this.#options = options
  }

  start(): void {
    void this.#refresh()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** Looks up now; undefined: discovery does not know this ordinal, or cannot be asked. */
  async locate(ordinal: number): Promise<PeerAddress | undefined> {
    const found = await this.#lookup()
    return found?.find((address) => address.ordinal === ordinal)
  }

  async #lookup(): Promise<readonly PeerAddress[] | undefined> {
    this.#looking ??= this.#options.discovery.lookup().finally(() => {
      this.#looking = undefined
    })
    try {
      return await this.#looking
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      if (this.#failures === 0) this.#options.log?.info({ err: error }, 'no peers found')
      return undefined
    }
  }

  async #refresh(): Promise<void> {
    const found = await this.#lookup()
    if (this.#closed) return
    let delay_ms = DISCOVERY_REFRESH_MS
    if (found === undefined) {
      delay_ms = Math.min(DIAL_RETRY_MS_MAX, DIAL_RETRY_MS_MIN * 2 ** this.#failures)
      this.#failures = Math.min(this.#failures + 1, 16)
    } else {
      this.#failures = 0
      this.#options.onFound(new Set(found.map((address) => address.ordinal)))
      // Alone: the others are probably just starting.
      if (found.length < 2) delay_ms = DIAL_RETRY_MS_MAX / 4
    }
    this.#timer = this.#options.clock.after(delay_ms, () => void this.#refresh())
  }
}
