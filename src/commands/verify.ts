/**
 * `ordinal verify`: load on a cluster, and the proof that its answers hold; or the same proof of a
 * saved history. Exit codes: 0 it holds, 1 it was proved wrong, 2 nobody can tell.
 *
 * The report goes to stdout; what happens meanwhile to stderr, one line that is written over on a
 * terminal, or a line every few seconds elsewhere.
 */

import { randomBytes, randomInt } from 'node:crypto'
import { Agent, request } from 'undici'
import type { Fetch } from '../client/client.ts'
import { systemClock } from '../shared/clock.ts'
import { formatDuration } from '../shared/duration.ts'
import { ClusterError } from '../shared/errors.ts'
import { ClientTokens } from '../shared/http/client-tokens.ts'
import { checkHistory } from '../verifier/check-history.ts'
import { plural, visible } from '../verifier/explain.ts'
import type { Operation } from '../verifier/history.ts'
import { judge } from '../verifier/judgement.ts'
import { reportPage } from '../verifier/page.ts'
import { failureDocument, type Report, reportDocument, reportText } from '../verifier/report.ts'
import { type Progress, type Run, runWorkload } from '../verifier/workload/run.ts'
import {
  readHistory,
  requireDistinct,
  requireWritable,
  writeHistory,
  writeText,
} from './verify-files.ts'

export type VerifyCommand = {
  readonly url: readonly string[]
  readonly duration: number
  readonly rate: number
  readonly clients: number
  readonly keys: number
  readonly timeout: number
  readonly readBack: number
  /** What the keys start with, before a random part. */
  readonly prefix?: string
  readonly seed?: number
  readonly json?: boolean
  readonly html?: string
  readonly history?: string
  readonly check?: string
  /** Clients' tokens, the first one is shown; absent: none is. */
  readonly tokenFile?: string
}

/** Where a command writes, so that tests can read it. */
export type VerifyOutput = {
  out(text: string): void
  err(text: string): void
  /** stderr is a terminal. */
  readonly terminal: boolean
  /** Ends the load early. */
  readonly signal: AbortSignal
}

const TERMINAL_EVERY_MS = 500
const PLAIN_EVERY_MS = 5000

/** What the user can put right, in one line. */
class VerifyError extends Error {
  override readonly name = 'VerifyError'
}

/** Runs the command for this process: its streams, its signals, its exit code. */
export async function verifyAndExit(command: VerifyCommand): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(2)
      stop.abort()
    })
  }
  // Nobody reads the report any more (`| head`): it was not told to the end.
  process.stdout.on('error', () => process.exit(2))
  process.exitCode = await runVerify(command, {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    terminal: process.stderr.isTTY === true,
    signal: stop.signal,
  })
}

/** Runs the command. Resolves to its exit code; never rejects. */
export async function runVerify(command: VerifyCommand, output: VerifyOutput): Promise<0 | 1 | 2> {
  try {
    const { check, html, history } = command
    requireDistinct({ '--check': check, '--html': html, '--history': history })
    const report = await (command.check === undefined
      ? verifyCluster(command, output)
      : verifyFile(command.check, command, output))
    output.out(
      command.json === true
        ? `${JSON.stringify(reportDocument(report), undefined, 2)}\n`
        : reportText(report),
    )
    return report.judgement.exitCode
  } catch (error) {
    // 1 is for what was proved, so that no failure of this program may end with it.
    const failure = error instanceof Error ? error : new Error(String(error))
    const expected = failure instanceof VerifyError || 'expected' in failure
    const stack = `unexpected failure, please report it\n${failure.stack ?? failure.message}`
    output.err(`ordinal: could not tell: ${expected ? visible(failure.message) : stack}\n`)
    if (command.json === true) {
      output.out(`${JSON.stringify(failureDocument(failure.message), undefined, 2)}\n`)
    }
    return 2
  }
}

async function verifyFile(
  file: string,
  command: VerifyCommand,
  output: VerifyOutput,
): Promise<Report> {
  if (command.html !== undefined) requireWritable(command.html)
  const { header, operations } = await readHistory(file)
  const verdict = check(operations, header.finalReads === true, output)
  const judgement = judge(verdict, undefined)
  const report: Report = { judgement, verdict, run: undefined, historyFile: file }
  if (command.html !== undefined) writeText(command.html, reportPage(report, operations))
  return report
}

