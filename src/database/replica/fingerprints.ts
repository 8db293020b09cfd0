/**
 * Are the replicas' states still equal? (DESIGN §5)
 *
 * At every FINGERPRINT_EVERY_ENTRIES-th entry each replica notes its content hash and tells its
 * peers (in its hello). Where hashes differ at one index, the replica outside the majority sets its
 * data aside; where all have spoken and no value has a majority, writes stop.
 *
 *   equal, or too few have spoken ──► nothing
 *   a majority of the voters has another value than this replica ──► `outvoted`
 *   all voters have spoken, no majority ──► `split`
 */

import type { MemberId } from '../consensus/types.ts'

/** Entries between two fingerprints. */
export const FINGERPRINT_EVERY_ENTRIES = 256
/** Indexes remembered, the newest; slower peers report older ones. */
const INDEXES_MAX = 256

/** A content hash and the index it stands at; index 0: none yet. */
export type Fingerprint = { readonly index: number; readonly hash: string }

export const NO_FINGERPRINT: Fingerprint = { index: 0, hash: '' }

export type FingerprintVerdict =
  | { readonly type: 'equal' }
  | { readonly type: 'outvoted'; readonly why: string }
  | { readonly type: 'split'; readonly why: string }

const EQUAL: FingerprintVerdict = { type: 'equal' }

export class Fingerprints {
  readonly #self: MemberId
  /** Index → who said which hash. */
  readonly #said = new Map<number, Map<MemberId, string>>()

  constructor(self: MemberId) {
    this.#self = self
  }

  /** Notes what a replica said, this one too, and judges the index it spoke of. */
  note(from: MemberId, fingerprint: Fingerprint, voters: readonly MemberId[]): FingerprintVerdict {
    const { index, hash } = fingerprint
    if (index === 0) return EQUAL
    let said = this.#said.get(index)
    if (said === undefined) {
      said = new Map()
      this.#said.set(index, said)
      this.#forget()
    }
    said.set(from, hash)
    return this.#judge(index, said, voters)
  }

  #judge(
    index: number,
    said: ReadonlyMap<MemberId, string>,
    voters: readonly MemberId[],
  ): FingerprintVerdict {
    const counts = new Map<string, number>()
    let spoken = 0
    for (const voter of voters) {
      const hash = said.get(voter)
      if (hash === undefined) continue
      spoken += 1
      counts.set(hash, (counts.get(hash) ?? 0) + 1)
    }
    if (counts.size < 2) return EQUAL
    const own = said.get(this.#self)
    for (const [hash, count] of counts) {
      if (count <= voters.length / 2) continue
      if (own === undefined || own === hash) return EQUAL
      const why = `content hash ${own} at entry ${index}, where ${count} replicas have ${hash}`
      return { type: 'outvoted', why }
    }
    if (spoken < voters.length) return EQUAL
    const why = `at entry ${index} the replicas have ${counts.size} different content hashes`
    return { type: 'split', why }
  }

  #forget(): void {
    while (this.#said.size > INDEXES_MAX) {
      const oldest = Math.min(...this.#said.keys())
      this.#said.delete(oldest)
    }
  }
}
