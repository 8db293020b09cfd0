/**
 * Programmer errors. A broken invariant stops the process: a replica that no longer understands
 * its own state must not answer. Expected failures are `ClusterError`s instead (errors.ts).
 */

/** An invariant of the program does not hold. Never caught to go on; the process ends. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Throws an {@link InvariantError} unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}

/** Ends a `switch` over a union: a case that was forgotten does not compile. */
export function assertNever(value: never): never {
  throw new InvariantError(`unexpected case: ${JSON.stringify(value)}`)
}
