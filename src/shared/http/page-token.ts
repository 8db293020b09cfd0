/**
 * Tokens that continue a listing: `page.<history>.<last key, base64url>`. A token carries its
 * history, so that a listing begun before a forced bootstrap is not continued after it. `after`
 * also takes a plain key; one that looks like a token must be given as a token.
 */

import { ClusterError } from '../errors.ts'

const TOKEN = /^page\.([^.]+)\.([A-Za-z0-9_-]+)$/

/** The token that continues behind `key`. */
export function formatPageToken(history: string, key: string): string {
  return `page.${history}.${Buffer.from(key).toString('base64url')}`
}

/** The key behind an `after` parameter, and its history when it is a token. */
export function parseAfter(value: string | undefined): {
  readonly after: string | undefined
  readonly history: string | undefined
} {
  if (value === undefined || value === '') return { after: undefined, history: undefined }
  const parts = TOKEN.exec(value)
  if (parts === null) return { after: value, history: undefined }
  const bytes = Buffer.from(parts[2] as string, 'base64url')
  const after = bytes.toString('utf8')
  if (bytes.length === 0 || !Buffer.from(after).equals(bytes)) {
    throw new ClusterError('bad-request', 'the page token is damaged')
  }
  return { after, history: parts[1] }
}
