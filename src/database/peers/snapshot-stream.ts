/**
 * A snapshot on the wire: `POST /peer/v1/snapshot`, body `u32 length | head | (u32 length | chunk)*
 * | u32 0`, so that the receiver gets the chunks as they were cut and knows the last one.
 *
 * Back-pressure is the socket's: the sender reads its disk only as fast as the receiver writes its
 * own. A stream that moves nothing for `SNAPSHOT_STALL_MS_MAX` is given up at either end. The
 * answer comes when the receiver has stored and checked everything.
 */

import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { Client } from 'undici'
import { type Clock, systemClock, type Timer } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import {
  FRAME_BYTES_MAX,
  PROBLEM_BYTES_MAX,
  SNAPSHOT_ANSWER_MS_MAX,
  SNAPSHOT_STALL_MS_MAX,
} from '../../shared/limits.ts'
import { decodeSnapshotHead, encodeSnapshotHead, type SnapshotHead } from './hello-codec.ts'
import { errorFrom, SNAPSHOT_PATH } from './identity.ts'

export type SnapshotLimits = {
  readonly stall_ms?: number
  readonly answer_ms?: number
  readonly clock?: Clock
}

export type SnapshotRequest = SnapshotLimits & {
  readonly origin: string
  /** How to connect there. */
  readonly options: Client.Options
  readonly headers: Readonly<Record<string, string>>
  readonly head: SnapshotHead
  readonly chunks: AsyncIterable<Uint8Array>
  /** Ends the stream from outside. */
  readonly signal: AbortSignal
}

/**
 * Streams a snapshot. Resolves when it is stored there; rejects with the receiver's refusal,
 * `no-replica` (broke) or `deadline-exceeded` (stalled).
 */
export async function postSnapshot(request: SnapshotRequest): Promise<void> {
  const aborter = new AbortController()
  const stop = (): void => aborter.abort(request.signal.reason)
  request.signal.addEventListener('abort', stop)
  if (request.signal.aborted) stop()
  const watch = new StallWatch(request, () => {
    aborter.abort(new ClusterError('deadline-exceeded', 'the snapshot stream stalled'))
  })
  const { origin, options } = request
  const quiet = { headersTimeout: 0, bodyTimeout: 0, allowH2: false }
  const client = new Client(origin, { ...options, ...quiet })
  try {
    const answer = await client.request({
      path: SNAPSHOT_PATH,
      method: 'POST',
      headers: { ...request.headers, 'content-type': 'application/octet-stream' },
      body: Readable.from(framed(request, watch)),
      signal: aborter.signal,
    })
    const text = await bodyOf(answer.body)
    if (answer.statusCode !== 200) throw errorFrom(answer.statusCode, text)
  } catch (cause) {
    if (cause instanceof ClusterError) throw cause
    // What the source itself threw must not look like the network.
    if (watch.sourceError !== undefined) throw watch.sourceError
    const { message } = cause as Error
    throw new ClusterError('no-replica', `the snapshot stream broke: ${message}`, { cause })
  } finally {
    watch.stop()
    request.signal.removeEventListener('abort', stop)
    await client.destroy()
  }
}

/** Aborts when nothing moved for too long. */
class StallWatch {
  readonly #clock: Clock
  readonly #stall_ms: number
  readonly #answer_ms: number
  readonly #onStall: () => void
  #timer: Timer | undefined
  sourceError: unknown

  constructor(limits: SnapshotLimits, onStall: () => void) {
    this.#clock = limits.clock ?? systemClock
    this.#stall_ms = limits.stall_ms ?? SNAPSHOT_STALL_MS_MAX
    this.#answer_ms = limits.answer_ms ?? SNAPSHOT_ANSWER_MS_MAX
    this.#onStall = onStall
    this.moved()
  }

  moved(): void {
    this.#restart(this.#stall_ms)
  }

  awaitAnswer(): void {
    this.#restart(this.#answer_ms)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #restart(delay_ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(delay_ms, this.#onStall)
  }
}

async function* framed(request: SnapshotRequest, watch: StallWatch): AsyncGenerator<Uint8Array> {
  const head = encodeSnapshotHead(request.head)
  yield length(head.length)
  yield head
  try {
    for await (const chunk of request.chunks) {
      if (chunk.length === 0) continue
      watch.moved()
      yield length(chunk.length)
      yield chunk
    }
  } catch (error) {
    watch.sourceError = error
    throw error
  }
  yield length(0)
  watch.awaitAnswer()
}

function length(bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(4)
  buffer.writeUInt32BE(bytes, 0)
  return buffer
}

async function bodyOf(body: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of body) {
    text += chunk.toString('utf8')
    if (text.length > PROBLEM_BYTES_MAX) throw new Error('the answer is too long')
  }
  return text
}

/** Reads the head, then gives the chunks one by one. Throws `malformed-frame`. */
export async function readSnapshot(
  body: IncomingMessage,
  limits: SnapshotLimits,
): Promise<{ head: SnapshotHead; chunks: AsyncGenerator<Uint8Array> }> {
  const frames = framesOf(body, limits)
  const first = await frames.next()
  if (first.done === true) throw new ClusterError('malformed-frame', 'a snapshot without a head')
  return { head: decodeSnapshotHead(first.value), chunks: frames }
}

async function* framesOf(body: IncomingMessage, limits: SnapshotLimits): AsyncGenerator<Buffer> {
  let buffered: Buffer[] = []
  let buffered_bytes = 0
  let wanted = -1
  for await (const chunk of withStall(body, limits)) {
    buffered.push(chunk)
    buffered_bytes += chunk.length
    while (buffered_bytes >= (wanted < 0 ? 4 : wanted)) {
      const all: Buffer = buffered.length === 1 ? (buffered[0] as Buffer) : Buffer.concat(buffered)
      const taken = wanted < 0 ? 4 : wanted
      buffered = all.length === taken ? [] : [all.subarray(taken)]
      buffered_bytes = all.length - taken
      if (wanted >= 0) {
        wanted = -1
        yield all.subarray(0, taken)
        continue
      }
      wanted = all.readUInt32BE(0)
      if (wanted === 0) return
      if (wanted > FRAME_BYTES_MAX) {
        throw new ClusterError('malformed-frame', `a snapshot chunk of ${wanted} bytes`)
      }
    }
  }
  throw new ClusterError('malformed-frame', 'the snapshot stream ended early')
}

/** The body's chunks; while one is waited for, silence is counted. */
async function* withStall(body: IncomingMessage, limits: SnapshotLimits): AsyncGenerator<Buffer> {
  const clock = limits.clock ?? systemClock
  const stall_ms = limits.stall_ms ?? SNAPSHOT_STALL_MS_MAX
  const iterator = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
  try {
    while (true) {
      const timer = clock.after(stall_ms, () => {
        body.destroy(new Error(`nothing arrived for ${stall_ms} ms`))
      })
      const next = await iterator.next().finally(() => timer.cancel())
      if (next.done === true) return
      yield next.value
    }
  } catch (cause) {
    const message = `the snapshot stream broke: ${(cause as Error).message}`
    throw new ClusterError('malformed-frame', message, { cause })
  } finally {
    await iterator.return?.()
  }
}
