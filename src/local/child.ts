/**
 * One supervised process, in the place of a kubelet and a Pod that restarts always:
 *
 *     stopped ──start──▶ running ◀──resume── paused
 *        ▲                │ │ └────pause────▶  │
 *        │              exit stop/restart      │
 *        │                ▼ ▼                  │
 *        │  waiting ◀── exit  stopping ◀───────┘
 *        │     └─pause over─▶ running
 *        └──────── exit ───────┘   (or running again at once, for a restart)
 *
 * `waiting` is the growing pause after a death (restart-pause.ts). What should be (`#wanted`) is
 * kept apart from what is: an exit looks at the former to choose the next state.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Clock, Timer } from '../shared/clock.ts'
import { formatDuration } from '../shared/duration.ts'
import type { Report } from './events.ts'
import { lastLine } from './log-file.ts'
import type { ChildPlan } from './plan.ts'
import { type RestartPolicy, restartPause } from './restart-pause.ts'
import { type Alarm, wakeAfter } from './wake.ts'

export type ChildState = 'running' | 'paused' | 'stopping' | 'waiting' | 'stopped'

/** Builds the command line of a child: the program and its arguments. */
export type ChildCommand = (plan: ChildPlan) => readonly [string, ...string[]]

export type ChildOptions = {
  readonly plan: ChildPlan
  readonly command: ChildCommand
  readonly restart: RestartPolicy
  readonly clock: Clock
  readonly report: Report
}

/** A child that ends this soon is asked for its last line, which says why. */
const EARLY_MS = 10_000

export class Child {
  readonly plan: ChildPlan
  readonly #options: ChildOptions
  #process: ChildProcess | undefined
  #state: ChildState = 'stopped'
  /** What follows the next exit: the pause, another start at once, or nothing. */
  #wanted: 'up' | 'restart' | 'down' = 'down'
  #timer: Timer | undefined
  #killTimer: Timer | undefined
  /** Of a pause. */
  #alarm: Alarm | undefined
  #started_ms = 0
  #pause_ms = 0
  #restarts = 0
  #lastExit: string | undefined
  #onExit: (() => void)[] = []

  constructor(options: ChildOptions) {
    this.plan = options.plan
    this.#options = options
  }

