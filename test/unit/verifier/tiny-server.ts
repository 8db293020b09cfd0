/**
 * A store in one process that speaks the API as far as the verifier asks for it: right, or wrong in
 * a chosen way.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export type TinyOptions = {
  /** Every eighth write is acknowledged and thrown away; every eighth read shows an old value. */
  readonly lies?: 'writes' | 'reads'
  /** All writes are refused, or also all reads but those of `/v1/cluster`. */
  readonly refuses?: 'writes' | 'all'
  /** Refuses everything from then on, ms after the start. */
  readonly endsAfter_ms?: number
  /** The history id changes then, ms after the start. */
  readonly replacedAfter_ms?: number
}

const LIES_ENOUGH = 24

type Stored = { readonly value: string; readonly revision: number; readonly version: number }

class TinyStore {
  readonly #options: TinyOptions
  readonly #start_ms = performance.now()
  readonly #keys = new Map<string, Stored>()
  readonly #before = new Map<string, Stored>()
  #revision = 0
  #writes = 0
  #reads = 0
  #lies = 0
  readonly #enough = new AbortController()
  requests = 0

  constructor(options: TinyOptions) {
    this.#options = options
  }

  /** Aborted when it has lied often enough to be found out. */
  get liedEnough(): AbortSignal {
    return this.#enough.signal
  }

  get keys(): number {
    return this.#keys.size
  }

  #since(time_ms: number | undefined): boolean {
    return time_ms !== undefined && performance.now() - this.#start_ms > time_ms
  }

  get #history(): string {
    return this.#since(this.#options.replacedAfter_ms) ? 'h2' : 'h1'
  }

  answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    this.requests++
    const url = new URL(request.url as string, 'http://tiny')
    response.setHeader('Ordinal-Served-By', 'tiny')
    if (url.pathname === '/v1/cluster') {
      const leader = { name: 'db-0', ordinal: 0, why: 'lowest ordinal' }
      this.#json(response, 200, {
        clusterId: 'c1',
        name: 'db',
        history: this.#history,
        term: 1,
        leader,
      })
      return
    }
    const { refuses, endsAfter_ms } = this.#options
    const write = request.method !== 'GET'
    if (refuses === 'all' || (refuses === 'writes' && write) || this.#since(endsAfter_ms)) {
      const detail = 'a majority of the replicas is missing'
      const outcome = write ? { outcome: 'not-applied' } : {}
      this.#problem(response, 503, { code: 'quorum-lost', detail, ...outcome })
      return
    }
    const key = decodeURIComponent(url.pathname.slice('/v1/kv/'.length))
    if (write) this.#write(request, { key, body }, response)
    else this.#read(request, key, response)
  }

  #write(
    request: IncomingMessage,
    wanted: { key: string; body: string },
    response: ServerResponse,
  ) {
    const { key, body } = wanted
    const stored = this.#keys.get(key)
    const { 'if-match': match, 'if-none-match': noneMatch } = request.headers
    this.#revision++
    const tag = stored === undefined ? undefined : this.#tag(stored.revision)
    if ((match !== undefined && match !== tag) || (noneMatch === '*' && stored !== undefined)) {
      const revision = stored?.revision ?? 0
      this.#problem(response, 412, {
        code: 'precondition-failed',
        outcome: 'not-applied',
        revision,
      })
      return
    }
    if (request.method === 'DELETE' && stored === undefined) {
      this.#problem(response, 404, { code: 'not-found', outcome: 'not-applied' })
      return
    }
    const revision = this.#revision
    const kept = this.#options.lies !== 'writes' || ++this.#writes % 8 !== 0
    if (!kept) this.#lied()
    if (kept && stored !== undefined) this.#before.set(key, stored)
    if (request.method === 'DELETE') {
      if (kept) this.#keys.delete(key)
      this.#json(response, 200, { key, revision, deleted: true })
      return
    }
    const version = (stored?.version ?? 0) + 1
    if (kept) this.#keys.set(key, { value: body, revision, version })
    response.setHeader('ETag', this.#tag(revision))
    const created = stored === undefined
    this.#json(response, created ? 201 : 200, { key, revision, created })
  }

  #read(request: IncomingMessage, key: string, response: ServerResponse): void {
    const old = this.#options.lies === 'reads' && ++this.#reads % 8 === 0
    const before = old ? this.#before.get(key) : undefined
    if (before !== undefined) this.#lied()
    const stored = before ?? this.#keys.get(key)
    response.setHeader('Ordinal-Revision', this.#revision)
    if (stored === undefined) {
      this.#problem(response, 404, { code: 'not-found' })
      return
    }
    const tag = this.#tag(stored.revision)
    response.setHeader('ETag', tag)
    if (request.headers['if-none-match'] === tag) {
      response.writeHead(304).end()
      return
    }
    response.setHeader('Ordinal-Version', stored.version)
    if (request.url?.includes('consistency=stale')) response.setHeader('Ordinal-Age-Ms', 0)
    response.writeHead(200).end(stored.value)
  }

  #lied(): void {
    this.#lies += 1
    if (this.#lies === LIES_ENOUGH) this.#enough.abort()
  }

  #tag(revision: number): string {
    return `"${this.#history}-${revision}"`
  }

  #json(response: ServerResponse, status: number, document: unknown): void {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(document))
  }

  #problem(response: ServerResponse, status: number, document: Record<string, unknown>): void {
    const type = 'application/problem+json; charset=utf-8'
    response.writeHead(status, { 'Content-Type': type }).end(JSON.stringify(document))
  }
}

/** Starts one on loopback; it ends with the test. */
export async function startTiny(
  t: Test,
  options: TinyOptions = {},
): Promise<{ readonly url: string; readonly store: TinyStore }> {
  const store = new TinyStore(options)
  const url = await startServer(t, (request, response) => {
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => store.answer(request, body, response))
  })
  return { url, store }
}

/** Any server on loopback. */
export async function startServer(
  t: Test,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handle).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
