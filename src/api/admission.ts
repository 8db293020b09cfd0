/**
 * Overload is refused early, never by growing memory: one count of requests and of the bytes they
 * bring, over reads and writes alike. A request that does not get in is answered 503 at once.
 */

import { assert } from '../shared/assert.ts'
import { ClusterError } from '../shared/errors.ts'
import { API_BYTES_MAX, API_REQUESTS_MAX } from '../shared/limits.ts'

export class Admission {
  #requests = 0
  #bytes = 0
  #refused = 0

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
    if (this.#requests < API_REQUESTS_MAX && this.#bytes + bytes <= API_BYTES_MAX) {
      this.#requests++
      this.#bytes += bytes
      return undefined
    }
    this.#refused++
    return new ClusterError('overloaded', 'this API server holds too many waiting requests', {
      outcome: 'not-applied',
    })
  }

  leave(bytes: number): void {
    this.#requests--
    this.#bytes -= bytes
    assert(this.#requests >= 0 && this.#bytes >= 0, 'a request left twice')
  }
}
