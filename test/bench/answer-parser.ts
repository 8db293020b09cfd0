/**
 * As much of HTTP/1.1 as the load generator needs: where an answer ends (by Content-Length,
 * RFC 9112 §6.2, or by chunks, §7.1), and its status.
 */

const HEAD_END = Buffer.from('\r\n\r\n')
const LENGTH_NAMES = ['content-length: ', 'Content-Length: '].map((name) => Buffer.from(name))
const CHUNKED = Buffer.from('chunked\r\n')
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n')
const ONE = 0x31
const ZERO = 0x30

function numberAt(bytes: Buffer, start: number): number {
  let value = 0
  for (let at = start; ; at++) {
    const digit = (bytes[at] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return value
    value = value * 10 + digit
  }
}

/** The status; 0 if this is no answer. */
export function answerStatus(bytes: Buffer): number {
  // HTTP/1.1 200
  return bytes[5] === ONE ? numberAt(bytes, 9) : 0
}

/** Bytes of the whole answer that starts here; undefined: too little is known yet. */
export function answerLength(bytes: Buffer): number | undefined {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd === -1) return undefined
  const body = headEnd + HEAD_END.length
  for (const name of LENGTH_NAMES) {
    const at = bytes.indexOf(name)
    if (at !== -1 && at < headEnd) return body + numberAt(bytes, at + name.length)
  }
  const chunked = bytes.indexOf(CHUNKED)
  if (chunked === -1 || chunked > headEnd) return body
  const last = bytes.indexOf(LAST_CHUNK, headEnd)
  return last === -1 ? undefined : last + LAST_CHUNK.length
}
