/**
 * A client of the API as a careful program would be: it keeps connections, and of each write it
 * knows afterwards whether it was done, surely was not, or may have been.
 */

import { Pool } from 'undici'

/** Longer than any deadline the tests give a server, so that the server's own answer is seen. */
const CLIENT_MS_MAX = 30_000

export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** A problem document (RFC 9457), as far as the tests look at it. */
export type Problem = {
  readonly code: string
  readonly outcome?: 'not-applied' | 'unknown'
  readonly detail: string
  readonly missing?: readonly string[]
}

export type WriteOutcome =
  | { readonly type: 'done'; readonly status: number; readonly etag: string }
  | { readonly type: 'condition-failed'; readonly problem: Problem }
  /** Surely does not take effect, now or later. */
  | { readonly type: 'refused'; readonly code: string }
  | { readonly type: 'unknown'; readonly code: string }

export type Condition = { readonly 'if-match': string } | { readonly 'if-none-match': string }

/** What a connection says that never carried the request: nobody can have received it. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT'])

export class Client {
  readonly #pool: Pool

  /** At most so many requests at a time, each on a connection of its own. */
  constructor(url: string, connections: number) {
    this.#pool = new Pool(url, {
      connections,
      pipelining: 1,
      headersTimeout: CLIENT_MS_MAX,
      bodyTimeout: CLIENT_MS_MAX,
    })
  }

  /** Rejects when the connection fails. */
  async request(
    method: 'GET' | 'PUT' | 'DELETE' | 'POST',
    path: string,
    options: { body?: string; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const { body, headers } = options
    const answer = await this.#pool.request({
      method,
      path,
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, headers: answer.headers, text }
  }

  /** Never rejects for what a network or a server may do. */
  async put(path: string, body: string, condition?: Condition): Promise<WriteOutcome> {
    try {
      const headers = condition === undefined ? {} : { headers: { ...condition } }
      return outcomeOf(await this.request('PUT', path, { body, ...headers }))
    } catch (error) {
      const code = codeOf(error)
      if (code === undefined) throw error
      return NEVER_SENT.has(code) ? { type: 'refused', code } : { type: 'unknown', code }
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

/** The code of a failed connection; undefined: something else is wrong. */
export function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

export function problemOf(answer: Answer): Problem {
  return JSON.parse(answer.text) as Problem
}

function outcomeOf(answer: Answer): WriteOutcome {
  const { status } = answer
  if (status === 200 || status === 201) {
    return { type: 'done', status, etag: String(answer.headers['etag']) }
  }
  const problem = problemOf(answer)
  if (status === 412) return { type: 'condition-failed', problem }
  if (problem.outcome === 'not-applied') return { type: 'refused', code: problem.code }
  if (problem.outcome === 'unknown') return { type: 'unknown', code: problem.code }
  throw new Error(`a refused write does not say its outcome: ${status} ${answer.text}`)
}
