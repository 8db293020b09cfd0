/** What the command lines of the tests' tools have in common. */

/** A command line that cannot be obeyed. */
export class UsageError extends Error {}

type Range = { readonly least: number; readonly most: number }

/** The number that an option gives. Throws {@link UsageError}. */
export function number(name: string, text: string, { least, most }: Range): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= least && value <= most) return value
  throw new UsageError(`--${name}: expected a number from ${least} to ${most}, not "${text}"`)
}

/** The whole number that an option gives. Throws {@link UsageError}. */
export function whole(name: string, text: string, { least, most }: Range): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new UsageError(`--${name}: expected a whole number from ${least} to ${most}, not "${text}"`)
}
