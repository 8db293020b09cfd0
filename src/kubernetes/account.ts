/**
 * The ServiceAccount's token and the API server's CA, as files that the kubelet replaces while this
 * process runs: a token lives an hour or so. Looked at before each call; that costs two `stat`.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stampOf } from '../shared/file-stamp.ts'

export type Credentials = { readonly token: string; readonly ca: string }

/** Reads the files again when they have changed. */
export class Account {
  readonly #files: { readonly token: string; readonly ca: string }
  #stamp: string | undefined
  #credentials: Credentials = { token: '', ca: '' }

  constructor(folder: string) {
    this.#files = { token: join(folder, 'token'), ca: join(folder, 'ca.crt') }
  }

  /** Throws what reading a file throws. */
  credentials(): Credentials {
    const { token, ca } = this.#files
    const stamp = stampOf([token, ca])
    if (stamp === this.#stamp) return this.#credentials
    this.#credentials = {
      token: readFileSync(token, 'utf8').trim(),
      ca: readFileSync(ca, 'utf8'),
    }
    this.#stamp = stamp
    return this.#credentials
  }
}
