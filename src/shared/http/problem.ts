/**
 * Errors as RFC 9457 problem documents. What the document says of a code comes from the one table
 * in errors.ts; this file only gives it its shape, so that both HTTP faces refuse alike.
 */

import { ClusterError, ERROR_TABLE, type ErrorCode } from '../errors.ts'

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8'

/** Seconds after which a refused client may try again: about one election. */
const RETRY_AFTER_S = 1

/** Members that `details` may not overwrite. */
type Problem = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  /** May the client send the same request again? */
  readonly retry: boolean
  /** Refused writes only. */
  readonly outcome?: 'not-applied' | 'unknown'
  readonly [member: string]: unknown
}

/** The problem document of an error. */
export function problemOf(error: ClusterError): Problem {
  const row = ERROR_TABLE[error.code]
  const own = {
    type: `urn:ordinal:problem:${error.code}`,
    title: row.title,
    status: row.status,
    detail: error.message,
    code: error.code,
    retry: row.retry,
    ...(error.outcome === undefined ? {} : { outcome: error.outcome }),
  }
  // First for the order in which people read them, last because details overwrite nothing.
  return { ...own, ...error.details, ...own }
}

/** Header fields of a refusal, as a flat list of names and values: Retry-After for each 503. */
export function problemHeaders(error: ClusterError): string[] {
  const headers = ['Content-Type', PROBLEM_CONTENT_TYPE, 'Cache-Control', 'no-store']
  if (error.status === 503) headers.push('Retry-After', String(RETRY_AFTER_S))
  // RFC 9110 §11.6.1: each 401 says what is asked for.
  if (error.status === 401) headers.push('WWW-Authenticate', 'Bearer realm="ordinal"')
  if (error.code === 'unsupported-encoding') headers.push('Accept-Encoding', 'identity')
  const allow = error.details?.['allow']
  if (typeof allow === 'string') headers.push('Allow', allow)
  const etag = error.details?.['etag']
  if (typeof etag === 'string') headers.push('ETag', etag)
  return headers
}

/** Adds to an error what is known of the refused write; an outcome that is there already stays. */
export function withOutcome(error: ClusterError, outcome: 'not-applied' | 'unknown'): ClusterError {
  if (error.outcome !== undefined) return error
  return new ClusterError(error.code, error.message, {
    cause: error.cause,
    outcome,
    ...(error.details === undefined ? {} : { details: { ...error.details } }),
  })
}

/** Anything thrown while answering, as an expected failure; what is none becomes `internal`. */
export function toClusterError(error: unknown): ClusterError {
  if (error instanceof ClusterError) return error
  if (isFrameworkError(error)) {
    const { code, message } = error
    if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new ClusterError('value-too-large', message)
    if (code === 'FST_ERR_BAD_URL') {
      return new ClusterError('invalid-key', 'the path is not percent-encoded UTF-8')
    }
    if (code === 'FST_ERR_MAX_PARAM_LENGTH') {
      return new ClusterError('invalid-key', 'the path is too long for a key')
    }
    if (error.statusCode >= 400 && error.statusCode < 500) {
      return new ClusterError('bad-request', message, { cause: error })
    }
  }
  return new ClusterError('internal', 'an internal error; the log says more', { cause: error })
}

function isFrameworkError(
  error: unknown,
): error is Error & { readonly code: string; readonly statusCode: number } {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    'statusCode' in error &&
    typeof error.statusCode === 'number'
  )
}
