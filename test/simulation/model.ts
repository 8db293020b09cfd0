/**
 * What the committed log means, said once more and as simply as possible: keys, sessions, exactly
 * once (DESIGN §5). The state machine's results must be these; and every client's answer must fit
 * the states that this model went through.
 */

import { decodePayload } from '../../src/database/kv/codec.ts'
import type {
  AppliedEntry,
  Command,
  CommandResult,
  Condition,
  DeleteCommand,
  PutCommand,
  Segment,
} from '../../src/database/kv/types.ts'
import { SESSION_RESULTS_MAX, SESSIONS_MAX } from '../../src/shared/limits.ts'
import { Violation } from './violation.ts'

/** A key's value from a revision on; `value` undefined: there is none. */
export type Version = {
  readonly revision: number
  readonly value: string | undefined
  readonly createRevision: number
  readonly expires_ms: number
}

type Session = {
  readonly id: number
  floor: number
  lastUse_ms: number
  readonly results: Map<number, Answer>
}
type Answer = { readonly status: string; readonly revision: number }

const NOTHING: Version = { revision: 0, value: undefined, createRevision: 0, expires_ms: 0 }

export class Model {
  readonly #keys = new Map<string, Version[]>()
  readonly #sessions = new Map<number, Session>()
  /** Values that took effect (each is unique to one operation of one client) and where. */
  readonly #effects = new Map<string, number>()
  /** (session, sequence) that were executed. */
  readonly #executed = new Set<string>()
  #revision = 0
  readonly counters = {
    repeated: 0,
    belowFloor: 0,
    sessionUnknown: 0,
    expired: 0,
    sessionsEnded: 0,
  }

  get revision(): number {
    return this.#revision
  }

  /** The revision at which a put of this value took effect; undefined: it never did. */
  effectOf(value: string): number | undefined {
    return this.#effects.get(value)
  }

  /** The key's version as of this revision. */
  at(key: string, revision: number): Version {
    const versions = this.#keys.get(key)
    if (versions === undefined) return NOTHING
    for (let at = versions.length - 1; at >= 0; at -= 1) {
      const version = versions[at] as Version
      if (version.revision <= revision) return version
    }
    return NOTHING
  }

  keysAt(revision: number): string[] {
    return [...this.#keys.keys()].filter((key) => this.at(key, revision).value !== undefined)
  }

  /** Applies the next entry and compares the results that a replica had. */
  apply(
    entry: AppliedEntry,
    payload: Uint8Array,
    results: readonly (readonly CommandResult[])[],
  ): void {
    if (entry.type !== 'commands') return
    let first = entry.firstRevision
    for (const [at, segment] of decodePayload(payload).entries()) {
      const expected = this.#segment(segment, first, entry.time_ms)
      compare(entry.index, expected, results[at] ?? [])
      first += segment.commands.length
    }
    this.#revision = first - 1
  }

  #segment(segment: Segment, first: number, time_ms: number): Answer[] {
    const session = segment.session === 0 ? undefined : this.#use(segment, time_ms)
    return segment.commands.map(({ sequence, command }, at) => {
      const revision = first + at
      if (segment.session === 0) return this.#execute(command, revision, time_ms)
      if (session === undefined) {
        this.counters.sessionUnknown += 1
        return { status: 'session-unknown', revision: 0 }
      }
      if (sequence <= session.floor) {
        this.counters.belowFloor += 1
        return { status: 'below-floor', revision: 0 }
      }
      const stored = session.results.get(sequence)
      if (stored !== undefined) {
        this.counters.repeated += 1
        return stored
      }
      if (session.results.size >= SESSION_RESULTS_MAX)
        return { status: 'session-full', revision: 0 }
      this.#executeOnce(session.id, sequence)
      const answer = this.#execute(command, revision, time_ms)
      session.results.set(sequence, answer)
      return answer
    })
  }

