/**
 * Overload is refused early, never by growing memory: one count of requests and of the bytes they
 * bring. A request that does not get in is answered 503 at once.
 */

import { assert } from '../assert.ts'
import { ClusterError } from '../errors.ts'
import type { WriteGate } from './write-taker.ts'

export class Admission implements WriteGate {
  readonly #requests_max: number
  readonly #bytes_max: number
  #requests = 0
  #bytes = 0
  #refused = 0

  /** At most so many requests at once, and so many bytes of values. */
  constructor(limits: { readonly requests_max: number; readonly bytes_max: number }) {
    this.#requests_max = limits.requests_max
    this.#bytes_max = limits.bytes_max
  }

  get requests(): number {
    return this.#requests
  }

  get bytes(): number {
    return this.#bytes
  }

  get refused(): number {
    return this.#refused
  }

  /** Lets a request in, or says why not (`overloaded`). One that is in must `leave` once. */
  enter(bytes: number): ClusterError | undefined {
    if (this.#requests < this.#requests_max && this.#bytes + bytes <= this.#bytes_max) {
      this.#requests++
      this.#bytes += bytes
      return undefined
    }
    this.#refused++
    return new ClusterError('overloaded', 'this server holds too many waiting requests', {
      outcome: 'not-applied',
    })
  }

  leave(bytes: number): void {
    this.#requests--
    this.#bytes -= bytes
    assert(this.#requests >= 0 && this.#bytes >= 0, 'a request left twice')
  }
}
