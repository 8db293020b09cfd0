/**
 * The secret that replicas and API servers of one cluster share.
 *
 * It lives in a file: the first line is the present secret, the second the previous one. Both are
 * accepted, so that a secret can be changed while files arrive at different times (CHART, pitfall
 * 4); a dialer tries the present one first. The file is looked at again at use, at most once a
 * second. A file that cannot be read later on leaves what was read before in force.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { ClusterError } from '../../shared/errors.ts'
import { stampOf } from '../../shared/file-stamp.ts'
import { SECRET_BYTES_MAX, SECRET_POLL_MS } from '../../shared/limits.ts'
import type { PeerLog } from './log.ts'

export type PeerSecretOptions = {
  /** undefined: no secret, every peer is let in; said once. */
  readonly file: string | undefined
  readonly clock?: Clock
  readonly log?: PeerLog
}

/** The shared secret. The constructor throws `invalid-config` when the named file has none. */
export class PeerSecret {
  readonly #file: string | undefined
  readonly #clock: Clock
  readonly #log: PeerLog | undefined
  #secrets: readonly string[] = []
  #hashes: readonly Buffer[] = []
  #stamp = ''
  #looked_ms: number

  constructor(options: PeerSecretOptions) {
    this.#file = options.file
    this.#clock = options.clock ?? systemClock
    this.#log = options.log
    this.#looked_ms = this.#clock.now_ms()
    if (this.#file === undefined) {
      this.#log?.warn({}, 'peers need no secret: whoever reaches the peer port is let in')
      return
    }
    try {
      this.#read(this.#file)
    } catch (cause) {
      const message = `the secret file ${this.#file} cannot be used: ${(cause as Error).message}`
      throw new ClusterError('invalid-config', message, { cause })
    }
  }

  /** Must who comes show one? */
  get required(): boolean {
    return this.#file !== undefined
  }

  /** Secrets to dial with, the present one first; empty when there is none. */
  candidates(): readonly string[] {
    this.#refresh()
    return this.#secrets
  }

  /** May whoever shows this `Authorization` header come in? Compared in constant time. */
  accepts(authorization: string | undefined): boolean {
    this.#refresh()
    if (this.#file === undefined) return true
    const match = /^Bearer (.+)$/i.exec(authorization ?? '')
    const given = hash(match?.[1] ?? '')
    let accepted = false
    for (const known of this.#hashes) if (timingSafeEqual(known, given)) accepted = true
    return accepted && match !== null
  }

  #refresh(): void {
    const file = this.#file
    const now_ms = this.#clock.now_ms()
    if (file === undefined || now_ms - this.#looked_ms < SECRET_POLL_MS) return
    this.#looked_ms = now_ms
    try {
      if (this.#read(file)) this.#log?.info({}, 'peer secret reread')
    } catch (error) {
      // A file in the midst of being replaced: the next look finds it.
      this.#log?.warn({ err: error }, 'peer secret cannot be reread; the last one stays in force')
    }
  }

  /** True if the file had changed. Leaves everything as it was when it throws. */
  #read(file: string): boolean {
    const stamp = stampOf([file])
    if (stamp === this.#stamp) return false
    const { size } = statSync(file)
    if (size > SECRET_BYTES_MAX) throw new Error(`it has more than ${SECRET_BYTES_MAX} bytes`)
    const lines = readFileSync(file, 'utf8').split(/\r?\n/)
    const secrets = lines
      .slice(0, 2)
      .map((line) => line.trim())
      .filter((line) => line !== '')
    if (secrets.length === 0) throw new Error('its first two lines are empty')
    if (!secrets.every((secret) => /^[\x21-\x7e]+$/.test(secret))) {
      throw new Error('a secret is printable ASCII without spaces')
    }
    this.#secrets = secrets
    this.#hashes = secrets.map(hash)
    this.#stamp = stamp
    return true
  }
}

/** Hashing first gives equal lengths, which a comparison in constant time needs. */
function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
