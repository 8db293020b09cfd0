/** The seed of a random test: from ORDINAL_SEED, else new; always printed. */
export function seed(test: { comment(text: string): void }): number {
  const given = process.env['ORDINAL_SEED']
  const value = given === undefined ? Math.floor(Math.random() * 0x7fff_ffff) : Number(given)
  test.comment(`ORDINAL_SEED=${value}`)
  return value
}