async function verifyCluster(command: VerifyCommand, output: VerifyOutput): Promise<Report> {
  const urls = command.url.map(checkedUrl)
  for (const file of [command.html, command.history]) {
    if (file !== undefined) requireWritable(file)
  }
  const tokens = openTokens(command.tokenFile)
  const seed = command.seed ?? randomInt(2 ** 31)
  // Keys of a run must hold nothing when it begins, whatever was left by others.
  const prefix = `${command.prefix ?? 'verify/'}${randomBytes(4).toString('hex')}/`
  const options = {
    urls,
    clients: command.clients,
    rate: command.rate,
    keys: command.keys,
    prefix,
    seed,
    duration_ms: command.duration,
    timeout_ms: command.timeout,
    readBack_ms: command.readBack,
  }
  const pool = new Agent({ connections: command.clients + 16, pipelining: 1 })
  const live = new LiveLine(output, options.duration_ms)
  try {
    output.err(
      `Verifying ${urls.join(', ')} for ${formatDuration(options.duration_ms)}: ` +
        `${plural(options.clients, 'client')}, ${rateText(options.rate)}, keys ${prefix}…\n`,
    )
    const outcome = await runWorkload(options, {
      clock: systemClock,
      fetch: fetchWith(pool, tokens),
      signal: output.signal,
      progress: {
        every_ms: output.terminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS,
        show: (progress) => live.show(progress),
      },
    })
    live.end()
    if (outcome.type === 'refused') throw new VerifyError(outcome.line)
    return await reportOn(outcome.run, command, output)
  } finally {
    await pool.destroy()
  }
}

async function reportOn(run: Run, command: VerifyCommand, output: VerifyOutput): Promise<Report> {
  const { operations, statistics } = run
  if (command.history !== undefined) {
    const { urls, seed, prefix } = run.options
    await writeHistory(command.history, operations, {
      finalReads: true,
      about: { urls, seed, prefix, at: new Date().toISOString() },
    })
  }
  const verdict = check(operations, true, output)
  const judgement = judge(verdict, {
    ...run,
    failures: statistics.failureCodes,
    operations: statistics.operations,
  })
  const report: Report = {
    judgement,
    verdict,
    run: { ...run.options, ...run },
    historyFile: command.history,
  }
  if (command.html !== undefined) writeText(command.html, reportPage(report, operations))
  // What was proved wrong is left for people to look at.
  if (verdict.holds === 'yes') await run.clear()
  return report
}

function check(operations: readonly Operation[], finalReads: boolean, output: VerifyOutput) {
  if (operations.length > 50_000)
    output.err(`Checking ${plural(operations.length, 'operation')} …\n`)
  return checkHistory(operations, { finalReads })
}

function checkedUrl(text: string): string {
  const url = URL.parse(text)
  if (url !== null && /^https?:$/.test(url.protocol)) return text.replace(/\/+$/, '')
  throw new VerifyError(`"${text}" is no URL like http://localhost:8080`)
}

/** The tokens are read again while the load runs, so that a changed one breaks no run. */
function openTokens(file: string | undefined): ClientTokens | undefined {
  if (file === undefined) return undefined
  try {
    return new ClientTokens({ file })
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    throw new VerifyError(error.message)
  }
}

function rateText(rate: number): string {
  return rate === 0 ? 'as fast as it answers' : `${rate} operations/s`
}

/** Sends by undici: several times cheaper than the platform's fetch, and it never sends twice. */
function fetchWith(dispatcher: Agent, tokens: ClientTokens | undefined): Fetch {
  return async (url, { method, headers, body, signal }) => {
    const token = tokens?.first
    const shown = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const answer = await request(url, {
      method: method as 'GET',
      headers: { ...headers, ...shown },
      dispatcher,
      signal,
      ...(body === undefined ? {} : { body }),
    })
    const text = await answer.body.text()
    const get = (name: string) => {
      const value = answer.headers[name]
      return value === undefined ? null : String(value)
    }
    return { status: answer.statusCode, headers: { get }, text: async () => text }
  }
}

/** The line that tells how it goes. */
class LiveLine {
  readonly #output: VerifyOutput
  readonly #duration_ms: number
  #open = false

  constructor(output: VerifyOutput, duration_ms: number) {
    this.#output = output
    this.#duration_ms = duration_ms
  }

  show(progress: Progress): void {
    const { elapsed_ms, rate, operations, failures, gap_ms, leader, term, phase } = progress
    const clock =
      phase === 'load'
        ? `${(elapsed_ms / 1000).toFixed(0)}/${(this.#duration_ms / 1000).toFixed(0)} s`
        : 'reading all keys'
    const parts = [
      clock,
      `${Math.round(rate)} operations/s`,
      `${operations.toLocaleString('en')} in all`,
      plural(failures, 'failure'),
      ...(phase === 'load' ? [`no write for ${formatDuration(gap_ms)}`] : []),
      leader === undefined ? 'leader unknown' : `${leader} leads (term ${term})`,
    ]
    const line = parts.join(' · ')
    if (!this.#output.terminal) {
      this.#output.err(`${line}\n`)
      return
    }
    this.#open = true
    this.#output.err(`\r\u001b[K${line}`)
  }

  end(): void {
    if (this.#open) this.#output.err('\r\u001b[K')
  }
}
