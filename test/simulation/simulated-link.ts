/**
 * One end of a simulated link. It behaves as `shared/framing.ts` does on a socket: ordered frames,
 * a bounded queue, an end that the other side hears of in order, and silence after which it is
 * given up. Pings are not sent as frames: a beat asks whether one would have arrived.
 */

import { assert } from '../../src/shared/assert.ts'
import type { Timer } from '../../src/shared/clock.ts'
import { ClusterError } from '../../src/shared/errors.ts'
import {
  FRAME_BYTES_MAX,
  LINK_PING_MS,
  LINK_QUEUE_BYTES_MAX,
  LINK_SILENCE_MS_MAX,
} from '../../src/shared/limits.ts'
import type { FrameHandler, Link } from '../../src/shared/link.ts'
import type { Network } from './network.ts'
import type { SimulatedProcess } from './process.ts'

type Frame = { readonly type: number; readonly body: Buffer }

/** Frames that arrive within this time arrive in one read. */
const READ_MS = 0.25
/** TCP sends again after this long, once a partition is over. */
const RETRANSMIT_MS = 400
/** A held message comes at least this late. */
const LATE_MS_MIN = 5

export type LinkOptions = {
  readonly process: SimulatedProcess
  readonly place: string
  /** Types of frames that may be dropped, come twice or late. */
  readonly lossy: ReadonlySet<number>
  /** Types that may come late, but never twice: a frame that was answered is over. */
  readonly late: ReadonlySet<number>
}

export class SimulatedLink implements Link {
  readonly process: SimulatedProcess
  readonly place: string
  readonly #network: Network
  readonly #options: LinkOptions
  #other!: SimulatedLink
  #onFrame: FrameHandler | undefined
  #onClose: ((reason: Error | undefined) => void) | undefined
  #closed = false
  #told = false
  #reason: Error | undefined
  /** Sent, and held up by a partition. */
  #held: (Frame | 'end')[] = []
  #held_bytes = 0
  /** The read that the next frame may join. */
  #read: { at_ms: number; frames: (Frame | 'end')[] } | undefined
  #arrival_ms = 0
  /** Arrived before anybody listened. */
  #early: Frame[] = []
  #heard = true
  #heard_ms: number
  #beat_ms: number
  #timer: Timer

  constructor(network: Network, options: LinkOptions) {
    this.#network = network
    this.#options = options
    this.process = options.process
    this.place = options.place
    this.#heard_ms = this.process.clock.now_ms()
    this.#beat_ms = this.#heard_ms
    this.#timer = this.process.clock.after(LINK_PING_MS, () => this.#beat())
  }

  join(other: SimulatedLink): void {
    this.#other = other
  }

  get otherPlace(): string {
    return this.#other.place
  }

  get closed(): boolean {
    return this.#closed
  }

  get queuedBytes(): number {
    return this.#held_bytes
  }

