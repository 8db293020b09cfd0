/**
 * Equal index, equal state, whoever applied it (DESIGN §5):
 *
 *   states-differ                the content hash, the results and the session tables of an index
 *                                are the same at every replica
 *   wrong-result, exactly-once   the results are the model's (model.ts)
 */

import { crc32c } from '@node-rs/crc32'
import type { KvState } from '../../src/database/kv/state.ts'
import type { AppliedEntry, CommandResult, KvChanges } from '../../src/database/kv/types.ts'
import { Model } from './model.ts'
import { Violation } from './violation.ts'

/** What came of an entry, and of what. */
export type EntryOutcome = {
  readonly payload: Uint8Array
  readonly results: readonly (readonly CommandResult[])[]
}

type Applied = { readonly hash: string; readonly digest: number }

export class StateRules {
  readonly #applied = new Map<number, Applied>()
  /** applied index → session → CRC of its table. */
  readonly #sessions = new Map<number, Map<number, number>>()
  readonly model = new Model()

  hashAt(index: number): string | undefined {
    return this.#applied.get(index)?.hash
  }

  /** The replica `id` applied an entry. */
  applied(id: string, state: KvState, applied: EntryOutcome & { entry: AppliedEntry }): void {
    const { entry, payload, results } = applied
    const { index } = entry
    const { hash } = state.meta()
    const digest = digestOf(results)
    const known = this.#applied.get(index)
    if (known === undefined) {
      this.#applied.set(index, { hash, digest })
      this.model.apply(entry, payload, results)
      return
    }
    if (known.hash !== hash) {
      throw new Violation('states-differ', `${id} has hash ${hash} at entry ${index}`)
    }
    if (known.digest !== digest) {
      throw new Violation('states-differ', `${id} has other results for entry ${index}`)
    }
  }

  /** The replica `id` writes what it applied to its disk. */
  written(id: string, { meta, sessions }: KvChanges): void {
    let tables = this.#sessions.get(meta.applied)
    if (tables === undefined) {
      tables = new Map()
      this.#sessions.set(meta.applied, tables)
    }
    for (const [session, bytes] of sessions) {
      const crc = bytes === undefined ? -1 : crc32c(bytes)
      const known = tables.get(session)
      if (known === undefined) tables.set(session, crc)
      else if (known !== crc) {
        const what = `${id} has another session ${session} at entry ${meta.applied}`
        throw new Violation('states-differ', what)
      }
    }
  }
}

/** A number that tells results apart. */
function digestOf(results: readonly (readonly CommandResult[])[]): number {
  let digest = results.length
  for (const segment of results) {
    for (const { status, revision } of segment) {
      digest = Math.imul(digest ^ revision, 0x01000193)
      digest = Math.imul(digest ^ (status.length * 256 + status.charCodeAt(0)), 0x01000193)
    }
  }
  return digest
}