  #executeOnce(session: number, sequence: number): void {
    const name = `${session}/${sequence}`
    if (this.#executed.has(name)) {
      throw new Violation('exactly-once', `sequence ${name} is executed a second time`)
    }
    this.#executed.add(name)
  }

  #use({ session: id, floor }: Segment, time_ms: number): Session | undefined {
    const session = this.#sessions.get(id)
    if (session === undefined) return undefined
    session.lastUse_ms = time_ms
    if (floor > session.floor) session.floor = floor
    for (const sequence of session.results.keys()) {
      if (sequence <= session.floor) session.results.delete(sequence)
    }
    return session
  }

  #execute(command: Command, revision: number, time_ms: number): Answer {
    switch (command.type) {
      case 'put':
        return this.#put(command, revision, time_ms)
      case 'delete':
        return this.#delete(command, revision)
      case 'transaction':
        throw new Violation('model', 'no client of the simulator sends transactions')
      case 'expire':
        return this.#expire(command, revision, time_ms)
      case 'open-session':
        return this.#open(revision, time_ms)
      case 'close-session':
        return this.#end(command.session, revision)
      case 'expire-session': {
        const idle = this.#sessions.get(command.session)?.lastUse_ms === command.lastUse_ms
        return idle ? this.#end(command.session, revision) : { status: 'unchanged', revision: 0 }
      }
    }
  }

  #open(revision: number, time_ms: number): Answer {
    if (this.#sessions.size >= SESSIONS_MAX) {
      const all = [...this.#sessions.values()]
      all.sort((a, b) => a.lastUse_ms - b.lastUse_ms || a.id - b.id)
      this.#sessions.delete((all[0] as Session).id)
      this.counters.sessionsEnded += 1
    }
    this.#sessions.set(revision, {
      id: revision,
      floor: 0,
      lastUse_ms: time_ms,
      results: new Map(),
    })
    return { status: 'done', revision }
  }

  #end(session: number, revision: number): Answer {
    if (!this.#sessions.delete(session)) return { status: 'unchanged', revision: 0 }
    this.counters.sessionsEnded += 1
    return { status: 'done', revision }
  }

  #put(command: PutCommand, revision: number, time_ms: number): Answer {
    const key = Buffer.from(command.key).toString('latin1')
    const before = this.at(key, revision)
    const present = before.value === undefined ? 0 : before.revision
    if (!holds(command.condition, present)) return { status: 'condition-failed', revision: present }
    const value = Buffer.from(command.value).toString('latin1')
    const earlier = this.#effects.get(value)
    if (earlier !== undefined) {
      const what = `value ${JSON.stringify(value)} took effect at ${earlier} and at ${revision}`
      throw new Violation('exactly-once', what)
    }
    this.#effects.set(value, revision)
    this.#set(key, {
      revision,
      value,
      createRevision: present === 0 ? revision : before.createRevision,
      expires_ms: command.ttl_ms === 0 ? 0 : time_ms + command.ttl_ms,
    })
    return { status: present === 0 ? 'created' : 'updated', revision }
  }

  #delete(command: DeleteCommand, revision: number): Answer {
    const key = Buffer.from(command.key).toString('latin1')
    const before = this.at(key, revision)
    const present = before.value === undefined ? 0 : before.revision
    if (!holds(command.condition, present)) return { status: 'condition-failed', revision: present }
    if (present === 0) return { status: 'absent', revision: 0 }
    this.#set(key, { ...NOTHING, revision })
    return { status: 'deleted', revision }
  }

  #expire(
    command: { readonly key: Uint8Array; readonly revision: number },
    revision: number,
    time_ms: number,
  ): Answer {
    const key = Buffer.from(command.key).toString('latin1')
    const { value, revision: present, expires_ms } = this.at(key, revision)
    const due = value !== undefined && expires_ms !== 0 && expires_ms <= time_ms
    if (!due || present !== command.revision) return { status: 'unchanged', revision: 0 }
    this.counters.expired += 1
    this.#set(key, { ...NOTHING, revision })
    return { status: 'done', revision }
  }

  #set(key: string, version: Version): void {
    const versions = this.#keys.get(key)
    if (versions === undefined) this.#keys.set(key, [version])
    else versions.push(version)
  }
}

function holds(condition: Condition | undefined, present: number): boolean {
  if (condition === undefined) return true
  const { match, noneMatch } = condition
  if (match === 'any' && present === 0) return false
  if (Array.isArray(match) && (present === 0 || !match.includes(present))) return false
  if (noneMatch === 'any' && present !== 0) return false
  return !(Array.isArray(noneMatch) && present !== 0 && noneMatch.includes(present))
}

function compare(
  index: number,
  expected: readonly Answer[],
  results: readonly CommandResult[],
): void {
  for (const [at, { status, revision }] of expected.entries()) {
    const result = results[at]
    if (result?.status === status && result.revision === revision) continue
    const got = result === undefined ? 'nothing' : `${result.status} ${result.revision}`
    const what = `command ${at} of entry ${index}: ${got}, should be ${status} ${revision}`
    throw new Violation('wrong-result', what)
  }
}