  get onFrame(): FrameHandler {
    assert(this.#onFrame !== undefined, 'a link has no handler of frames yet')
    return this.#onFrame
  }

  set onFrame(handler: FrameHandler) {
    const first = this.#onFrame === undefined
    this.#onFrame = handler
    if (!first || this.#early.length === 0) return
    this.#network.scheduler.after(0, this.process, () => {
      for (const frame of this.#early.splice(0)) this.#deliver(frame)
    })
  }

  get onClose(): (reason: Error | undefined) => void {
    assert(this.#onClose !== undefined, 'a link has no handler of its close yet')
    return this.#onClose
  }

  set onClose(handler: (reason: Error | undefined) => void) {
    this.#onClose = handler
    if (this.#closed) this.#tellSoon()
  }

  send(type: number, parts: readonly Uint8Array[]): boolean {
    let size = 5
    for (const part of parts) size += part.length
    assert(size - 4 <= FRAME_BYTES_MAX, `a frame of ${size} bytes is too large`)
    if (!this.process.effect()) return true
    if (this.#closed || this.#held_bytes + size > LINK_QUEUE_BYTES_MAX) return false
    this.#transmit({ type, body: Buffer.concat(parts) })
    return true
  }

  close(): void {
    if (this.#closed) return
    if (this.process.effect()) this.#sendInOrder('end')
    this.#shut(undefined)
  }

  /** What was held up goes on its way. */
  release(): void {
    if (this.#held.length === 0) return
    const held = this.#held
    this.#held = []
    this.#held_bytes = 0
    const { scheduler, chance } = this.#network
    this.#arrival_ms = Math.max(
      this.#arrival_ms,
      scheduler.now_ms + chance.random() * RETRANSMIT_MS,
    )
    for (const frame of held) this.#sendInOrder(frame)
  }

  /** The link breaks for both; what is on its way is lost. */
  breakBoth(): void {
    for (const link of [this, this.#other]) {
      link.#held = []
      if (link.#read !== undefined) link.#read.frames.length = 0
      link.#read = undefined
      const { scheduler } = this.#network
      scheduler.after(this.#network.delay_ms(), link.process, () => {
        link.#end(new ClusterError('no-replica', 'connection reset'))
      })
    }
  }

  /** The process at this end is gone and its machine says so. */
  hangUp(): void {
    this.#held = []
    this.#sendInOrder('end')
  }

  #transmit(frame: Frame): void {
    const { chance, options, counters } = this.#network
    const { lossy, late } = this.#options
    counters.frames += 1
    if (lossy.has(frame.type)) {
      if (chance.happens(options.drop)) {
        counters.dropped += 1
        return
      }
      if (chance.happens(options.late)) {
        counters.late += 1
        this.#sendLate(frame)
        return
      }
      if (chance.happens(options.twice)) {
        counters.twice += 1
        this.#sendLate(frame)
      }
    } else if (late.has(frame.type) && chance.happens(options.apiLate)) {
      counters.late += 1
      this.#sendLate(frame)
      return
    }
    this.#sendInOrder(frame)
  }

  /** Out of order, perhaps much later, whether or not the link is still there. */
  #sendLate(frame: Frame): void {
    const { scheduler, chance, options } = this.#network
    const other = this.#other
    const wait_ms = chance.magnitude(LATE_MS_MIN, options.held_ms)
    scheduler.after(wait_ms, other.process, () => other.#deliver(frame))
  }

  #sendInOrder(frame: Frame | 'end'): void {
    const { scheduler, counters } = this.#network
    const other = this.#other
    if (this.#network.isBlocked(this.place, other.place) || this.#held.length > 0) {
      counters.held += 1
      this.#held.push(frame)
      if (frame !== 'end') this.#held_bytes += frame.body.length + 5
      return
    }
    const at_ms = Math.max(scheduler.now_ms + this.#network.delay_ms(), this.#arrival_ms)
    const read = this.#read
    if (read !== undefined && at_ms - read.at_ms < READ_MS) {
      read.frames.push(frame)
      return
    }
    const next = { at_ms, frames: [frame] }
    this.#read = next
    this.#arrival_ms = at_ms
    scheduler.at(at_ms, other.process, () => {
      if (this.#read === next) this.#read = undefined
      for (const one of next.frames) other.#arrive(one)
    })
  }

  #arrive(frame: Frame | 'end'): void {
    this.#heard = true
    if (this.#closed) return
    if (frame === 'end') this.#end(undefined)
    else this.#deliver(frame)
  }

  #deliver(frame: Frame): void {
    if (this.#onFrame === undefined) {
      this.#early.push(frame)
      return
    }
    this.#network.onArrival(this, frame.type, frame.body)
    try {
      this.#onFrame(frame.type, frame.body)
    } catch (error) {
      // A damaged frame costs the link; a broken invariant costs the process.
      if (!(error instanceof ClusterError)) throw error
      this.#end(error)
    }
  }

  /** The stream ended, or must. */
  #end(reason: Error | undefined): void {
    if (this.#closed) return
    this.#reason = reason
    if (this.process.effect()) this.#sendInOrder('end')
    this.#shut(reason)
  }

  #shut(reason: Error | undefined): void {
    this.#closed = true
    this.#reason = reason
    this.#timer.cancel()
    this.#tellSoon()
  }

  #tellSoon(): void {
    this.#network.scheduler.after(0, this.process, () => {
      if (this.#held.length === 0) this.#network.forget(this)
      if (this.#told || this.#onClose === undefined) return
      this.#told = true
      this.#onClose(this.#reason)
    })
  }

  #beat(): void {
    if (this.#closed) return
    const now_ms = this.process.clock.now_ms()
    const paused = now_ms - this.#beat_ms > 2 * LINK_PING_MS + 100
    this.#beat_ms = now_ms
    const other = this.#other
    const open = !this.#network.isBlocked(other.place, this.place)
    // Where the other process is gone without a word, its machine answers with a reset by now.
    if (open && (!other.process.alive || other.#closed)) {
      this.#end(new ClusterError('no-replica', 'connection reset'))
      return
    }
    const pinged = open && other.process.running
    if (this.#heard || pinged || paused || this.#onFrame === undefined) this.#heard_ms = now_ms
    this.#heard = false
    if (now_ms - this.#heard_ms >= LINK_SILENCE_MS_MAX) {
      const silent_ms = Math.round(now_ms - this.#heard_ms)
      this.#end(new ClusterError('no-replica', `the other end was silent for ${silent_ms} ms`))
      return
    }
    this.#timer = this.process.clock.after(LINK_PING_MS, () => this.#beat())
  }
}
