/**
 * Who is ready and who leads, found as kubelet and people do: by asking `/readyz` of every child,
 * and `/status` of every replica (`role`, `term`), again and again, at the metrics port, which asks
 * nobody for a token or for TLS. Of several that call themselves leader the one with the highest
 * term counts; an older one does not know yet.
 */

import type { Clock, Timer } from '../shared/clock.ts'
import type { Child } from './child.ts'
import type { Report } from './events.ts'
import { probe } from './probe.ts'

const INTERVAL_MS = 1000
/** Until a child is ready it is asked more often, so that a start looks as quick as it is. */
const INTERVAL_STARTING_MS = 100
const TIMEOUT_MS = 1000
/** A start takes longer than that only if something is in its way. */
const SLOW_MS = 10_000

export type Leader = { readonly name: string; readonly term: number }

type Seen = {
  readonly child: Child
  /** The process that was seen ready; another one has to become ready itself. */
  readyPid: number | undefined
  /** The process that was seen ready before, for telling a first time from another one. */
  lastReadyPid: number | undefined
  /** The process of which it was said that it takes long. */
  slowPid: number | undefined
  role: string | undefined
  term: number
  timer: Timer | undefined
}

type Status = { readonly role?: unknown; readonly term?: unknown; readonly reason?: unknown }

function parseStatus(body: string): Status {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

export class Watch {
  readonly #seen = new Map<string, Seen>()
  readonly #clock: Clock
  readonly #report: Report
  #leader: Leader | undefined
  #closed = false

  constructor(options: { clock: Clock; report: Report; children: readonly Child[] }) {
    this.#clock = options.clock
    this.#report = options.report
    for (const child of options.children) {
      const seen: Seen = {
        child,
        readyPid: undefined,
        lastReadyPid: undefined,
        slowPid: undefined,
        role: undefined,
        term: 0,
        timer: undefined,
      }
      this.#seen.set(child.plan.name, seen)
      this.#next(seen, 0)
    }
  }

  /** Whether the child's present process has said that it is ready, and does not rest. */
  ready(name: string): boolean {
    const seen = this.#seen.get(name)
    if (seen === undefined || seen.child.state !== 'running') return false
    return seen.readyPid !== undefined && seen.readyPid === seen.child.pid
  }

  /** What a replica says it is: `leader`, `follower`, …; undefined: it does not answer. */
  role(name: string): string | undefined {
    return this.#seen.get(name)?.role
  }

  /** The leader last heard of, which may be dead since. */
  get leader(): Leader | undefined {
    return this.#leader
  }

  close(): void {
    this.#closed = true
    for (const seen of this.#seen.values()) seen.timer?.cancel()
  }

  #next(seen: Seen, delay_ms: number): void {
    if (this.#closed) return
    seen.timer = this.#clock.after(delay_ms, () => void this.#look(seen))
  }

  async #look(seen: Seen): Promise<void> {
    const { plan, pid } = seen.child
    if (pid === undefined || seen.child.state !== 'running') {
      seen.role = undefined
      this.#settle(seen, undefined)
      this.#next(seen, INTERVAL_STARTING_MS)
      return
    }
    const isReplica = plan.kind === 'replica'
    const [readyz, status] = await Promise.all([
      probe(plan.ports.metrics, '/readyz', TIMEOUT_MS),
      isReplica ? probe(plan.ports.metrics, '/status', TIMEOUT_MS) : undefined,
    ])
    if (this.#closed) return
    const { role, term, reason } = status?.status === 200 ? parseStatus(status.body) : {}
    seen.role = typeof role === 'string' ? role : undefined
    seen.term = typeof term === 'number' ? term : 0
    this.#settle(seen, readyz?.status === 200 ? pid : undefined)
    await this.#tellSlow(seen, typeof reason === 'string' ? reason : undefined)
    this.#findLeader()
    this.#next(seen, seen.readyPid === undefined ? INTERVAL_STARTING_MS : INTERVAL_MS)
  }

  #settle(seen: Seen, readyPid: number | undefined): void {
    const before = seen.readyPid
    if (before === readyPid) return
    seen.readyPid = readyPid
    const { name } = seen.child.plan
    if (readyPid !== undefined) {
      const isFirst = seen.lastReadyPid !== readyPid
      seen.lastReadyPid = readyPid
      const after_ms = isFirst ? seen.child.uptime_ms : undefined
      this.#report({ type: 'ready', name, after_ms })
    } else if (seen.child.state === 'running' && seen.child.pid === before) {
      this.#report({ type: 'unready', name })
    }
  }

  /** Once for each process, and why: as it says itself, or its log, where nobody looks. */
  async #tellSlow(seen: Seen, reason: string | undefined): Promise<void> {
    const { child } = seen
    const { pid, uptime_ms: after_ms } = child
    if (seen.readyPid !== undefined || seen.lastReadyPid === pid || seen.slowPid === pid) return
    if (child.state !== 'running' || after_ms < SLOW_MS) return
    seen.slowPid = pid
    const said = reason ?? (await child.lastWords())
    if (!this.#closed) this.#report({ type: 'slow', name: child.plan.name, after_ms, said })
  }

  #findLeader(): void {
    let found: Leader | undefined
    for (const { child, role, term } of this.#seen.values()) {
      if (role !== 'leader' || term <= (found?.term ?? -1)) continue
      found = { name: child.plan.name, term }
    }
    const before = this.#leader
    if (found === undefined || found.term <= (before?.term ?? -1)) return
    this.#leader = found
    this.#report({ type: 'leader', ...found, before: before?.name })
  }
}
