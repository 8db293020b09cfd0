/** What became of a call of the Kubernetes API. Failures are values: nobody may end for one. */

export type Answer<T> =
  | { readonly type: 'ok'; readonly object: T }
  /** There is no such object. */
  | { readonly type: 'absent'; readonly why: string }
  /** This ServiceAccount may not. */
  | { readonly type: 'refused'; readonly why: string }
  /** Somebody changed the object meanwhile, or it is there already. */
  | { readonly type: 'conflict'; readonly why: string }
  /** The API server does not take the request as it is. */
  | { readonly type: 'invalid'; readonly why: string }
  /** No answer in time, or one that says to come back later. */
  | { readonly type: 'unreachable'; readonly why: string }

type Failed = Exclude<Answer<never>, { type: 'ok' }>

/** The meaning of a status other than 2xx (Kubernetes API conventions, "HTTP status codes"). */
export function failureOf(status: number, why: string): Failed {
  if (status === 401 || status === 403) return { type: 'refused', why }
  if (status === 404 || status === 410) return { type: 'absent', why }
  if (status === 409) return { type: 'conflict', why }
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return { type: 'invalid', why }
  }
  return { type: 'unreachable', why }
}
