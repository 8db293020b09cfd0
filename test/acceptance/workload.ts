/**
 * Clients that write and remember what was acknowledged, and the check that nothing of it is
 * missing.
 *
 * Each key belongs to one client, which writes 1, 2, 3, … to it. What stands there afterwards must
 * be the last number acknowledged, or one whose outcome was unknown. A key with an unknown outcome
 * is not written again: its value stays a fact about that one write.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'

export type LoadOptions = {
  /** The balanced API. */
  readonly url: string
  readonly clients: number
  /** Keys that each client writes in turn; 16 if absent. */
  readonly keys?: number
  /** 256 if absent. */
  readonly valueBytes?: number
  /** Time each write is given by the server; 10 s if absent. */
  readonly timeout_ms?: number
  /** What the keys start with; `load` if absent. */
  readonly prefix?: string
}

export type Answer = {
  readonly status: number
  readonly body: string
  /** Of a problem document. */
  readonly code: string | undefined
  readonly outcome: string | undefined
}

type Fact = { acknowledged: number; inDoubt: number | undefined }

/** What is wrong with a key: what was read, and what it should have been. */
export type Missing = { readonly key: string; readonly read: string; readonly expected: string }

const REQUEST_MS_MAX = 30_000
/** Pause of a client whose write was refused. */
const REFUSED_PAUSE_MS = 20
const CHECKS_AT_ONCE = 32

/** One HTTP client of its own connections. `close()` it. */
export class Client {
  readonly #agent: Agent

  constructor(connections: number) {
    this.#agent = new Agent({
      connections,
      headersTimeout: REQUEST_MS_MAX,
      bodyTimeout: REQUEST_MS_MAX,
    })
  }

  /** Rejects only when no answer came. */
  async call(url: string, method: 'GET' | 'PUT' | 'DELETE', body?: string): Promise<Answer> {
    const answer = await request(url, {
      method,
      dispatcher: this.#agent,
      ...(body === undefined ? {} : { body }),
    })
    const text = await answer.body.text()
    const type = String(answer.headers['content-type'] ?? '')
    const problem = type.startsWith('application/problem+json')
      ? (JSON.parse(text) as { code?: string; outcome?: string })
      : {}
    return {
      status: answer.statusCode,
      body: text,
      code: problem.code,
      outcome: problem.outcome,
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

export class Load {
  readonly #options: Required<LoadOptions>
  readonly #client: Client
  readonly #facts = new Map<string, Fact>()
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0 }
  #stopping = false
  #running: Promise<void>[] = []
  #starts = 0

  constructor(options: LoadOptions) {
    this.#options = { keys: 16, valueBytes: 256, timeout_ms: 10_000, prefix: 'load', ...options }
    this.#client = new Client(options.clients)
  }

  /** Starts all clients, each with keys of its own that no earlier start used. */
  start(): void {
    this.#stopping = false
    this.#starts += 1
    const { clients } = this.#options
    this.#running = Array.from({ length: clients }, (_, number) =>
      this.#run(`${this.#options.prefix}/${this.#starts}/${number}`),
    )
  }

  /** Resolves when each client has the answer to its last write. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#running)
  }

  async close(): Promise<void> {
    this.#stopping = true
    await this.#client.close()
    await Promise.allSettled(this.#running)
  }

  /** Keys that hold something, as far as is known. */
  get keys(): readonly string[] {
    return [...this.#facts.keys()]
  }

  /** Resolves when `more` writes were acknowledged from now on. */
  async acknowledge(more: number, timeout_ms: number): Promise<void> {
    const wanted = this.counts.acknowledged + more
    const deadline_ms = performance.now() + timeout_ms
    while (this.counts.acknowledged < wanted) {
      if (performance.now() > deadline_ms) {
        const { acknowledged } = this.counts
        throw new Error(`only ${acknowledged} of ${wanted} writes within ${timeout_ms} ms`)
      }
      await delay(5)
    }
  }

  async #run(prefix: string): Promise<void> {
    const { keys } = this.#options
    const names = Array.from({ length: keys }, (_, number) => `${prefix}/${number}`)
    let fresh = keys
    for (let turn = 0; !this.#stopping; turn += 1) {
      const at = turn % keys
      const key = names[at] as string
      const fact = this.#facts.get(key) ?? { acknowledged: 0, inDoubt: undefined }
      const outcome = await this.#write(key, fact)
      if (outcome === 'unknown') {
        names[at] = `${prefix}/${fresh}`
        fresh += 1
      }
      if (outcome !== 'acknowledged') await delay(REFUSED_PAUSE_MS)
    }
  }

  async #write(key: string, fact: Fact): Promise<'acknowledged' | 'refused' | 'unknown'> {
    const { url, timeout_ms } = this.#options
    const number = fact.acknowledged + 1
    const target = `${url}/v1/kv/${key}?timeout=${timeout_ms}ms`
    const answer = await this.#client
      .call(target, 'PUT', this.#value(number))
      .catch(() => undefined)
    if (answer?.status === 200 || answer?.status === 201) {
      this.#facts.set(key, { acknowledged: number, inDoubt: undefined })
      this.counts.acknowledged += 1
      return 'acknowledged'
    }
    if (answer?.outcome === 'not-applied') {
      this.counts.refused += 1
      return 'refused'
    }
    this.#facts.set(key, { ...fact, inDoubt: number })
    this.counts.unknown += 1
    return 'unknown'
  }

  #value(number: number): string {
    return `${number} `.padEnd(this.#options.valueBytes, '.')
  }

  /** Reads every key through the API; [] when nothing acknowledged is missing. */
  async check(): Promise<Missing[]> {
    const left = [...this.#facts]
    const missing: Missing[] = []
    const work = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const found = await this.#look(...next)
        if (found !== undefined) missing.push(found)
      }
    }
    await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, work))
    return missing
  }

  async #look(key: string, fact: Fact): Promise<Missing | undefined> {
    const { url } = this.#options
    const answer = await this.#client.call(`${url}/v1/kv/${key}?timeout=20s`, 'GET')
    const absent = answer.status === 404 && answer.code === 'not-found'
    if (answer.status !== 200 && !absent) throw new Error(`GET ${key}: ${answer.status}`)
    const read = absent ? 0 : Number.parseInt(answer.body, 10)
    if (read === fact.acknowledged || read === fact.inDoubt) return undefined
    const expected =
      fact.inDoubt === undefined
        ? String(fact.acknowledged)
        : `${fact.acknowledged} or ${fact.inDoubt}`
    return { key, read: String(read), expected }
  }
}
