/**
 * A snapshot on its way over the simulated network, chunk by chunk: the next one leaves when the
 * receiver has taken the last (back-pressure), and a stream that stands still is given up at both
 * ends, as `peers/snapshot-stream.ts` does it.
 */

import { decodeSnapshotHead, encodeSnapshotHead } from '../../src/database/peers/hello-codec.ts'
import type { SnapshotPost } from '../../src/database/peers/wire.ts'
import type { Timer } from '../../src/shared/clock.ts'
import { ClusterError } from '../../src/shared/errors.ts'
import { SNAPSHOT_ANSWER_MS_MAX, SNAPSHOT_STALL_MS_MAX } from '../../src/shared/limits.ts'
import type { LinkIdentity } from '../../src/shared/link.ts'
import type { Endpoint, Listener, Network } from './network.ts'

export class SnapshotStream {
  readonly #network: Network
  readonly #sender: Endpoint
  readonly #receiver: Listener
  readonly #post: SnapshotPost
  /** Ends the sender's wait: the answer, an acknowledged chunk, or a failure. */
  #failed: (error: Error) => void = () => undefined
  #failure: Error | undefined
  #timer: Timer | undefined
  /** Chunks that arrived and were not read. */
  readonly #arrived: (Buffer | 'end')[] = []
  #wake: (() => void) | undefined
  #broken = false

  constructor(
    network: Network,
    ends: { sender: Endpoint; receiver: Listener },
    post: SnapshotPost,
  ) {
    this.#network = network
    this.#sender = ends.sender
    this.#receiver = ends.receiver
    this.#post = post
  }

  /** The sender's side. */
  async run(own: LinkIdentity, target: string): Promise<void> {
    const { signal, chunks } = this.#post
    const abort = () => this.#fail(signal.reason as Error)
    signal.addEventListener('abort', abort)
    try {
      if (signal.aborted) abort()
      const answered = this.#await<void>((resolve) => this.#begin(own, target, resolve))
      // Awaited below, once all chunks are there; it may fail before.
      answered.catch(() => undefined)
      for await (const chunk of chunks) {
        this.#watch(SNAPSHOT_STALL_MS_MAX)
        await Promise.race([answered, this.#push(Buffer.from(chunk))])
        if (this.#failure !== undefined) throw this.#failure
      }
      void this.#push('end').catch(() => undefined)
      this.#watch(SNAPSHOT_ANSWER_MS_MAX)
      await answered
    } catch (error) {
      this.#breakOff()
      throw error
    } finally {
      this.#timer?.cancel()
      signal.removeEventListener('abort', abort)
    }
  }

  /** A promise that also ends when the stream fails. */
  #await<T>(begin: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const before = this.#failed
      this.#failed = (error) => {
        before(error)
        reject(error)
      }
      if (this.#failure !== undefined) reject(this.#failure)
      else begin(resolve)
    })
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#failed(error)
  }

  #watch(stall_ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#sender.process.clock.after(stall_ms, () => {
      this.#fail(new ClusterError('deadline-exceeded', 'the snapshot stream stalled'))
    })
  }

  #begin(own: LinkIdentity, target: string, resolve: () => void): void {
    this.#network.carry(this.#sender, this.#receiver, () => {
      const answer = (error: unknown) => {
        if (!this.#receiver.process.effect()) return
        this.#network.carry(this.#receiver, this.#sender, () => {
          if (error === undefined) resolve()
          else this.#fail(error instanceof ClusterError ? error : new ClusterError('internal', ''))
        })
      }
      try {
        this.#receiver.admit(own, target)
        const head = decodeSnapshotHead(encodeSnapshotHead(this.#post.head))
        const read = async () => ({ head, chunks: this.#chunks() })
        this.#receiver.onSnapshot(read, own).then(() => answer(undefined), answer)
      } catch (error) {
        answer(error)
      }
    })
  }

  #push(chunk: Buffer | 'end'): Promise<void> {
    return this.#await((resolve) => {
      if (!this.#sender.process.effect()) return
      this.#network.carry(this.#sender, this.#receiver, () => {
        this.#arrived.push(chunk)
        this.#wake?.()
        this.#network.carry(this.#receiver, this.#sender, resolve)
      })
    })
  }

  #breakOff(): void {
    this.#network.carry(this.#sender, this.#receiver, () => {
      this.#broken = true
      this.#wake?.()
    })
  }

  /** The receiver's side. */
  async *#chunks(): AsyncGenerator<Uint8Array> {
    const { clock } = this.#receiver.process
    for (;;) {
      if (this.#arrived.length === 0 && !this.#broken) {
        const timer = clock.after(SNAPSHOT_STALL_MS_MAX, () => {
          this.#broken = true
          this.#wake?.()
        })
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        timer.cancel()
      }
      if (this.#broken) throw new ClusterError('malformed-frame', 'the snapshot stream broke')
      const next = this.#arrived.shift()
      if (next === 'end') return
      if (next !== undefined) yield next
    }
  }
}
