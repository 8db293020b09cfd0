/**
 * Chance from a seed, in streams that do not disturb one another: what the network draws does not
 * change what the clients draw. The generator is sfc32 (PractRand, public domain), seeded by the
 * run's seed and the stream's name.
 */

/** One stream of chance. */
export class Chance {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number, name: string) {
    let hash = 0x811c9dc5 ^ seed
    for (let at = 0; at < name.length; at += 1) {
      hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
    }
    this.#a = seed | 0
    this.#b = hash
    this.#c = Math.imul(hash ^ (seed >>> 7), 0x9e3779b1)
    for (let round = 0; round < 12; round += 1) this.#next()
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** From 0 to below 1, as Math.random. */
  random(): number {
    return this.#next() / 0x1_0000_0000
  }

  /** A number from `low` to below `high`. */
  between(low: number, high: number): number {
    return low + this.random() * (high - low)
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.random() * count)
  }

  /** True with this probability. */
  happens(probability: number): boolean {
    return this.random() < probability
  }

  /** One of these. */
  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.below(choices.length)]
    if (chosen === undefined) throw new Error('there is nothing to pick from')
    return chosen
  }

  /** Small numbers often, large ones seldom: evenly over the orders of magnitude. */
  magnitude(low: number, high: number): number {
    const steps = Math.ceil(Math.log2(high / low))
    const step = this.below(steps)
    const from = low * 2 ** step
    return this.between(from, Math.min(from * 2, high))
  }

  /** 32 random bits. */
  bits(): number {
    return this.#next()
  }

  /** In the form of a UUID, version 4. */
  uuid(): string {
    let text = ''
    for (let word = 0; word < 4; word += 1) text += this.#next().toString(16).padStart(8, '0')
    const variant = '89ab'[this.below(4)]
    return [
      text.slice(0, 8),
      text.slice(8, 12),
      `4${text.slice(13, 16)}`,
      `${variant}${text.slice(17, 20)}`,
      text.slice(20, 32),
    ].join('-')
  }
}
