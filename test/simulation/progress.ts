/** How far a long command has come: a bar on a terminal, a line now and then elsewhere. */

import { countOf } from './figures.ts'

const BAR_WIDTH = 30
const EVERY_MS_ON_A_TERMINAL = 200
const EVERY_MS = 20_000

export class Progress {
  readonly #total: number
  readonly #stream: NodeJS.WriteStream
  readonly #started_ms = performance.now()
  #shown_ms = 0

  constructor(total: number, stream: NodeJS.WriteStream) {
    this.#total = total
    this.#stream = stream
  }

  get elapsed_ms(): number {
    return performance.now() - this.#started_ms
  }

  /** Shows where it is, unless it was shown just now. */
  show(done: number, more: string): void {
    const terminal = this.#stream.isTTY === true
    const now_ms = performance.now()
    const every_ms = terminal ? EVERY_MS_ON_A_TERMINAL : EVERY_MS
    if (now_ms - this.#shown_ms < every_ms && done < this.#total) return
    this.#shown_ms = now_ms
    const line = `${done} of ${countOf(this.#total, 'run')}, ${more}`
    if (!terminal) {
      this.#stream.write(`${line}\n`)
      return
    }
    const full = Math.round((done / this.#total) * BAR_WIDTH)
    const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
    this.#stream.write(`\r\x1b[K${bar} ${line}`)
  }

  /** The bar's line ends. */
  close(): void {
    if (this.#stream.isTTY === true) this.#stream.write('\n')
  }
}
