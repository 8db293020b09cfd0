/**
 * Calls of the Kubernetes API: JSON over HTTP, one deadline for each whole call, bounded answers.
 *
 * The library `@kubernetes/client-node` gives the types alone. Loading it takes half a second and
 * more in which the event loop stands still, in a process whose peers elect another leader after
 * one second, and 80 MB of memory a replica (docs/architecture.md).
 */

import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Clock } from '../shared/clock.ts'
import { KUBERNETES_ANSWER_BYTES_MAX, KUBERNETES_CONNECTIONS_MAX } from '../shared/limits.ts'
import { Account, type Credentials } from './account.ts'
import { type Answer, failureOf } from './answer.ts'

/** A merge patch (RFC 7386) names only what changes. */
const CONTENT_TYPES = { POST: 'application/json', PATCH: 'application/merge-patch+json' }

export type Call = {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly body?: unknown
  readonly timeout_ms: number
}

export type ApiServerOptions = {
  /** `https://host:port`; undefined: not told, every call is `unreachable`. */
  readonly server: string | undefined
  readonly accountFolder: string
  readonly clock: Clock
}

type Raw = { readonly status: number; readonly text: string }

export class ApiServer {
  readonly #server: URL | undefined
  readonly #account: Account
  readonly #clock: Clock
  readonly #agent: HttpAgent

  constructor({ server, accountFolder, clock }: ApiServerOptions) {
    this.#server = server === undefined ? undefined : new URL(server)
    this.#account = new Account(accountFolder)
    this.#clock = clock
    const pool = { keepAlive: true, maxSockets: KUBERNETES_CONNECTIONS_MAX }
    const plain = this.#server?.protocol === 'http:'
    this.#agent = plain ? new HttpAgent(pool) : new HttpsAgent(pool)
  }

  /** Never rejects; ends within `timeout_ms`. */
  async call<T>(call: Call): Promise<Answer<T>> {
    if (this.#server === undefined) {
      return { type: 'unreachable', why: 'KUBERNETES_SERVICE_HOST is not set: is this a Pod?' }
    }
    const gone = new AbortController()
    const timer = this.#clock.after(call.timeout_ms, () => {
      gone.abort(new Error(`no answer within ${call.timeout_ms} ms`))
    })
    try {
      return answerOf<T>(call, await this.#exchange(this.#server, call, gone.signal))
    } catch (error) {
      const cause = gone.signal.aborted ? gone.signal.reason : error
      return { type: 'unreachable', why: reasonOf(cause) }
    } finally {
      timer.cancel()
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #exchange(server: URL, call: Call, signal: AbortSignal): Promise<Raw> {
    const shown = this.#account.credentials()
    const send = () =>
      this.#send(server, call, { signal, credentials: this.#account.credentials() })
    let raw: Raw
    try {
      raw = await send()
    } catch (error) {
      // The other end closed a connection that had been idle: a new one tells.
      if (!(error instanceof StaleConnection) || signal.aborted) throw error
      raw = await send()
    }
    const renewed = raw.status === 401 && this.#account.credentials() !== shown
    return renewed ? await send() : raw
  }

  #send(
    server: URL,
    { method, path, body }: Call,
    { signal, credentials }: { signal: AbortSignal; credentials: Credentials },
  ): Promise<Raw> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const request = server.protocol === 'http:' ? requestHttp : requestHttps
    return new Promise<Raw>((resolve, reject) => {
      const sent = request(new URL(path, server), {
        method,
        agent: this.#agent,
        signal,
        ca: credentials.ca,
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${credentials.token}`,
          'user-agent': 'ordinal',
          ...(payload === undefined || method === 'GET'
            ? {}
            : { 'content-type': CONTENT_TYPES[method], 'content-length': payload.length }),
        },
      })
      sent.once('response', (response) => textOf(response).then(resolve, reject))
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const stale = sent.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        reject(stale ? new StaleConnection(error.message) : error)
      })
      sent.end(payload)
    })
  }
}

class StaleConnection extends Error {}

async function textOf(response: IncomingMessage): Promise<Raw> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > KUBERNETES_ANSWER_BYTES_MAX) throw new Error('the answer is too long')
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }
}

function answerOf<T>({ method, path }: Call, { status, text }: Raw): Answer<T> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const why = `${method} ${path}: ${status}, and the answer is no JSON`
    return status < 300 ? { type: 'unreachable', why } : failureOf(status, why)
  }
  if (status >= 200 && status < 300 && typeof parsed === 'object' && parsed !== null) {
    return { type: 'ok', object: parsed as T }
  }
  // A `Status` object tells why (Kubernetes API conventions, "Response Status Kind").
  const message = (parsed as { message?: unknown } | null)?.message
  const why = typeof message === 'string' && message !== '' ? message : `${method} ${path}`
  return failureOf(status, `${status}: ${why}`)
}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) {
    return cause.errors[0].message
  }
  return cause instanceof Error && cause.message !== '' ? cause.message : String(cause)
}
