/** What happened in a run: a hash always, lines if somebody wants to read them. */

export class Transcript {
  readonly kept: boolean
  readonly #lines: string[] = []
  #a = 0x811c9dc5
  #b = 0x9e3779b9

  constructor(kept: boolean) {
    this.kept = kept
  }

  /** Mixes numbers into the hash. */
  mix(time_ms: number, ...numbers: readonly number[]): void {
    // Times are hashed to a thousandth of a millisecond.
    this.#word(Math.round(time_ms * 1000) | 0)
    for (const number of numbers) this.#word(number | 0)
  }

  note(time_ms: number, what: string): void {
    this.mix(time_ms)
    for (let at = 0; at < what.length; at += 1) this.#word(what.charCodeAt(at))
    this.line(time_ms, what)
  }

  /** A line that only readers see. */
  line(time_ms: number, what: string): void {
    if (this.kept) this.#lines.push(`${(time_ms / 1000).toFixed(4).padStart(9)}  ${what}`)
  }

  #word(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193)
    this.#b = Math.imul((this.#b << 5) ^ (this.#b >>> 3) ^ word, 0x85ebca6b)
  }

  get hash(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, '0')
    return hex(this.#a) + hex(this.#b)
  }

  get text(): string {
    return this.#lines.join('\n')
  }
}
