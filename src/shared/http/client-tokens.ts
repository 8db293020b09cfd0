/**
 * The tokens that clients show, `Authorization: Bearer <token>` (RFC 6750 §2.1): one on each line
 * of a file, all accepted, so that a new one can be handed out before the old one goes. The file is
 * looked at again at use, at most once a second; one that cannot be used leaves the last tokens in
 * force.
 *
 * A header that was accepted is remembered as it came, so that the usual request costs one look
 * into a set; only others are hashed and compared, with all tokens, in constant time. The set says
 * nothing by its time: it compares text only where a seeded hash of all of it is equal.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { type Clock, systemClock } from '../clock.ts'
import { ClusterError } from '../errors.ts'
import { stampOf } from '../file-stamp.ts'
import { CLIENT_TOKENS_MAX, SECRET_POLL_MS, TOKENS_BYTES_MAX } from '../limits.ts'

type Log = {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

export type ClientTokensOptions = {
  readonly file: string
  readonly clock?: Clock
  readonly log?: Log
}

/** The accepted tokens. The constructor throws `invalid-config` when the file holds none. */
export class ClientTokens {
  readonly #file: string
  readonly #clock: Clock
  readonly #log: Log | undefined
  #hashes: readonly Buffer[] = []
  #first = ''
  #stamp = ''
  #looked_ms: number
  #problem: string | undefined
  /** Headers accepted lately, as they came. */
  readonly #accepted = new Set<string>()

  constructor(options: ClientTokensOptions) {
    this.#file = options.file
    this.#clock = options.clock ?? systemClock
    this.#log = options.log
    this.#looked_ms = this.#clock.now_ms()
    try {
      this.#read()
    } catch (cause) {
      const message = `the token file ${this.#file} cannot be used: ${(cause as Error).message}`
      throw new ClusterError('invalid-config', message, { cause })
    }
  }

  /** The token to show where this process is the client: the first one in the file now. */
  get first(): string {
    if (this.#clock.now_ms() - this.#looked_ms >= SECRET_POLL_MS) this.#look()
    return this.#first
  }

  /** May whoever shows this `Authorization` header come in? */
  accepts(authorization: string | undefined): boolean {
    if (this.#clock.now_ms() - this.#looked_ms >= SECRET_POLL_MS) this.#look()
    if (authorization === undefined) return false
    return this.#accepted.has(authorization) || this.#compare(authorization)
  }

  #compare(authorization: string): boolean {
    const match = /^Bearer +(\S+) *$/i.exec(authorization)
    const given = hash(match?.[1] ?? '')
    let accepted = false
    for (const known of this.#hashes) if (timingSafeEqual(known, given)) accepted = true
    if (!accepted || match === null) return false
    // One token can be written in many ways, more or fewer spaces; nobody needs all of them.
    if (this.#accepted.size >= CLIENT_TOKENS_MAX) this.#accepted.clear()
    this.#accepted.add(authorization)
    return true
  }

  #look(): void {
    this.#looked_ms = this.#clock.now_ms()
    try {
      if (this.#read()) this.#log?.info({ tokens: this.#hashes.length }, 'client tokens reread')
      this.#problem = undefined
    } catch (error) {
      const { message } = error as Error
      if (this.#problem !== message) {
        this.#log?.warn({ err: error }, 'client tokens cannot be reread; the last ones stay')
      }
      this.#problem = message
    }
  }

  /** True if the file had changed. Leaves everything as it was when it throws. */
  #read(): boolean {
    const stamp = stampOf([this.#file])
    if (stamp === this.#stamp) return false
    const { size } = statSync(this.#file)
    if (size > TOKENS_BYTES_MAX) throw new Error(`it has more than ${TOKENS_BYTES_MAX} bytes`)
    const lines = readFileSync(this.#file, 'utf8').split(/\r?\n/)
    const tokens = lines.map((line) => line.trim()).filter((line) => line !== '')
    const [first] = tokens
    if (first === undefined) throw new Error('it holds no token')
    if (tokens.length > CLIENT_TOKENS_MAX) {
      throw new Error(`it holds more than ${CLIENT_TOKENS_MAX} tokens`)
    }
    if (!tokens.every((token) => /^[\x21-\x7e]+$/.test(token))) {
      throw new Error('a token is printable ASCII without spaces, one on each line')
    }
    this.#hashes = tokens.map(hash)
    this.#first = first
    this.#stamp = stamp
    this.#accepted.clear()
    return true
  }
}

/** Hashing first gives equal lengths, which a comparison in constant time needs. */
function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
