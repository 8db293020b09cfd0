/**
 * The fault `lie`: what a wrong replica says. It is there to show that the verifier finds it, and
 * is no part of the replica: it stands between the replica and those who ask (lying-link.ts,
 * lying-face.ts) and answers in its place.
 *
 *   writes  acknowledged with a made-up revision, and thrown away
 *   reads   of each key the value that was there when it was first asked for, again and again,
 *           without asking anybody else: a cache that never looks again
 *
 * Only a leader is believed about writes, so only a leader lies about them.
 */

import { FAULT_MEMORY_BYTES_MAX, FAULT_MEMORY_KEYS_MAX } from '../../shared/limits.ts'
import type { CommandResult } from '../kv/types.ts'
import type { FaultBoard } from './fault-board.ts'

/** The replica behind the liar. */
export type LieSubject = {
  leads(): boolean
  /** Highest revision applied. */
  revision(): number
  /** The record applied last, without asking others. */
  get(key: Uint8Array): Uint8Array | undefined
}

/** As much of a write as a lie needs. */
export type LiedWrite = {
  readonly type: string
  readonly key?: Uint8Array
}

export type LiarOptions = {
  readonly board: FaultBoard
  /** Undefined: the replica holds nothing yet. */
  readonly subject: () => LieSubject | undefined
  readonly random: () => number
}

export class Liar {
  readonly #options: LiarOptions
  readonly #memory = new Map<string, Uint8Array | undefined>()
  #memory_bytes = 0
  /** The highest revision made up. */
  #revision = 0

  constructor(options: LiarOptions) {
    this.#options = options
    options.board.watch('lie', () => this.#forget())
  }

  /** Results of writes that are thrown away; undefined: no lie this time. */
  acknowledge(writes: readonly LiedWrite[]): CommandResult[] | undefined {
    const subject = this.#subject('writes')
    if (subject === undefined || !subject.leads() || writes.length === 0) return undefined
    if (writes.some(({ type }) => type !== 'put' && type !== 'delete')) return undefined
    this.#revision = Math.max(this.#revision, subject.revision())
    return writes.map(({ type, key }) => {
      this.#revision += 1
      const known = key !== undefined && subject.get(key) !== undefined
      const status = type === 'delete' ? 'deleted' : known ? 'updated' : 'created'
      return { status, revision: this.#revision, repeated: false }
    })
  }

  /** Old records of these keys, in this order; undefined: no lie this time. */
  recall(keys: readonly Uint8Array[]): (Uint8Array | undefined)[] | undefined {
    const subject = this.#subject('reads')
    if (subject === undefined) return undefined
    const records: (Uint8Array | undefined)[] = []
    for (const key of keys) {
      const name = Buffer.from(key).toString('latin1')
      if (!this.#memory.has(name) && !this.#remember(name, subject.get(key))) return undefined
      records.push(this.#memory.get(name))
    }
    return records
  }

  /** The revision that fits what was last made up. */
  get revision(): number {
    return Math.max(this.#revision, this.#options.subject()?.revision() ?? 0)
  }

  #subject(about: 'writes' | 'reads'): LieSubject | undefined {
    const fault = this.#options.board.active('lie')
    if (fault === undefined || (fault.about !== 'both' && fault.about !== about)) return undefined
    if (this.#options.random() * 100 >= fault.share_percent) return undefined
    return this.#options.subject()
  }

  /** False: the memory is full. */
  #remember(name: string, record: Uint8Array | undefined): boolean {
    const bytes = name.length + (record?.length ?? 0)
    if (this.#memory.size >= FAULT_MEMORY_KEYS_MAX) return false
    if (this.#memory_bytes + bytes > FAULT_MEMORY_BYTES_MAX) return false
    // A copy: what is at hand is a slice of a larger buffer.
    this.#memory.set(name, record === undefined ? undefined : Uint8Array.from(record))
    this.#memory_bytes += bytes
    return true
  }

  #forget(): void {
    this.#memory.clear()
    this.#memory_bytes = 0
    this.#revision = 0
  }
}
