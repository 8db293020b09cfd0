/** An invariant that does not hold: it ends the run. */

export class Violation extends Error {
  override readonly name = 'Violation'
  /** A stable short name of what was violated. */
  readonly check: string

  constructor(check: string, message: string) {
    super(message)
    this.check = check
  }
}
