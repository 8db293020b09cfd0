/** Lists of keys: one page read from the disk and merged with what is applied and not there yet. */

import { ClusterError } from '../../shared/errors.ts'
import type { ListAnswer, ListedKey, Query } from '../kv/frame-types.ts'
import { diskLimit, type ListRow, mergeList } from '../kv/list.ts'
import { recordHeader } from '../kv/record.ts'
import type { Loop } from './loop.ts'
import type { Storage } from './ports.ts'

/** Reads a page under its terms. Rejects with the read's refusal. */
export async function readList(
  loop: Loop,
  storage: Storage,
  query: Extract<Query, { type: 'list' }>,
): Promise<ListAnswer> {
  const { age_ms, page } = await new Promise<{ age_ms: number; page: Promise<Page> }>(
    (resolve, reject) => {
      loop.read(query, {
        // The page's iterator is opened in this very turn, so that disk and overlay fit together.
        run: (age_ms) => resolve({ age_ms, page: readPage(loop, storage, query) }),
        refuse: (code, message) => reject(new ClusterError(code, message)),
      })
    },
  )
  return { ...(await page), age_ms: Math.ceil(age_ms) }
}

type Page = Omit<ListAnswer, 'age_ms'>

async function readPage(
  loop: Loop,
  storage: Storage,
  query: { prefix: string; after: string | undefined; limit: number },
): Promise<Page> {
  const prefix = Buffer.from(query.prefix)
  const after = query.after === undefined ? undefined : Buffer.from(query.after)
  const { revision } = loop
  const overlay = loop.kv.overlay()
  const range = { prefix, after, limit: query.limit + 1 }
  const rows = storage.list({
    ...range,
    limit: diskLimit(overlay, range),
    headersOnly: true,
  })
  const merged = mergeList(await rows, overlay, range)
  const keys = merged.slice(0, query.limit).map(listed)
  return { keys, more: merged.length > query.limit, revision }
}

function listed({ key, record, size_bytes }: ListRow): ListedKey {
  const header = recordHeader(record)
  return {
    key: Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8'),
    revision: header.revision,
    createRevision: header.createRevision,
    version: header.version,
    size_bytes: size_bytes ?? header.size_bytes,
    contentType: header.contentType,
  }
}