  get state(): ChildState {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get restarts(): number {
    return this.#restarts
  }

  /** How the last run ended, for people; undefined: this is the first. */
  get lastExit(): string | undefined {
    return this.#lastExit
  }

  /** How long the present run lasts, in ms; 0 if there is none. */
  get uptime_ms(): number {
    return this.#process === undefined ? 0 : this.#options.clock.now_ms() - this.#started_ms
  }

  /** Starts now, if it is down, and forgets earlier deaths. */
  start(): void {
    this.#wanted = this.#wanted === 'restart' ? 'restart' : 'up'
    if (this.#state === 'stopping') this.#wanted = 'restart'
    if (this.#state !== 'stopped' && this.#state !== 'waiting') return
    this.#pause_ms = 0
    this.#launch()
  }

  /** SIGKILL. What follows is supervision: the pause, then a new start. */
  kill(): void {
    this.#process?.kill('SIGKILL')
  }

  /** SIGSTOP, and SIGCONT after `for_ms`. Nothing if it does not run. */
  pause(for_ms: number): void {
    if (this.#state !== 'running' && this.#state !== 'paused') return
    this.#timer?.cancel()
    this.#alarm?.cancel()
    this.#process?.kill('SIGSTOP')
    this.#alarm = this.pid === undefined ? undefined : wakeAfter(this.pid, for_ms)
    this.#state = 'paused'
    this.#options.report({ type: 'paused', name: this.plan.name, for_ms })
    this.#timer = this.#options.clock.after(for_ms, () => this.resume())
  }

  /** Ends a pause. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#timer?.cancel()
    this.#alarm?.cancel()
    this.#process?.kill('SIGCONT')
    this.#state = 'running'
    this.#options.report({ type: 'resumed', name: this.plan.name })
  }

  /** SIGTERM, SIGKILL after `grace_ms`; resolves when it is down, and it stays down. */
  stop(grace_ms: number): Promise<void> {
    this.#wanted = 'down'
    return this.#terminate(grace_ms)
  }

  /** SIGTERM, SIGKILL after `grace_ms`, then a start at once. Resolves when the old one is down. */
  async restart(grace_ms: number): Promise<void> {
    if (this.#process === undefined) return this.start()
    this.#wanted = 'restart'
    await this.#terminate(grace_ms)
  }

  #terminate(grace_ms: number): Promise<void> {
    const running = this.#process
    if (running === undefined) {
      this.#timer?.cancel()
      this.#state = 'stopped'
      return Promise.resolve()
    }
    this.#timer?.cancel()
    running.kill('SIGTERM')
    // A paused process takes the signal only once it goes on.
    if (this.#state === 'paused') running.kill('SIGCONT')
    this.#state = 'stopping'
    this.#killTimer?.cancel()
    this.#killTimer = this.#options.clock.after(grace_ms, () => running.kill('SIGKILL'))
    return new Promise((resolve) => {
      this.#onExit.push(resolve)
    })
  }

  #launch(): void {
    const { plan, command } = this.#options
    const [program, ...args] = command(plan)
    const log = openSync(plan.logFile, 'a')
    const child = spawn(program, args, {
      // What `ps` shows until the child sets its title.
      argv0: `ordinal ${plan.name}`,
      env: { ...plan.env },
      // The channel tells the child when its supervisor is gone (follow-supervisor.ts).
      stdio: ['ignore', log, log, 'ipc'],
      // Its own session: Ctrl-C in the terminal is for the supervisor, which stops in order.
      detached: true,
    })
    closeSync(log)
    this.#process = child
    this.#state = 'running'
    this.#wanted = 'up'
    this.#started_ms = this.#options.clock.now_ms()
    let ended = false
    const end = (how: string) => {
      if (ended) return
      ended = true
      this.#exited(how)
    }
    child.on('error', (error) => {
      // Also a signal or a channel may fail; only a process that never was ends here.
      if (child.pid === undefined) end(`could not be started (${error.message})`)
    })
    child.on('exit', (code, signal) =>
      end(signal === null ? `exited with code ${code}` : `was killed by ${signal}`),
    )
    if (child.pid !== undefined) {
      this.#options.report({ type: 'started', name: plan.name, pid: child.pid })
    }
  }

  #exited(how: string): void {
    const ran_ms = this.uptime_ms
    const asked = this.#state === 'stopping'
    this.#process = undefined
    this.#lastExit = how
    this.#timer?.cancel()
    this.#alarm?.cancel()
    this.#killTimer?.cancel()
    if (this.#wanted === 'down') {
      this.#state = 'stopped'
      this.#tell(how, undefined, undefined)
    } else if (this.#wanted === 'restart') {
      this.#restarts += 1
      this.#pause_ms = 0
      this.#tell(how, 0, undefined)
      this.#launch()
    } else {
      this.#pause_ms = restartPause(this.#options.restart, this.#pause_ms, ran_ms)
      this.#state = 'waiting'
      const pause_ms = this.#pause_ms
      const byItself = !asked && how.startsWith('exited') && ran_ms < EARLY_MS
      const words = byItself ? this.lastWords() : Promise.resolve(undefined)
      void words.then((said) => this.#tell(how, pause_ms, said))
      this.#timer = this.#options.clock.after(pause_ms, () => {
        this.#restarts += 1
        this.#launch()
      })
    }
    for (const resolve of this.#onExit.splice(0)) resolve()
  }

  /** What it printed last, for people; undefined: nothing. */
  async lastWords(): Promise<string | undefined> {
    try {
      return (await lastLine(this.plan.logFile)) || undefined
    } catch (error) {
      return `its log cannot be read: ${String(error)}`
    }
  }

  #tell(how: string, again_ms: number | undefined, said: string | undefined): void {
    this.#options.report({ type: 'exited', name: this.plan.name, how, again_ms, said })
  }
}

/** What a child does now, for people: `running`, `waiting, starts again within 4 s`. */
export function describeState(child: Child): string {
  const uptime = child.state === 'running' ? ` for ${formatDuration(child.uptime_ms)}` : ''
  return `${child.state}${uptime}`
}
