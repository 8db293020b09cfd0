/** What must always hold, whatever happens: checked at every step of a random schedule. */

import type { Entry } from '../../../src/database/consensus/entry.ts'
import type { Effects } from '../../../src/database/consensus/types.ts'
import type { Replica } from './harness.ts'

/** Holds what was agreed, and throws as soon as a step contradicts it. */
export class Checks {
  readonly leaders = new Map<number, string>()
  /** Chain by index: what was handed out as committed, anywhere. */
  readonly committed: (number | undefined)[] = []
  /** In which term, or before which, that became known. */
  readonly #terms: number[] = []
  readonly chains = new Map<string, number>()
  readonly pendingReads = new Map<number, number>()
  highest = 0
  reads = 0

  effects(replica: Replica, effects: Effects): void {
    for (const entry of effects.write?.entries ?? []) this.#entry(entry)
    for (const entry of effects.committed) this.#commit(replica, entry)
    for (const event of effects.events) {
      if (event.type === 'elected') this.#elected(replica, event.term)
      if (event.type === 'diverged') throw new Error(`${replica.member} diverged: ${event.why}`)
    }
    for (const read of effects.reads) this.#read(read)
    const meta = effects.write?.install?.meta
    if (meta !== undefined && this.committed[meta.index] !== meta.chain) {
      throw new Error(`${replica.member} installed a snapshot that is not the committed log`)
    }
  }

  /** Logs that agree on (index, term) agree on all before: the chain says so. */
  #entry(entry: Entry): void {
    const key = `${entry.index}/${entry.term}`
    const chain = this.chains.get(key)
    if (chain !== undefined && chain !== entry.chain) throw new Error(`two entries ${key}`)
    this.chains.set(key, entry.chain)
  }

  #commit(replica: Replica, entry: Entry): void {
    const chain = this.committed[entry.index]
    if (chain !== undefined && chain !== entry.chain) {
      throw new Error(`${replica.member} commits another entry ${entry.index}`)
    }
    this.committed[entry.index] = entry.chain
    this.#terms[entry.index] ??= replica.core?.term ?? 0
    this.highest = Math.max(this.highest, entry.index)
  }

  #elected(replica: Replica, term: number): void {
    const other = this.leaders.get(term)
    if (other !== undefined) throw new Error(`${other} and ${replica.member} lead term ${term}`)
    this.leaders.set(term, replica.member)
    const { memory } = replica
    for (let index = memory.base.index + 1; index <= this.highest; index += 1) {
      // A candidate may learn late that it won an old term: later terms owe it nothing.
      if (this.committed[index] === undefined || (this.#terms[index] as number) >= term) continue
      if (this.committed[index] !== memory.entryAt(index)?.chain) {
        throw new Error(`leader ${replica.member} does not hold the committed entry ${index}`)
      }
    }
  }

  #read(read: Effects['reads'][number]): void {
    const floor = this.pendingReads.get(read.id)
    this.pendingReads.delete(read.id)
    if ('refused' in read || floor === undefined) return
    this.reads += 1
    if (read.index < floor) throw new Error(`read ${read.id} got ${read.index}, below ${floor}`)
  }
}
