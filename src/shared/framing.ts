/**
 * The socket behind a `Link`: frames of `u32 length of what follows | u8 type | body`, big-endian.
 *
 * Owns one Duplex. Three things are decided here, all for the hot path (DESIGN §12):
 *  - receiving: a frame that lies in one chunk is a slice of it; only one that spans chunks is
 *    copied, once, into a buffer of its size. Reading starts when `onFrame` is set, so that nothing
 *    is lost between the end of a handshake and the first handler.
 *  - sending: frames of one turn of the event loop leave in one write. Small parts are copied
 *    together, large ones go as they are (writev).
 *  - life: type 0 is a ping. Both ends send one when they have nothing else to say; who hears
 *    nothing for `LINK_SILENCE_MS_MAX` closes. A process that was itself paused starts to count
 *    anew, since what arrived meanwhile is still unread.
 */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { assert } from './assert.ts'
import { type Clock, systemClock, type Timer } from './clock.ts'
import { ClusterError } from './errors.ts'
import {
  FRAME_BYTES_MAX,
  LINK_LINGER_MS_MAX,
  LINK_PING_MS,
  LINK_QUEUE_BYTES_MAX,
  LINK_SILENCE_MS_MAX,
} from './limits.ts'
import type { FrameHandler, Link } from './link.ts'

const HEADER_BYTES = 5
const PING = 0
const PING_FRAME: Buffer = Buffer.from([0, 0, 0, 1, PING])
/** Parts up to this size are copied together; larger ones cost less as their own iovec. */
const COPY_BYTES_MAX = 2048
const SLAB_BYTES = 16 * 1024

export type FramedLinkOptions = {
  readonly clock?: Clock
  readonly queue_bytes?: number
  readonly ping_ms?: number
  readonly silence_ms?: number
}

/** A link over one socket, which it owns from here on. */
export class FramedLink implements Link {
  readonly #socket: Duplex
  readonly #clock: Clock
  readonly #queue_bytes: number
  readonly #ping_ms: number
  readonly #silence_ms: number

  #onFrame: FrameHandler | undefined
  #onClose: ((reason: Error | undefined) => void) | undefined
  #closed = false
  #told = false
  #reason: Error | undefined

  /** Chunks of this turn, then the part of the slab that is not among them yet. */
  #chunks: Uint8Array[] = []
  #chunkBytes = 0
  #slab: Buffer = Buffer.allocUnsafe(SLAB_BYTES)
  #slabFrom = 0
  #slabTo = 0
  #flushing = false

  /** A frame that began in an earlier chunk: its header, then its type and body. */
  readonly #header: Buffer = Buffer.allocUnsafe(4)
  #headerFilled = 0
  #frame: Buffer | undefined
  #frameFilled = 0

  #sent = false
  #heard = true
  #heard_ms: number
  #beat_ms: number
  #timer: Timer

