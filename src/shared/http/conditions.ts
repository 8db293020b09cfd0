/**
 * Conditional requests (RFC 9110 §8.8.3, §13.1): entity tags are `"<history>-<revision>"`, so that
 * a revision of another history never matches (DESIGN §7).
 *
 * If-Match compares strongly: a weak tag never matches. If-None-Match compares weakly (§13.1.2). A
 * tag we never gave out is legal and matches nothing; what is no tag at all is refused, since a
 * write whose condition was misread must not take effect.
 */

import { ClusterError } from '../errors.ts'
import { CONDITION_REVISIONS_MAX } from '../limits.ts'

/** A tag of ours: history and revision. */
export type EntityTag = { readonly history: string; readonly revision: number }

/** Parsed conditions; tags stay unresolved until the history they are compared with is known. */
export type TagCondition = {
  readonly match?: readonly EntityTag[] | 'any'
  readonly noneMatch?: readonly EntityTag[] | 'any'
}

/** The same against one history: what the state machine compares (kv `Condition`). */
export type RevisionCondition = {
  readonly match?: readonly number[] | 'any'
  readonly noneMatch?: readonly number[] | 'any'
}

const TAG = /[ \t]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(,|$)/y
const EMPTY_MEMBER = /[ \t]*(,|$)/y
const OWN_TAG = /^(.+)-(0|[1-9][0-9]{0,15})$/s

/** The ETag of a revision of a history. */
export function formatTag(history: string, revision: number): string {
  return `"${history}-${revision}"`
}

/**
 * Reads If-Match and If-None-Match; undefined: neither is there.
 * Throws `bad-request` for a list that is none, or has more tags than CONDITION_REVISIONS_MAX.
 */
export function parseConditions(headers: {
  readonly 'if-match'?: string | undefined
  readonly 'if-none-match'?: string | undefined
}): TagCondition | undefined {
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  return {
    ...(ifMatch === undefined ? {} : { match: parseTags('If-Match', ifMatch, 'strong') }),
    ...(ifNoneMatch === undefined
      ? {}
      : { noneMatch: parseTags('If-None-Match', ifNoneMatch, 'weak') }),
  }
}

function parseTags(
  header: string,
  text: string,
  comparison: 'strong' | 'weak',
): readonly EntityTag[] | 'any' {
  if (text.trim() === '*') return 'any'
  const tags: EntityTag[] = []
  let seen = 0
  let at = 0
  let ended = false
  while (!ended) {
    EMPTY_MEMBER.lastIndex = at
    const empty = EMPTY_MEMBER.exec(text)
    if (empty !== null) {
      at = EMPTY_MEMBER.lastIndex
      ended = empty[1] === ''
      continue
    }
    TAG.lastIndex = at
    const found = TAG.exec(text)
    if (found === null) throw malformed(header)
    at = TAG.lastIndex
    ended = found[3] === ''
    seen++
    if (seen > CONDITION_REVISIONS_MAX) {
      throw new ClusterError(
        'bad-request',
        `${header} has more than ${CONDITION_REVISIONS_MAX} tags`,
      )
    }
    if (comparison === 'strong' && found[1] !== undefined) continue
    const tag = parseOwnTag(found[2] as string)
    if (tag !== undefined) tags.push(tag)
  }
  if (seen === 0) throw malformed(header)
  return tags
}

function parseOwnTag(opaque: string): EntityTag | undefined {
  const parts = OWN_TAG.exec(opaque)
  if (parts === null) return undefined
  const revision = Number(parts[2])
  return Number.isSafeInteger(revision) ? { history: parts[1] as string, revision } : undefined
}

function malformed(header: string): ClusterError {
  return new ClusterError('bad-request', `${header} is neither * nor a list of quoted entity tags`)
}

/** The condition within one history: tags of others are left out, so they never match. */
export function resolveConditions(
  condition: TagCondition | undefined,
  history: string,
): RevisionCondition | undefined {
  if (condition === undefined) return undefined
  const { match, noneMatch } = condition
  return {
    ...(match === undefined ? {} : { match: revisionsOf(match, history) }),
    ...(noneMatch === undefined ? {} : { noneMatch: revisionsOf(noneMatch, history) }),
  }
}

function revisionsOf(tags: readonly EntityTag[] | 'any', history: string): number[] | 'any' {
  if (tags === 'any') return 'any'
  const revisions: number[] = []
  for (const tag of tags) if (tag.history === history) revisions.push(tag.revision)
  return revisions
}

/** What the conditions of a GET or HEAD say of a key that exists (RFC 9110 §13.2.2). */
export function evaluateForRead(
  condition: TagCondition | undefined,
  present: EntityTag,
): 'proceed' | 'not-modified' | 'precondition-failed' {
  if (condition === undefined) return 'proceed'
  const { match, noneMatch } = condition
  if (match !== undefined && !includes(match, present)) return 'precondition-failed'
  if (noneMatch !== undefined && includes(noneMatch, present)) return 'not-modified'
  return 'proceed'
}

function includes(tags: readonly EntityTag[] | 'any', present: EntityTag): boolean {
  if (tags === 'any') return true
  return tags.some((tag) => tag.history === present.history && tag.revision === present.revision)
}
