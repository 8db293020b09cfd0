/** One line of a history's file, read field by field. */

/** What is wrong with a file, and where. */
export class HistoryFormatError extends Error {
  override readonly name = 'HistoryFormatError'
}

/** The fields of one line, checked as they are read. */
export class Fields {
  readonly #document: Record<string, unknown>
  readonly #wrong: (what: string) => HistoryFormatError
  /** Names that were asked for: those that have a meaning. */
  readonly read: string[] = []

  constructor(document: Record<string, unknown>, wrong: (what: string) => HistoryFormatError) {
    this.#document = document
    this.#wrong = wrong
  }

  has(name: string): boolean {
    return this.#at(name) !== undefined
  }

  #at(name: string): unknown {
    if (!this.read.includes(name)) this.read.push(name)
    return this.#document[name]
  }

  text(name: string): string {
    const value = this.#at(name)
    if (typeof value === 'string') return value
    throw this.#wrong(`has no text in "${name}"`)
  }

  whole(name: string): number {
    const value = this.#at(name)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw this.#wrong(`has no whole number in "${name}"`)
  }

  time(name: string): number {
    const value = this.#at(name)
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
    throw this.#wrong(`has no time in "${name}"`)
  }

  unknownWord(name: string): HistoryFormatError {
    return this.#wrong(`has ${JSON.stringify(this.#document[name])} in "${name}"`)
  }

  flag(name: string): boolean {
    const value = this.#at(name)
    if (typeof value === 'boolean') return value
    throw this.#wrong(`has neither true nor false in "${name}"`)
  }

  /** Throws if both fields are there. */
  notBoth(one: string, other: string): void {
    if (this.has(one) && this.has(other)) throw this.#wrong(`has both "${one}" and "${other}"`)
  }

  /** `name` with its value if it is there; nothing if not. */
  optional<N extends string, T>(name: N, read: (name: N) => T): { readonly [K in N]?: T } {
    return this.has(name) ? ({ [name]: read(name) } as { readonly [K in N]?: T }) : {}
  }
}
