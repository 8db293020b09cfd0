/**
 * A client of Ordinal's HTTP interface for programs, on `fetch` alone, browsers too.
 *
 * It sends each request once: whoever wants it sent again decides that with what is known of its
 * fate. What the server says is handed on as it is said; what it cannot have said (an answer that
 * is not Ordinal's) is `foreign`, and no answer at all is `no-answer`.
 */

/** What of `fetch` is used, so that another way of sending can be handed in. */
export type Fetch = (
  url: string,
  request: {
    readonly method: string
    readonly headers: Record<string, string>
    readonly body?: string
    readonly signal: AbortSignal
  },
) => Promise<{
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
}>

/** What comes with each answer of a server. */
export type Source = {
  readonly status: number
  /** Ordinal-Revision: the revision of the state that answered; undefined: not told. */
  readonly revision: number | undefined
  readonly servedBy: string | undefined
}

export type Failure =
  /** A problem document (RFC 9457). */
  | {
      readonly type: 'problem'
      readonly source: Source
      readonly code: string
      readonly detail: string
      /** Refused writes: is it known that it never takes effect? */
      readonly outcome: 'not-applied' | 'unknown' | undefined
    }
  /** It does not look like an answer of Ordinal. */
  | { readonly type: 'foreign'; readonly source: Source; readonly detail: string }
  /** `sent`: the request may have reached a server. */
  | { readonly type: 'no-answer'; readonly sent: boolean; readonly detail: string }

export type WriteAnswer =
  | {
      readonly type: 'written'
      readonly source: Source
      readonly revision: number
      readonly created: boolean
      readonly history: string | undefined
    }
  | { readonly type: 'deleted'; readonly source: Source; readonly revision: number }
  /** A delete found nothing. */
  | { readonly type: 'absent'; readonly source: Source }
  /** 412; `revision` 0: no such key. */
  | {
      readonly type: 'condition-failed'
      readonly source: Source
      readonly revision: number | undefined
    }
  | Failure

export type ReadAnswer =
  | {
      readonly type: 'found'
      readonly source: Source
      readonly value: string
      readonly revision: number
      readonly history: string
      readonly version: number | undefined
      /** Stale reads: how old the state may be; undefined: not told. */
      readonly age_ms: number | undefined
    }
  | { readonly type: 'absent'; readonly source: Source; readonly age_ms: number | undefined }
  | { readonly type: 'not-modified'; readonly source: Source; readonly age_ms: number | undefined }
  | Failure

/** What `GET /v1/cluster` says, as far as programs need it. */
export type Cluster = {
  readonly type: 'cluster'
  readonly clusterId: string
  readonly name: string
  readonly history: string
  readonly term: number
  readonly leader: string | undefined
}

export type WriteOptions = {
  /** If-Match, If-None-Match. */
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
}

export type ReadOptions = {
  readonly ifNoneMatch?: string
  readonly consistency?: 'linearizable' | 'stale'
  readonly maxStale_ms?: number
  readonly minRevision?: number
}

/** After the server's own deadline, an answer has this long to arrive, ms. */
const GRACE_MS = 2000
/** What a connection says that never carried the request. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])
const TAG = /^"(.+)-(\d+)"$/

export class Client {
  readonly #url: string
  readonly #fetch: Fetch
  readonly #timeout_ms: number

  /** @param timeout_ms what a server is given for each request. */
  constructor(options: {
    readonly url: string
    readonly timeout_ms?: number
    readonly fetch?: Fetch
  }) {
    this.#url = options.url.replace(/\/+$/, '')
    this.#timeout_ms = options.timeout_ms ?? 5000
    this.#fetch = options.fetch ?? fetch
  }

  async put(key: string, value: string, options: WriteOptions = {}): Promise<WriteAnswer> {
    const headers = { 'content-type': 'text/plain', ...conditions(options) }
    const answer = await this.#send(pathOf(key), { method: 'PUT', headers, body: value })
    return 'type' in answer ? answer : readWrite(answer)
  }

  async delete(key: string, options: WriteOptions = {}): Promise<WriteAnswer> {
    const request = { method: 'DELETE', headers: conditions(options) }
    const answer = await this.#send(pathOf(key), request)
    return 'type' in answer ? answer : readWrite(answer)
  }

  async get(key: string, options: ReadOptions = {}): Promise<ReadAnswer> {
    const { consistency, maxStale_ms, minRevision } = options
    const query = new URLSearchParams({
      ...(consistency === undefined ? {} : { consistency }),
      ...(maxStale_ms === undefined ? {} : { maxStale: `${maxStale_ms}ms` }),
      ...(minRevision === undefined ? {} : { minRevision: String(minRevision) }),
    }).toString()
    const path = query === '' ? pathOf(key) : `${pathOf(key)}?${query}`
    const answer = await this.#send(path, { method: 'GET', headers: conditions(options) })
    return 'type' in answer ? answer : readRead(answer)
  }

  async cluster(): Promise<Cluster | Failure> {
    const answer = await this.#send('/v1/cluster', { method: 'GET', headers: {} })
    return 'type' in answer ? answer : readCluster(answer)
  }

  async #send(
    path: string,
    request: { method: string; headers: Record<string, string>; body?: string },
  ): Promise<Raw | Extract<Failure, { type: 'no-answer' }>> {
    const signal = AbortSignal.timeout(this.#timeout_ms + GRACE_MS)
    try {
      const headers = { ...request.headers, 'ordinal-timeout': `${this.#timeout_ms}ms` }
      const answer = await this.#fetch(`${this.#url}${path}`, { ...request, headers, signal })
      return { status: answer.status, headers: answer.headers, body: await answer.text() }
    } catch (error) {
      return noAnswer(error)
    }
  }
}

