/**
 * The tests' hand inside the cluster: a Pod of Ordinal's own image that does what only a Pod can do
 * (names of headless Services, ClusterIPs, the load of `ordinal verify`) and tells it over HTTP.
 * The tests reach it by the API server's proxy. It stands alone: nothing but Node is beside it in
 * the Pod.
 *
 *   GET  /srv?name=…                      SRV records
 *   POST /ask   {url, method, body, headers}  one request, on a connection of its own
 *   POST /many  {url, count, method, body}  so many, counted by status and `Ordinal-Served-By`
 *   POST /file  {name, text}              writes a file of the Pod's /tmp
 *   POST /run   {args, env}               starts `ordinal …`; answers its id
 *   GET  /run?id=…                        how it goes, and what it has printed
 *   POST /stop?id=…                       asks it to end
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { join } from 'node:path'

const PORT = 8000
const ASK_MS_MAX = 10_000
const AT_ONCE = 20
const OUTPUT_CHARACTERS_MAX = 8 * 1024 * 1024

type Ask = {
  readonly url: string
  readonly method?: string
  readonly body?: string
  readonly headers?: Record<string, string>
}
type Told = {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly text: string
}
type Run = {
  readonly child: ChildProcess
  out: string
  err: string
  exitCode: number | null
  ended: boolean
}

const runs: Run[] = []

function ask({ url, method = 'GET', body, headers = {} }: Ask): Promise<Told> {
  return new Promise((resolve, reject) => {
    // Whom to trust is looked at by the load; here what is answered counts.
    const options = {
      method,
      headers,
      agent: false,
      timeout: ASK_MS_MAX,
      rejectUnauthorized: false,
    }
    const send = url.startsWith('https:') ? secureRequest : request
    const sent = send(url, options, async (answer: IncomingMessage) => {
      try {
        const text = await textOf(answer)
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text })
      } catch (error) {
        reject(error)
      }
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.on('error', reject)
    sent.end(body)
  })
}

async function textOf(stream: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

/** How often each was answered: by status and server, or by the error's code. */
async function many({ count, ...asked }: Ask & { readonly count: number }) {
  const counts: Record<string, number> = {}
  let left = count
  const worker = async () => {
    while (left > 0) {
      left -= 1
      const told = await ask(asked).then(
        ({ status, headers }) => `${status} ${String(headers['ordinal-served-by'])}`,
        (error) => `error ${String((error as { code?: string }).code ?? error)}`,
      )
      counts[told] = (counts[told] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return counts
}

function start({ args, env = {} }: { args: readonly string[]; env?: Record<string, string> }) {
  const child = spawn(process.execPath, ['/app/src/main.ts', ...args], {
    env: { ...process.env, ...env },
  })
  const run: Run = { child, out: '', err: '', exitCode: null, ended: false }
  const keep = (text: string, more: Buffer) => (text + more).slice(-OUTPUT_CHARACTERS_MAX)
  child.stdout.on('data', (more: Buffer) => {
    run.out = keep(run.out, more)
  })
  child.stderr.on('data', (more: Buffer) => {
    run.err = keep(run.err, more)
  })
  child.on('close', (code) => {
    run.exitCode = code
    run.ended = true
  })
  return { id: runs.push(run) - 1 }
}

function told(id: string | null) {
  const run = runs[Number(id)]
  if (run === undefined) throw new Error(`no run ${id}`)
  const { child, ...rest } = run
  return { child, rest }
}

function writeFile({ name, text }: { name: string; text: string }) {
  writeFileSync(join('/tmp', name), text)
  return { written: name }
}

async function answer(incoming: IncomingMessage): Promise<unknown> {
  const url = new URL(incoming.url ?? '/', 'http://probe')
  const body = async <T>() => JSON.parse(await textOf(incoming)) as T
  switch (url.pathname) {
    case '/':
      return { ready: true }
    case '/srv':
      return new Resolver().resolveSrv(url.searchParams.get('name') ?? '')
    case '/ask':
      return ask(await body<Ask>())
    case '/many':
      return many(await body<Ask & { count: number }>())
    case '/file':
      return writeFile(await body<{ name: string; text: string }>())
    case '/run':
      if (incoming.method === 'POST') return start(await body<{ args: string[] }>())
      return told(url.searchParams.get('id')).rest
    case '/stop':
      return { stopped: told(url.searchParams.get('id')).child.kill('SIGINT') }
    default:
      throw new Error(`there is no ${url.pathname}`)
  }
}

createServer((incoming, outgoing) => {
  answer(incoming).then(
    (value) => outgoing.end(JSON.stringify(value)),
    (error) => outgoing.writeHead(500).end(String(error?.code ?? error)),
  )
}).listen(PORT)
// As PID 1 it is told nothing by default.
process.on('SIGTERM', () => process.exit())
