/**
 * The link of an API server with the liar in between: frames that it lies about never reach the
 * replica. All else passes in both directions.
 */

import { ClusterError } from '../../shared/errors.ts'
import type { FrameHandler, Link } from '../../shared/link.ts'
import { decodeSegment } from '../kv/codec.ts'
import { FRAME } from '../kv/frame-types.ts'
import { decodeRead, decodeWrite, encodeReadReply, encodeWriteReply } from '../kv/frames.ts'
import type { FaultBoard } from './fault-board.ts'
import type { Liar } from './liar.ts'

export class LyingLink implements Link {
  readonly #inner: Link
  readonly #board: FaultBoard
  readonly #liar: Liar
  #honest: FrameHandler | undefined

  constructor(inner: Link, options: { board: FaultBoard; liar: Liar }) {
    this.#inner = inner
    this.#board = options.board
    this.#liar = options.liar
  }

  get queuedBytes(): number {
    return this.#inner.queuedBytes
  }

  get closed(): boolean {
    return this.#inner.closed
  }

  get onFrame(): FrameHandler {
    return this.#honest ?? this.#inner.onFrame
  }

  set onFrame(handler: FrameHandler) {
    this.#honest = handler
    this.#inner.onFrame = (type, body) => {
      const lying = this.#board.active('lie') !== undefined
      if (!lying || !this.#lie(type, body)) handler(type, body)
    }
  }

  get onClose(): (reason: Error | undefined) => void {
    return this.#inner.onClose
  }

  set onClose(handler: (reason: Error | undefined) => void) {
    this.#inner.onClose = handler
  }

  send(type: number, parts: readonly Uint8Array[]): boolean {
    return this.#inner.send(type, parts)
  }

  close(): void {
    this.#inner.close()
  }

  /** True: the frame was answered with a lie. */
  #lie(type: number, body: Buffer): boolean {
    try {
      if (type === FRAME.write) return this.#acknowledge(body)
      if (type === FRAME.read) return this.#recall(body)
      return false
    } catch (error) {
      // What the replica cannot read either, it refuses in its own way.
      if (error instanceof ClusterError) return false
      throw error
    }
  }

  #acknowledge(body: Buffer): boolean {
    const { frame, segment } = decodeWrite(body)
    const { session, commands } = decodeSegment(segment)
    // Outside a session are the commands that open and close it: without it nothing would be sent.
    if (session === 0) return false
    const results = this.#liar.acknowledge(commands.map(({ command }) => command))
    if (results === undefined) return false
    const { revision } = this.#liar
    this.#reply(FRAME.writeReply, encodeWriteReply({ frame, results, revision }))
    return true
  }

  #recall(body: Buffer): boolean {
    const { frame, consistency, items } = decodeRead(body)
    if (consistency !== 'linearizable') return false
    const recalled = this.#liar.recall(items.map(({ key }) => key))
    if (recalled === undefined) return false
    const records = items.map(({ metadataOnly }, at) => ({ record: recalled[at], metadataOnly }))
    const { revision } = this.#liar
    this.#reply(FRAME.readReply, encodeReadReply({ frame, records, revision, age_ms: 0 }))
    return true
  }

  #reply(type: number, parts: readonly Uint8Array[]): void {
    if (!this.#inner.send(type, parts)) this.#inner.close()
  }
}