type Raw = {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: string
}

function pathOf(key: string): string {
  return `/v1/kv/${key.split('/').map(encodeURIComponent).join('/')}`
}

function conditions({ ifMatch, ifNoneMatch }: WriteOptions): Record<string, string> {
  return {
    ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
  }
}

function noAnswer(error: unknown): Extract<Failure, { type: 'no-answer' }> {
  const { cause, code, message, name } = error as {
    cause?: { code?: unknown; message?: string }
    code?: unknown
    message?: string
    name?: string
  }
  const known = cause?.code ?? code
  const sent = !(typeof known === 'string' && NEVER_SENT.has(known))
  if (name === 'TimeoutError') return { type: 'no-answer', sent, detail: 'no answer in time' }
  const words = [cause?.message, message, known, name].find(
    (one) => one !== undefined && one !== '',
  )
  return { type: 'no-answer', sent, detail: String(words ?? error) }
}

function sourceOf({ status, headers }: Raw): Source {
  const servedBy = headers.get('ordinal-served-by') ?? undefined
  return { status, revision: wholeNumber(headers.get('ordinal-revision')), servedBy }
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,16}$/.test(text) ? Number(text) : undefined
}

function parsed({ body }: Raw): Record<string, unknown> {
  try {
    const document: unknown = JSON.parse(body)
    return typeof document === 'object' && document !== null
      ? (document as Record<string, unknown>)
      : {}
  } catch {
    return {}
  }
}

function readWrite(raw: Raw): WriteAnswer {
  const { status } = raw
  const source = sourceOf(raw)
  if (status !== 200 && status !== 201) {
    const failure = failureOf(raw)
    if (failure.type !== 'problem') return failure
    if (failure.code === 'not-found') return { type: 'absent', source }
    if (failure.code !== 'precondition-failed') return failure
    const { revision } = parsed(raw)
    return {
      type: 'condition-failed',
      source,
      revision: typeof revision === 'number' ? revision : undefined,
    }
  }
  const { revision, created, deleted } = parsed(raw)
  if (typeof revision !== 'number') return foreign(raw)
  if (deleted === true) return { type: 'deleted', source, revision }
  if (typeof created !== 'boolean') return foreign(raw)
  const history = TAG.exec(raw.headers.get('etag') ?? '')?.[1]
  return { type: 'written', source, revision, created, history }
}

function readRead(raw: Raw): ReadAnswer {
  const { status, headers, body } = raw
  const source = sourceOf(raw)
  const age_ms = wholeNumber(headers.get('ordinal-age-ms'))
  if (status === 304) return { type: 'not-modified', source, age_ms }
  if (status !== 200) {
    const failure = failureOf(raw)
    const absent = failure.type === 'problem' && failure.code === 'not-found'
    return absent ? { type: 'absent', source, age_ms } : failure
  }
  const tag = TAG.exec(headers.get('etag') ?? '')
  if (tag === null) return foreign(raw)
  return {
    type: 'found',
    source,
    value: body,
    revision: Number(tag[2]),
    history: tag[1] as string,
    version: wholeNumber(headers.get('ordinal-version')),
    age_ms,
  }
}

function readCluster(raw: Raw): Cluster | Failure {
  if (raw.status !== 200) return failureOf(raw)
  const { clusterId, name, history, term, leader } = parsed(raw)
  if (typeof clusterId !== 'string' || typeof history !== 'string' || typeof term !== 'number') {
    return foreign(raw)
  }
  const leads = (leader as { name?: unknown } | undefined)?.name
  return {
    type: 'cluster',
    clusterId,
    name: String(name),
    history,
    term,
    leader: typeof leads === 'string' ? leads : undefined,
  }
}

function failureOf(raw: Raw): Failure {
  const type = raw.headers.get('content-type') ?? ''
  const { code, detail, outcome } = parsed(raw)
  if (!type.startsWith('application/problem+json') || typeof code !== 'string') return foreign(raw)
  return {
    type: 'problem',
    source: sourceOf(raw),
    code,
    detail: typeof detail === 'string' ? detail : code,
    outcome: outcome === 'not-applied' || outcome === 'unknown' ? outcome : undefined,
  }
}

function foreign(raw: Raw): Extract<Failure, { type: 'foreign' }> {
  const type = raw.headers.get('content-type') ?? 'no content type'
  return { type: 'foreign', source: sourceOf(raw), detail: `status ${raw.status}, ${type}` }
}
