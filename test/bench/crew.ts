/**
 * The processes that a benchmark starts, and their end: each is stopped by the pid it was started
 * with, whatever happened before. Each has a process group of its own, so that a
 * Ctrl-C in the terminal reaches this program alone, which then stops them.
 *
 * Should this program be killed itself, they end too: those on Node by their channel, others by the
 * kernel (prctl(2), PR_SET_PDEATHSIG) where util-linux' `setpriv` is there to ask for it.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Launch = {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A child on Node is told by a closed channel that this program was killed. */
  readonly channel?: boolean
  /** How long it may take to end after SIGTERM. */
  readonly grace_ms: number
}

const KILL_MS = 2000
const LOG_LINES = 15

/** `setpriv` becomes the command it is given: the pid stays. */
function commandLine(launch: Launch): [command: string, args: readonly string[]] {
  if (launch.channel) return [launch.command, launch.args]
  const known = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { stdio: 'ignore' })
  if (known.status !== 0) return [launch.command, launch.args]
  return ['setpriv', ['--pdeathsig', 'KILL', launch.command, ...launch.args]]
}

export class CrewMember {
  readonly name: string
  readonly pid: number
  readonly #process: ChildProcess
  readonly #logFile: string
  readonly #grace_ms: number
  readonly #exited: Promise<void>
  #ended: string | undefined

  /** Made by {@link Crew.start}. */
  constructor(process: ChildProcess, logFile: string, launch: Launch) {
    this.name = launch.name
    this.pid = process.pid ?? 0
    this.#process = process
    this.#logFile = logFile
    this.#grace_ms = launch.grace_ms
    this.#exited = new Promise((resolve) => {
      const end = (how: string) => {
        this.#ended ??= how
        resolve()
      }
      process.once('error', (error) => end(error.message))
      process.once('exit', (code, signal) => end(`ended with ${signal ?? `code ${code}`}`))
    })
  }

  get running(): boolean {
    return this.#ended === undefined
  }

  /** Throws, with the last lines of its log, if it has ended. */
  requireRunning(): void {
    if (this.#ended === undefined) return
    throw new Error(`${this.name} ${this.#ended}\n${this.logTail()}`)
  }

  /** The last lines it printed. */
  logTail(): string {
    const lines = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n')
    return lines
      .slice(-LOG_LINES)
      .map((line) => `    ${line}`)
      .join('\n')
  }

  /** SIGTERM, then SIGKILL after its grace. */
  async stop(): Promise<void> {
    if (!this.running) return
    this.#process.kill('SIGTERM')
    await this.#within(this.#grace_ms)
    this.kill()
    await this.#within(KILL_MS)
  }

  kill(): void {
    if (this.running && this.pid !== 0) this.#process.kill('SIGKILL')
  }

  async #within(limit_ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limit_ms)
    })
    await Promise.race([this.#exited, timeout])
    clearTimeout(timer)
  }
}

export class Crew {
  readonly #folder: string
  readonly #members: CrewMember[] = []

  /** @param folder where the logs of the processes go; must exist. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Starts a process; its output goes to `<name>.log`. */
  start(launch: Launch): CrewMember {
    const logFile = join(this.#folder, `${launch.name}.log`)
    const log = openSync(logFile, 'w')
    const [command, args] = commandLine(launch)
    const child = spawn(command, args, {
      env: { ...process.env, ...launch.env },
      stdio: launch.channel ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    const member = new CrewMember(child, logFile, launch)
    this.#members.push(member)
    return member
  }

  /** Stops all at the same time: no target needs another. */
  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop()))
  }

  /** For a second Ctrl-C. */
  kill(): void {
    for (const member of this.#members) member.kill()
  }
}
