/** Times without an acknowledged write, and which of them belongs to which step. */

export type Window = { readonly from_ms: number; readonly to_ms: number }

/**
 * The longest time without an acknowledgement that began within the window, ms. `acks_ms` is in
 * order. What began before the window belongs to it as far as it lies within.
 */
export function longestGap(acks_ms: readonly number[], { from_ms, to_ms }: Window): number {
  let before_ms = from_ms
  let longest_ms = 0
  for (let at = firstAfter(acks_ms, from_ms); at < acks_ms.length; at += 1) {
    const ack_ms = acks_ms[at] as number
    longest_ms = Math.max(longest_ms, ack_ms - before_ms)
    before_ms = ack_ms
    if (ack_ms >= to_ms) return longest_ms
  }
  // Nothing came after: it lasts to the end of the window, at least.
  return Math.max(longest_ms, to_ms - before_ms)
}

function firstAfter(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** The value in the middle, or half way between the two that are there; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const high = sorted[Math.floor(sorted.length / 2)] ?? 0
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  return (low + high) / 2
}
