/**
 * One core's log as the simulator sees it: from its disk at the start, then from each write that
 * the core asked for, whether it is synced yet or not.
 */

import type { Write } from '../../src/database/consensus/types.ts'
import type { DiskMirror, Mark } from './disk-mirror.ts'

export class CoreLog {
  #base: { index: number; term: number; chain: number }
  readonly #entries: Map<number, Mark>
  lastIndex: number

  constructor({ base, entries, lastIndex }: Pick<DiskMirror, 'base' | 'entries' | 'lastIndex'>) {
    this.#base = base
    this.#entries = new Map()
    this.lastIndex = lastIndex
    for (const [index, mark] of entries) if (index > base.index) this.#entries.set(index, mark)
  }

  /** As it is now. */
  copy(): CoreLog {
    return new CoreLog({ base: this.#base, entries: this.#entries, lastIndex: this.lastIndex })
  }

  get baseIndex(): number {
    return this.#base.index
  }

  at(index: number): Mark | undefined {
    return index === this.#base.index ? this.#base : this.#entries.get(index)
  }

  /** Does it include this very entry, or a snapshot beyond it? */
  includes(index: number, chain: number): boolean {
    return index < this.#base.index || this.at(index)?.chain === chain
  }

  write(write: Write): void {
    const { install, truncateFrom, entries } = write
    if (install !== undefined) {
      const { meta, keepLog } = install
      if (!keepLog) this.#truncate(meta.index + 1)
      for (const index of this.#entries.keys()) {
        if (index <= meta.index) this.#entries.delete(index)
      }
      this.#base = { index: meta.index, term: meta.term, chain: meta.chain }
      this.lastIndex = Math.max(keepLog ? this.lastIndex : 0, meta.index)
      if (!keepLog) this.#entries.clear()
    }
    if (truncateFrom !== undefined) this.#truncate(truncateFrom)
    for (const { index, term, chain } of entries) {
      this.#entries.set(index, { term, chain })
      this.lastIndex = index
    }
  }

  #truncate(from: number): void {
    for (let index = from; index <= this.lastIndex; index += 1) this.#entries.delete(index)
    this.lastIndex = Math.min(this.lastIndex, from - 1)
  }
}
