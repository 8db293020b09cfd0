/**
 * The sessions of API servers, and with them "exactly once" (DESIGN §5).
 *
 * A command in a session has a sequence. Sequences come in any order and with gaps. For each
 * session the table keeps a floor and the exact results above it:
 *
 *        decided at the API server         known results        not seen yet
 *      ├──────── refused ────────┤ floor ├─ answered again ─┤ or executed, once ─►
 *
 * The floor comes with each segment and moves only forward; results at or below it are forgotten.
 * Time is log time. All of it follows from the entries alone, evictions included.
 *
 * Invariants, each held by test/unit/kv/sessions.test.ts:
 *   1. a sequence is executed at most once, however its retries are grouped;
 *   2. at or below the floor nothing is executed;
 *   3. at most SESSIONS_MAX sessions, at most SESSION_RESULTS_MAX results in each.
 */

import { assert } from '../../shared/assert.ts'
import { SESSION_IDLE_MS_MAX, SESSION_RESULTS_MAX, SESSIONS_MAX } from '../../shared/limits.ts'
import { decodeSession, encodeSession } from './session-codec.ts'
import type { CommandResult, SessionState } from './types.ts'

/** What a session says of a command before it is executed; undefined: execute it. */
export type Verdict = CommandResult | undefined

const BELOW_FLOOR: CommandResult = { status: 'below-floor', revision: 0, repeated: false }
const FULL: CommandResult = { status: 'session-full', revision: 0, repeated: false }

export class Sessions {
  readonly #sessions = new Map<number, SessionState>()
  /** Changed since the last `takeChanges`, the ended ones too. */
  #changed = new Set<number>()

  /** Throws `data-damaged`, `format-too-new`. */
  constructor(restored: readonly { readonly id: number; readonly bytes: Uint8Array }[]) {
    for (const { bytes } of restored) {
      const session = decodeSession(bytes)
      this.#sessions.set(session.id, session)
    }
    assert(this.#sessions.size <= SESSIONS_MAX, 'more sessions stored than may be kept')
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Opens a session; at SESSIONS_MAX the least recently used one ends for it. */
  open(id: number, time_ms: number): void {
    if (this.#sessions.size >= SESSIONS_MAX) this.#evict()
    this.#sessions.set(id, { id, floor: 0, lastUse_ms: time_ms, results: new Map() })
    this.#changed.add(id)
  }

  #evict(): void {
    let oldest: SessionState | undefined
    for (const session of this.#sessions.values()) {
      if (oldest === undefined || isOlder(session, oldest)) oldest = session
    }
    if (oldest !== undefined) this.close(oldest.id)
  }

  /** Ends a session; false: there is none. */
  close(id: number): boolean {
    const known = this.#sessions.delete(id)
    if (known) this.#changed.add(id)
    return known
  }

  /** Ends a session that was not used since `lastUse_ms`; false: it was, or there is none. */
  expire(id: number, lastUse_ms: number): boolean {
    if (this.#sessions.get(id)?.lastUse_ms !== lastUse_ms) return false
    return this.close(id)
  }

  /** A segment of this session arrived: undefined if the session is not known. */
  use(id: number, floor: number, time_ms: number): SessionState | undefined {
    const session = this.#sessions.get(id)
    if (session === undefined) return undefined
    session.lastUse_ms = time_ms
    if (floor > session.floor) raiseFloor(session, floor)
    this.#changed.add(id)
    return session
  }

  /** Sessions unused in log time for SESSION_IDLE_MS_MAX, with the last use that was seen. */
  idle(time_ms: number): { session: number; lastUse_ms: number }[] {
    const idle: { session: number; lastUse_ms: number }[] = []
    for (const { id, lastUse_ms } of this.#sessions.values()) {
      if (time_ms - lastUse_ms >= SESSION_IDLE_MS_MAX) idle.push({ session: id, lastUse_ms })
    }
    return idle
  }

  /** Session id → its bytes, or undefined: ended; what changed since the last call. */
  takeChanges(): Map<number, Uint8Array | undefined> {
    const changes = new Map<number, Uint8Array | undefined>()
    for (const id of this.#changed) {
      const session = this.#sessions.get(id)
      changes.set(id, session === undefined ? undefined : encodeSession(session))
    }
    this.#changed = new Set()
    return changes
  }
}

/** May this sequence run? If not, its answer: the stored result, or why it is refused. */
export function verdictOf(session: SessionState, sequence: number): Verdict {
  if (sequence <= session.floor) return BELOW_FLOOR
  const stored = session.results.get(sequence)
  if (stored !== undefined) {
    return { status: stored.status, revision: stored.revision, repeated: true }
  }
  return session.results.size >= SESSION_RESULTS_MAX ? FULL : undefined
}

/** Steps through whichever is shorter: the sequences passed, or the results kept. */
function raiseFloor(session: SessionState, floor: number): void {
  const { results } = session
  if (floor - session.floor <= results.size) {
    for (let passed = session.floor + 1; passed <= floor; passed++) results.delete(passed)
  } else {
    for (const sequence of results.keys()) if (sequence <= floor) results.delete(sequence)
  }
  session.floor = floor
}

function isOlder(a: SessionState, b: SessionState): boolean {
  return a.lastUse_ms < b.lastUse_ms || (a.lastUse_ms === b.lastUse_ms && a.id < b.id)
}
