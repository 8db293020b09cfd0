/**
 * Places of the search that lead nowhere: which operations are done, and the key's state. Porcupine
 * (A. Athalye) remembers each place it has been at; a search in depth needs only those that failed,
 * so that a history which holds costs next to nothing here.
 *
 * The operations done are a bit set. All before the first one left are done, and none beyond the
 * first unmet return, so that only the bits between are kept. A hash finds the place; the bits are
 * compared, since a false hit would be a false verdict.
 */

/** How many optional writes of each kind were used on the way. */
export type Used = {
  readonly put: number
  readonly putIfAbsent: number
  readonly remove: number
  readonly putUntold: number
  readonly removeUntold: number
}

export type Place = {
  readonly hash: number
  readonly state: number
  /** The first operation left; then one bit for each from there on. */
  readonly first: number
  readonly bits: Uint32Array
  readonly used: Used
}

/** An entry without its bits: the object, its Used, its share of the map. */
const ENTRY_BYTES = 160

export class DeadEnds {
  readonly #places = new Map<number, Place[]>()
  #bytes = 0

  /** Memory held, about. */
  get bytes(): number {
    return this.#bytes
  }

  get empty(): boolean {
    return this.#places.size === 0
  }

  add(place: Place): void {
    const others = this.#places.get(place.hash)
    if (others === undefined) this.#places.set(place.hash, [place])
    else others.push(place)
    this.#bytes += ENTRY_BYTES + place.bits.byteLength
  }

  /** No way leads on: the same place failed with at least as many optional writes left. */
  has(place: Place): boolean {
    const others = this.#places.get(place.hash)
    if (others === undefined) return false
    return others.some((other) => isSame(other, place) && isWithin(other.used, place.used))
  }
}

function isSame(one: Place, other: Place): boolean {
  if (one.state !== other.state || one.first !== other.first) return false
  if (one.bits.length !== other.bits.length) return false
  for (let at = 0; at < one.bits.length; at++) if (one.bits[at] !== other.bits[at]) return false
  return true
}

function isWithin(one: Used, other: Used): boolean {
  return (
    one.put <= other.put &&
    one.putIfAbsent <= other.putIfAbsent &&
    one.remove <= other.remove &&
    one.putUntold <= other.putUntold &&
    one.removeUntold <= other.removeUntold
  )
}
