/**
 * Keys out of request targets, byte by byte as they were sent.
 *
 * The router's own decoding is not used: it works on characters, and a key may hold anything that
 * percent-encoding can say, slashes and dots included. The path is read raw from the request line
 * (Node gives its bytes as latin1), unescaped to bytes, and only then looked at as UTF-8. The
 * common key, plain ASCII without an escape, costs one scan.
 */

import { isUtf8 } from 'node:buffer'
import { ClusterError } from '../errors.ts'
import { KEY_BYTES_MAX } from '../limits.ts'

/** Room for a key with each byte escaped: what the router must let pass. */
export const KEY_PATH_CHARACTERS_MAX = 3 * KEY_BYTES_MAX + 128

export const KEY_PATH_PREFIX = '/v1/kv/'

const PERCENT = 0x25
const PLUS = 0x2b
const HASH = 0x23
const SPACE = 0x20

/** A key, as bytes for the state machine and as text for people. */
export type Key = { readonly bytes: Buffer; readonly text: string }

/** What comes before the path in absolute-form, which a server must take (RFC 9112 §3.2.2). */
const ORIGIN = /^https?:\/\/[^/?#]*/i

/** The key of a request to `/v1/kv/<key>`, by its raw target. Throws `invalid-key`. */
export function keyOfPath(target: string): Key {
  if (!target.startsWith(KEY_PATH_PREFIX)) {
    if (ORIGIN.test(target)) return keyOfPath(target.replace(ORIGIN, ''))
    throw new ClusterError('invalid-key', `the path must begin with ${KEY_PATH_PREFIX} unescaped`)
  }
  const question = target.indexOf('?')
  const raw = target.slice(KEY_PATH_PREFIX.length, question === -1 ? undefined : question)
  return keyOfBytes(unescapeBytes(raw, 'path'))
}

/** The key of a percent-encoded query value. Throws `invalid-key`. */
export function keyOfQuery(raw: string): Key {
  return keyOfBytes(unescapeBytes(raw, 'query'))
}

/** Checks a key's length and encoding. Throws `invalid-key`. */
export function keyOfBytes(bytes: Buffer): Key {
  if (bytes.length === 0) {
    throw new ClusterError('invalid-key', 'the key is empty; keys are listed at /v1/kv')
  }
  if (bytes.length > KEY_BYTES_MAX) {
    throw new ClusterError(
      'invalid-key',
      `the key has ${bytes.length} bytes; at most ${KEY_BYTES_MAX} are allowed`,
    )
  }
  if (!isUtf8(bytes)) throw new ClusterError('invalid-key', 'the key is not UTF-8')
  return { bytes, text: bytes.toString('utf8') }
}

/**
 * Bytes behind percent-encoding; in a query `+` is a space, as every form encoder writes it.
 * Throws `invalid-key` for an escape that is none.
 */
export function unescapeBytes(raw: string, where: 'path' | 'query'): Buffer {
  const bytes = Buffer.from(raw, 'latin1')
  if (!raw.includes('%') && !raw.includes('#') && (where === 'path' || !raw.includes('+'))) {
    return bytes
  }
  let end = 0
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at] as number
    if (byte === PERCENT) {
      const high = hexDigit(bytes[at + 1])
      const low = hexDigit(bytes[at + 2])
      if (high < 0 || low < 0) {
        throw new ClusterError(
          'invalid-key',
          'a % is not followed by two hex digits; escape it as %25',
        )
      }
      byte = high * 16 + low
      at += 2
    } else if (byte === HASH) {
      throw new ClusterError('invalid-key', 'a # must be escaped as %23')
    } else if (byte === PLUS && where === 'query') {
      byte = SPACE
    }
    bytes[end++] = byte
  }
  return bytes.subarray(0, end)
}

function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
