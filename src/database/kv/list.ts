/**
 * Listing keys in byte order: rows of the disk, merged with what was applied and is not there yet.
 *
 * How to use it, so that the page is the applied state at one moment: in one turn take
 * `state.overlay()` and open the disk's iterator (which sees the disk as it is then), with
 * `diskLimit` rows. Deletions in the overlay take rows away from the disk's page, so it must be
 * longer by as many; then the merged page is right up to `limit`, and never needs more rows.
 */

import { keyText, type OverlayEntry } from './overlay.ts'

export type ListRow = {
  readonly key: Uint8Array
  /** A stored record (record.ts), or only its beginning where `size_bytes` is given. */
  readonly record: Uint8Array
  /** Size of the value, bytes. */
  readonly size_bytes?: number
}

export type ListRange = {
  readonly prefix: Uint8Array
  /** Only keys above this one, in byte order; undefined: from the start. */
  readonly after: Uint8Array | undefined
  /** Rows at most. */
  readonly limit: number
}

/** How many rows to read from the disk so that `mergeList` has enough. */
export function diskLimit(overlay: readonly OverlayEntry[], range: ListRange): number {
  const within = matcher(range)
  let deletions = 0
  for (const [key, record] of overlay) if (record === undefined && within(key)) deletions++
  return range.limit + deletions
}

/** At most `limit` rows of the range, in byte order. `rows` are `diskLimit` rows of the disk. */
export function mergeList(
  rows: readonly ListRow[],
  overlay: readonly OverlayEntry[],
  range: ListRange,
): ListRow[] {
  const within = matcher(range)
  // Text of one byte a character sorts as its bytes do.
  const changes = overlay.filter(([key]) => within(key)).sort(([a], [b]) => (a < b ? -1 : 1))
  const merged: ListRow[] = []
  let next = 0
  for (const row of rows) {
    const key = keyText(row.key)
    while (next < changes.length && (changes[next] as OverlayEntry)[0] < key) {
      push(merged, changes[next++] as OverlayEntry)
    }
    const change = changes[next]
    if (change !== undefined && change[0] === key) {
      next++
      push(merged, change)
    } else {
      merged.push(row)
    }
    if (merged.length >= range.limit) return merged.slice(0, range.limit)
  }
  while (next < changes.length && merged.length < range.limit) {
    push(merged, changes[next++] as OverlayEntry)
  }
  return merged.slice(0, range.limit)
}

function push(merged: ListRow[], [key, record]: OverlayEntry): void {
  if (record !== undefined) merged.push({ key: Buffer.from(key, 'latin1'), record })
}

function matcher({ prefix, after }: ListRange): (key: string) => boolean {
  const start = keyText(prefix)
  const above = after === undefined ? undefined : keyText(after)
  return (key) => key.startsWith(start) && (above === undefined || key > above)
}
