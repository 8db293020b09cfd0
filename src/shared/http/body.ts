/**
 * Reads a request's body, bounded. One chunk, the usual case, is handed on as it came (Node copies
 * it out of the socket's buffer already); more are joined once.
 */

import type { IncomingMessage } from 'node:http'
import { ClusterError } from '../errors.ts'
import { REFUSED_BODY_BYTES_MAX } from '../limits.ts'

const EMPTY = Buffer.alloc(0)

/** Undefined error and body: the client went away before its body was whole. */
export type BodyDone = (error: ClusterError | undefined, body: Buffer | undefined) => void

/** Bytes a request announces; undefined: chunked, so that nobody knows. */
export function announcedBytes(request: IncomingMessage): number | undefined {
  const length = request.headers['content-length']
  if (length !== undefined) return Number(length)
  return request.headers['transfer-encoding'] === undefined ? 0 : undefined
}

/** Calls `done` exactly once: with the body, with `value-too-large`, or with neither. */
export function readBody(request: IncomingMessage, bytes_max: number, done: BodyDone): void {
  const announced = announcedBytes(request)
  if (announced === 0) {
    done(undefined, EMPTY)
    return
  }
  let first: Buffer | undefined
  let rest: Buffer[] | undefined
  let size = 0
  let over = false
  const finish = (error: ClusterError | undefined, body: Buffer | undefined): void => {
    if (over) return
    over = true
    done(error, body)
  }
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (over) {
      // What is left of a refused body is read and thrown away: a connection that is closed while
      // bytes come in is reset, and its client may never see why (RFC 9112 §9.6).
      if (size > REFUSED_BODY_BYTES_MAX) request.destroy()
    } else if (size > bytes_max) {
      first = undefined
      rest = undefined
      finish(tooLarge(bytes_max), undefined)
    } else if (first === undefined) first = chunk
    else if (rest === undefined) rest = [first, chunk]
    else rest.push(chunk)
  })
  request.on('end', () => {
    finish(undefined, rest === undefined ? (first ?? EMPTY) : Buffer.concat(rest, size))
  })
  request.on('error', () => finish(undefined, undefined))
  if (announced !== undefined && announced > bytes_max) finish(tooLarge(bytes_max), undefined)
}

function tooLarge(bytes_max: number): ClusterError {
  return new ClusterError('value-too-large', `a value has at most ${bytes_max} bytes`)
}
