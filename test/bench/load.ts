/**
 * A small load generator on raw sockets, run as a process of its own:
 *
 *     node test/bench/load.ts <plan.json>          prints a DriveResult as JSON
 *
 * Each connection sends a request, reads the answer as far as needed (status, Content-Length), and
 * sends the next. Requests are made before the clock starts. No HTTP client: that would cost as
 * much as the server under test.
 */

import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { answerLength, answerStatus } from './answer-parser.ts'
import { ANSWER_MS_MAX, type DriveErrors, type DriveResult } from './generator.ts'
import type { LoadPlan } from './own-generator.ts'

const ANSWER_BYTES_MAX = 64 * 1024
const TICK_MS = 50

type Tally = { -readonly [Kind in keyof DriveErrors]: number }

/** xorshift32 (Marsaglia 2003): what matters is that it is cheap. */
function randomNumbers(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

class Load {
  readonly #plan: LoadPlan
  readonly #requests: readonly Buffer[]
  readonly #random: (below: number) => number
  readonly #sockets = new Set<Socket>()
  readonly #latencies: number[] = []
  readonly #errors: Tally = { connect: 0, read: 0, write: 0, status: 0, timeout: 0 }
  #sent = 0
  #open = 0
  #stopped = false

  constructor(plan: LoadPlan) {
    this.#plan = plan
    const { head, tails } = plan
    this.#requests = plan.keys.map((key, number) =>
      Buffer.from(`${head}${key}${tails[number % tails.length]}`, 'latin1'),
    )
    this.#random = randomNumbers(plan.seed)
  }

  async run(): Promise<DriveResult> {
    const { connections, seconds, eachOnce } = this.#plan
    for (let number = 0; number < connections; number++) this.#connect()
    const cpu = process.cpuUsage()
    const start_ms = performance.now()
    const end_ms = eachOnce ? Number.POSITIVE_INFINITY : start_ms + seconds * 1000
    while (performance.now() < end_ms && this.#open > 0) {
      const left_ms = Math.min(TICK_MS, end_ms - performance.now())
      await new Promise((resolve) => setTimeout(resolve, Math.max(1, left_ms)))
    }
    this.#stopped = true
    const duration_us = Math.round((performance.now() - start_ms) * 1000)
    const { user, system } = process.cpuUsage(cpu)
    for (const socket of this.#sockets) socket.destroy()
    return { ...this.#summary(), duration_us, cpu_us: user + system }
  }

  #summary(): Omit<DriveResult, 'duration_us' | 'cpu_us'> {
    const sorted = Float64Array.from(this.#latencies).sort()
    const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0
    return {
      requests: sorted.length,
      p50_us: Math.round(at(0.5) * 1000),
      p99_us: Math.round(at(0.99) * 1000),
      max_us: Math.round(at(1) * 1000),
      errors: this.#errors,
    }
  }

  /** The next request of any connection; undefined: each was sent. */
  #next(): Buffer | undefined {
    if (!this.#plan.eachOnce) return this.#requests[this.#random(this.#requests.length)]
    this.#sent += 1
    return this.#requests[this.#sent - 1]
  }

  #connect(): void {
    const socket = connect({ host: '127.0.0.1', port: this.#plan.port, noDelay: true })
    this.#sockets.add(socket)
    this.#open += 1
    let connected = false
    let sent_ms = 0
    let held: Buffer | undefined
    const send = () => {
      const request = this.#next()
      if (request === undefined) return socket.destroy()
      sent_ms = performance.now()
      socket.write(request)
      return undefined
    }
    const fail = (kind: keyof Tally) => {
      if (!this.#stopped) this.#errors[kind] += 1
      socket.destroy()
    }
    socket.on('connect', () => {
      connected = true
      send()
    })
    socket.on('data', (chunk: Buffer) => {
      const bytes = held === undefined ? chunk : Buffer.concat([held, chunk])
      const length = answerLength(bytes)
      held = length === undefined || bytes.length < length ? bytes : undefined
      if (held !== undefined) return held.length > ANSWER_BYTES_MAX ? fail('read') : undefined
      if (this.#stopped) return undefined
      const status = answerStatus(bytes)
      if (status < 200 || status > 299) this.#errors.status += 1
      this.#latencies.push(performance.now() - sent_ms)
      return send()
    })
    socket.setTimeout(ANSWER_MS_MAX, () => fail('timeout'))
    socket.on('error', () => fail(connected ? 'read' : 'connect'))
    // A server that ends a keep-alive connection makes the next request slower: an error too.
    socket.on('end', () => fail('read'))
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#open -= 1
    })
  }
}

const plan = JSON.parse(readFileSync(String(process.argv[2]), 'utf8')) as LoadPlan
const result = await new Load(plan).run()
process.stdout.write(`${JSON.stringify(result)}\n`)
