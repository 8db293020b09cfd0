/** The seed of a random test: printed, and taken from ORDINAL_SEED to run it again. */
export function seedOf(t: { comment(text: string): void }): number {
  const given = process.env['ORDINAL_SEED']
  const seed = given === undefined ? Date.now() % 2 ** 31 : Number(given)
  t.comment(`ORDINAL_SEED=${seed}`)
  return seed
}