  constructor(socket: Duplex, options: FramedLinkOptions = {}) {
    this.#socket = socket
    this.#clock = options.clock ?? systemClock
    this.#queue_bytes = options.queue_bytes ?? LINK_QUEUE_BYTES_MAX
    this.#ping_ms = options.ping_ms ?? LINK_PING_MS
    this.#silence_ms = options.silence_ms ?? LINK_SILENCE_MS_MAX
    if (socket instanceof Socket) {
      socket.setNoDelay(true)
      socket.setTimeout(0)
    }
    socket.on('error', (error) => this.#end(error))
    socket.on('end', () => this.#end(undefined))
    socket.on('close', () => this.#end(undefined))
    this.#heard_ms = this.#clock.now_ms()
    this.#beat_ms = this.#heard_ms
    this.#timer = this.#clock.after(this.#ping_ms, () => this.#beat())
  }

  get closed(): boolean {
    return this.#closed
  }

  get queuedBytes(): number {
    return this.#chunkBytes + (this.#slabTo - this.#slabFrom) + this.#socket.writableLength
  }

  get onFrame(): FrameHandler {
    assert(this.#onFrame !== undefined, 'a link has no handler of frames yet')
    return this.#onFrame
  }

  /** The first assignment starts reading. */
  set onFrame(handler: FrameHandler) {
    const first = this.#onFrame === undefined
    this.#onFrame = handler
    if (!first || this.#closed) return
    this.#heard = true
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    // Whoever made the handshake may have left the stream paused.
    this.#socket.resume()
  }

  get onClose(): (reason: Error | undefined) => void {
    assert(this.#onClose !== undefined, 'a link has no handler of its close yet')
    return this.#onClose
  }

  /** Called once, never from within `close()`; on the next tick if the link is closed already. */
  set onClose(handler: (reason: Error | undefined) => void) {
    this.#onClose = handler
    if (this.#closed) process.nextTick(() => this.#tell())
  }

  send(type: number, parts: readonly Uint8Array[]): boolean {
    let size = 1
    for (const part of parts) size += part.length
    assert(type > PING && type <= 0xff, `frame type ${type} is not 1 to 255`)
    assert(size <= FRAME_BYTES_MAX, `a frame of ${size} bytes is too large`)
    if (this.#closed || this.queuedBytes + 4 + size > this.#queue_bytes) return false
    const at = this.#reserve(HEADER_BYTES)
    this.#slab.writeUInt32BE(size, at)
    this.#slab[at + 4] = type
    for (const part of parts) this.#add(part)
    this.#wake()
    return true
  }

  close(): void {
    if (this.#closed) return
    this.#flush()
    this.#closed = true
    this.#timer.cancel()
    process.nextTick(() => this.#tell())
    // What is queued may still leave; what arrives is thrown away, lest a reset overtakes it.
    this.#socket.resume()
    this.#socket.end()
    const timer = this.#clock.after(LINK_LINGER_MS_MAX, () => this.#socket.destroy())
    this.#socket.once('close', () => timer.cancel())
  }

  /** The socket ended, or must. */
  #end(reason: Error | undefined): void {
    if (!this.#closed) {
      this.#closed = true
      this.#timer.cancel()
      this.#reason = reason
      this.#chunks = []
      process.nextTick(() => this.#tell())
    }
    this.#socket.destroy()
  }

  #tell(): void {
    if (this.#told || this.#onClose === undefined) return
    this.#told = true
    this.#onClose(this.#reason)
  }

  #reserve(bytes: number): number {
    if (this.#slab.length - this.#slabTo < bytes) {
      this.#cut()
      this.#slab = Buffer.allocUnsafe(SLAB_BYTES)
      this.#slabFrom = 0
      this.#slabTo = 0
    }
    const at = this.#slabTo
    this.#slabTo += bytes
    return at
  }

  #add(part: Uint8Array): void {
    if (part.length > COPY_BYTES_MAX) {
      this.#cut()
      this.#chunks.push(part)
      this.#chunkBytes += part.length
    } else if (part.length > 0) {
      const at = this.#reserve(part.length)
      this.#slab.set(part, at)
    }
  }

  /** Moves what the slab has gathered to the chunks. */
  #cut(): void {
    if (this.#slabTo === this.#slabFrom) return
    this.#chunks.push(this.#slab.subarray(this.#slabFrom, this.#slabTo))
    this.#chunkBytes += this.#slabTo - this.#slabFrom
    this.#slabFrom = this.#slabTo
  }

  /** One write a turn: setImmediate runs after all sockets of this turn were read. */
  #wake(): void {
    this.#sent = true
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    this.#cut()
    const chunks = this.#chunks
    if (chunks.length === 0 || this.#closed) return
    this.#chunks = []
    this.#chunkBytes = 0
    const socket = this.#socket
    if (chunks.length === 1) {
      socket.write(chunks[0] as Uint8Array)
      return
    }
    socket.cork()
    for (const chunk of chunks) socket.write(chunk)
    socket.uncork()
  }

  #beat(): void {
    const now_ms = this.#clock.now_ms()
    const paused = now_ms - this.#beat_ms > 2 * this.#ping_ms + 100
    this.#beat_ms = now_ms
    if (this.#heard || paused || this.#onFrame === undefined) this.#heard_ms = now_ms
    this.#heard = false
    if (now_ms - this.#heard_ms >= this.#silence_ms) {
      const silent_ms = Math.round(now_ms - this.#heard_ms)
      this.#end(new ClusterError('no-replica', `the other end was silent for ${silent_ms} ms`))
      return
    }
    if (!this.#sent && this.#socket.writableLength === 0) this.#socket.write(PING_FRAME)
    this.#sent = false
    this.#timer = this.#clock.after(this.#ping_ms, () => this.#beat())
  }

  #receive(chunk: Buffer): void {
    this.#heard = true
    if (this.#closed) return
    try {
      this.#parse(chunk)
    } catch (error) {
      // A damaged or hostile frame costs the link; a broken invariant costs the process.
      if (!(error instanceof ClusterError)) throw error
      this.#end(error)
    }
  }

  #parse(chunk: Buffer): void {
    const end = chunk.length
    let at = 0
    while (at < end && !this.#closed) {
      if (this.#frame !== undefined) {
        at = this.#fill(this.#frame, chunk, at)
        continue
      }
      if (this.#headerFilled > 0 || end - at < 4) {
        const taken = chunk.copy(this.#header, this.#headerFilled, at)
        this.#headerFilled += taken
        at += taken
        if (this.#headerFilled < 4) return
        this.#headerFilled = 0
        this.#frame = Buffer.allocUnsafe(checkedSize(this.#header.readUInt32BE(0)))
        continue
      }
      const size = checkedSize(chunk.readUInt32BE(at))
      at += 4
      if (size > end - at) {
        this.#frame = Buffer.allocUnsafe(size)
        continue
      }
      this.#deliver(chunk[at] as number, chunk.subarray(at + 1, at + size))
      at += size
    }
  }

  #fill(frame: Buffer, chunk: Buffer, at: number): number {
    const taken = chunk.copy(frame, this.#frameFilled, at)
    this.#frameFilled += taken
    if (this.#frameFilled === frame.length) {
      this.#frame = undefined
      this.#frameFilled = 0
      this.#deliver(frame[0] as number, frame.subarray(1))
    }
    return at + taken
  }

  #deliver(type: number, body: Buffer): void {
    if (type !== PING) this.onFrame(type, body)
  }
}

function checkedSize(size: number): number {
  if (size < 1 || size > FRAME_BYTES_MAX) {
    throw new ClusterError('malformed-frame', `a frame of ${size} bytes`)
  }
  return size
}
