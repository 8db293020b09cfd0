/** Reading ranges in pages: bounded memory, one call into the database for many rows. */

import type { AbstractIteratorOptions } from 'abstract-level'
import type { Database } from './layout.ts'

export type PageOptions = AbstractIteratorOptions<Buffer, Buffer> & {
  /** Rows of a page at most. */
  readonly rows: number
  /** About how many bytes a page has at most (LevelDB stops behind the row that exceeds it). */
  readonly bytes: number
}

/** The rows of a range, page by page. The iterator is closed however the loop over it ends. */
export async function* pages(
  db: Database,
  options: PageOptions,
): AsyncGenerator<[Buffer, Buffer][]> {
  const { rows, bytes, ...range } = options
  const iterator = db.iterator({
    ...range,
    fillCache: false,
    highWaterMarkBytes: bytes,
  } as typeof range)
  try {
    while (true) {
      const page = await iterator.nextv(rows)
      if (page.length === 0) return
      yield page
    }
  } finally {
    await iterator.close()
  }
}
