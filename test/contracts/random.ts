/** Chances that can be had again: the seed is printed, and taken from ORDINAL_SEED. */

export function seedOfRun(): number {
  const given = process.env['ORDINAL_SEED']
  return given === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : Number(given) >>> 0
}

/** Mulberry32 (Ettinger, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
