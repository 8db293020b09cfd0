/** A link without sockets. */

import type { FrameHandler, Link } from '../../../src/shared/link.ts'

/** Both ends of a link in one process; frames arrive in a later turn, in order. */
export class FakeLink implements Link {
  onFrame: FrameHandler = () => undefined
  onClose: (reason: Error | undefined) => void = () => undefined
  other: FakeLink | undefined
  closed = false
  full = false
  readonly queuedBytes = 0

  send(type: number, parts: readonly Uint8Array[]): boolean {
    if (this.closed || this.full) return false
    const body = Buffer.concat(parts)
    setImmediate(() => {
      if (this.other?.closed === false) this.other.onFrame(type, body)
    })
    return true
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    const other = this.other
    setImmediate(() => {
      this.onClose(undefined)
      other?.close()
    })
  }
}

export function linkPair(): [FakeLink, FakeLink] {
  const near = new FakeLink()
  const far = new FakeLink()
  near.other = far
  far.other = near
  return [near, far]
}
