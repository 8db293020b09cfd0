/**
 * Puts many keys as fast as the cluster takes them, as a process of its own:
 *
 *     node test/acceptance/loader.ts <port> <keys> <value bytes> <connections>
 *
 * prints `{ "acknowledged", "again", "duration_ms" }`. Raw sockets, for an HTTP client would cost
 * as much as a server. A put that is refused is sent again; each key is acknowledged in the end.
 */

import { connect, type Socket } from 'node:net'
import { answerLength, answerStatus } from '../bench/answer-parser.ts'

export type LoaderResult = {
  readonly acknowledged: number
  /** Puts that were refused and sent again. */
  readonly again: number
  readonly duration_ms: number
}

/** Odd and no multiple of five: each number below a power of ten once, in an unordered order. */
const STEP = 7_368_787
const REFUSED_PAUSE_MS = 50

/** Key of one number. */
export function keyOf(number: number): string {
  return `million/${String(number).padStart(9, '0')}`
}

class Loader {
  readonly #port: number
  readonly #keys: number
  readonly #value: string
  #next = 0
  #acknowledged = 0
  #again = 0

  constructor(options: { port: number; keys: number; valueBytes: number }) {
    this.#port = options.port
    this.#keys = options.keys
    this.#value = '.'.repeat(options.valueBytes - 12)
  }

  async run(connections: number): Promise<LoaderResult> {
    const start_ms = performance.now()
    await Promise.all(Array.from({ length: connections }, () => this.#connection()))
    const duration_ms = Math.round(performance.now() - start_ms)
    return { acknowledged: this.#acknowledged, again: this.#again, duration_ms }
  }

  #request(number: number): string {
    const value = `${String(number).padEnd(12)}${this.#value}`
    return (
      `PUT /v1/kv/${keyOf(number)}?timeout=30s HTTP/1.1\r\nHost: ordinal\r\n` +
      `Content-Length: ${value.length}\r\n\r\n${value}`
    )
  }

  #take(): number | undefined {
    if (this.#next === this.#keys) return undefined
    this.#next += 1
    return (this.#next * STEP) % this.#keys
  }

  #connection(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket: Socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true })
      let held: Buffer | undefined
      let number: number | undefined
      const send = (again: boolean) => {
        if (!again) number = this.#take()
        if (number === undefined) socket.destroy()
        else socket.write(this.#request(number))
      }
      socket.on('connect', () => send(false))
      socket.on('data', (chunk: Buffer) => {
        const bytes = held === undefined ? chunk : Buffer.concat([held, chunk])
        const length = answerLength(bytes)
        held = length === undefined || bytes.length < length ? bytes : undefined
        if (held !== undefined) return
        const status = answerStatus(bytes)
        if (status === 200 || status === 201) {
          this.#acknowledged += 1
          send(false)
        } else if (status === 503) {
          this.#again += 1
          setTimeout(() => send(true), REFUSED_PAUSE_MS)
        } else {
          socket.destroy(new Error(`a put was answered: ${bytes.toString('latin1')}`))
        }
      })
      socket.on('error', reject)
      socket.on('close', () => {
        if (number === undefined) resolve()
        else reject(new Error('a connection was closed in the middle'))
      })
    })
  }
}

if (import.meta.main) {
  const [port = 0, keys = 0, valueBytes = 0, connections = 0] = process.argv.slice(2).map(Number)
  const result = await new Loader({ port, keys, valueBytes }).run(connections)
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
