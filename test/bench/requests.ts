/**
 * The bytes of the requests, made before any clock runs, so that a load generator only copies them.
 * One request is `head + key + tail`, with a key and a tail picked at random:
 *
 *     PUT /v1/kv/ │ bench-000042 │  HTTP/1.1 … 256 bytes            Ordinal, bare Fastify
 *     POST /v3/kv/put … {"key":" │ YmVuY2gtMDAwMDQy │ ","value":"…"} etcd's JSON gateway
 *
 * All are latin1 strings, one character a byte.
 */

import { randomBytes } from 'node:crypto'
import type { Operation } from './options.ts'

export const VALUE_BYTES = 256
/** Different values; more than one, so that no layer can profit from equal bytes. */
const VALUE_COUNT = 64

export type RequestSet = {
  readonly head: string
  readonly keys: readonly string[]
  readonly tails: readonly string[]
}

/** The same length for all keys, so that a content-length is a constant; a multiple of 3 bytes. */
function benchKey(number: number): string {
  return `bench-${String(number).padStart(6, '0')}`
}

function benchKeys(count: number): string[] {
  return Array.from({ length: count }, (_, number) => benchKey(number))
}

function randomValues(encoding: 'latin1' | 'base64'): string[] {
  return Array.from({ length: VALUE_COUNT }, () => randomBytes(VALUE_BYTES).toString(encoding))
}

/** Requests of Ordinal's own API. */
export function kvRequests(operation: Operation, keyCount: number): RequestSet {
  const keys = benchKeys(keyCount)
  if (operation === 'get') {
    return { head: 'GET /v1/kv/', keys, tails: [' HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'] }
  }
  const lines = [
    ' HTTP/1.1',
    'Host: 127.0.0.1',
    'Content-Type: application/octet-stream',
    `Content-Length: ${VALUE_BYTES}`,
  ]
  const headers = `${lines.join('\r\n')}\r\n\r\n`
  return { head: 'PUT /v1/kv/', keys, tails: randomValues('latin1').map((v) => headers + v) }
}

/** Requests of etcd's JSON gateway: keys and values are base64 in JSON. */
export function etcdRequests(operation: Operation, keyCount: number): RequestSet {
  const keys = benchKeys(keyCount).map((key) => Buffer.from(key).toString('base64'))
  const ends =
    operation === 'get' ? ['"}'] : randomValues('base64').map((value) => `","value":"${value}"}`)
  const start = '{"key":"'
  const length = start.length + (keys[0]?.length ?? 0) + (ends[0]?.length ?? 0)
  const lines = [
    `POST /v3/kv/${operation === 'get' ? 'range' : 'put'} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Content-Type: application/json',
    `Content-Length: ${length}`,
  ]
  return { head: `${lines.join('\r\n')}\r\n\r\n${start}`, keys, tails: ends }
}

/** The key and value that {@link RequestSet} number 0 of a put writes, for a check by hand. */
export function sample(): { readonly key: string; readonly value: Buffer } {
  return { key: benchKey(0), value: randomBytes(VALUE_BYTES) }
}
