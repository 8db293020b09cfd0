/** The seed of a test run: ORDINAL_SEED, or a new one. */
export function seedOfRun(): number {
  const given = process.env['ORDINAL_SEED']
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
}
