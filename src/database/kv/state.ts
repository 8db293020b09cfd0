/**
 * The key-value state machine: applies log entries, in order, to records and sessions.
 *
 * It is pure: what it does follows from the entries alone, whatever part of the state is on disk
 * and whenever changes were taken; the content hash says so. It reads the disk only through the
 * `RecordReader` it is given, and leaves what changed to be written by others (`takeChanges`).
 *
 * The revision of a command is its place in the log's sequence of commands: that of the entry's
 * first command, plus how many commands stand before it in the entry, in all its segments. A
 * command that changes nothing takes its revision too.
 *
 * An expired key exists until an `expire` command for it is applied (DESIGN §5): replicas never
 * look at a clock to say what a key is.
 */

import { assert, assertNever } from '../../shared/assert.ts'
import { decodePayload } from './codec.ts'
import { holds } from './condition.ts'
import { ContentHash } from './content-hash.ts'
import { keyText, Overlay, type OverlayEntry } from './overlay.ts'
import {
  encodeRecord,
  recordCreateRevision,
  recordExpires_ms,
  recordRevision,
  recordVersion,
} from './record.ts'
import { Sessions, verdictOf } from './sessions.ts'
import type {
  AppliedEntry,
  Command,
  CommandResult,
  DeleteCommand,
  KvChanges,
  KvMeta,
  PutCommand,
  RecordReader,
  ResultStatus,
  Segment,
  TransactionCommand,
} from './types.ts'

const SESSION_UNKNOWN: CommandResult = { status: 'session-unknown', revision: 0, repeated: false }

/** The revision a command has, and the log time of its entry. */
type Position = { readonly revision: number; readonly time_ms: number }

export class KvState {
  readonly #overlay: Overlay
  readonly #sessions: Sessions
  readonly #hash: ContentHash
  #keys: number
  #position: Omit<KvMeta, 'keys' | 'hash'>
  /** The last answer of `meta()`, until the next entry. */
  #meta: KvMeta | undefined
  /** Entries were applied since the last `takeChanges`. */
  #advanced = false

  /**
   * @param reader the records on disk that belong to `restored.meta`.
   * Throws `data-damaged`, `format-too-new` for sessions that cannot be read.
   */
  constructor(
    reader: RecordReader,
    restored: {
      readonly meta: KvMeta
      readonly sessions: readonly { readonly id: number; readonly bytes: Uint8Array }[]
    },
  ) {
    const { keys, hash, ...position } = restored.meta
    this.#overlay = new Overlay(reader)
    this.#sessions = new Sessions(restored.sessions)
    this.#hash = new ContentHash(hash)
    this.#keys = keys
    this.#position = position
    this.#meta = restored.meta
  }

  /**
   * Applies the next entry; `payload` is what follows its header. Returns the results of each
   * segment's commands; [] for entries that carry no commands. Any throw leaves the state half
   * changed: the replica must stop (`data-damaged` from the disk, `malformed-frame`).
   */
  apply(entry: AppliedEntry, payload: Uint8Array): CommandResult[][] {
    const { index, term, time_ms, firstRevision, count } = entry
    assert(index === this.#position.applied + 1, `entry ${index} is not the next one to apply`)
    assert(time_ms >= this.#position.time_ms, 'log time went back')
    const results: CommandResult[][] = []
    let revision = this.#position.revision
    if (entry.type === 'commands') {
      assert(firstRevision > revision, `revision ${firstRevision} was given already`)
      const segments = decodePayload(payload)
      assert(countCommands(segments) === count, `entry ${index} does not hold ${count} commands`)
      let first = firstRevision
      for (const segment of segments) {
        results.push(this.#applySegment(segment, { revision: first, time_ms }))
        first += segment.commands.length
      }
      revision = first - 1
    }
    this.#position = { applied: index, appliedTerm: term, revision, time_ms }
    this.#meta = undefined
    this.#advanced = true
    return results
  }

  /** The stored bytes (record.ts) of a key's record, as of the last applied entry. */
  get(key: Uint8Array): Uint8Array | undefined {
    return this.#overlay.get(keyText(key), key)
  }

  /** Index of the last applied entry; cheaper than the whole `meta()`. */
  get applied(): number {
    return this.#position.applied
  }

  /** Highest revision assigned so far; cheaper than the whole `meta()`. */
  get revision(): number {
    return this.#position.revision
  }

  /** Bytes of what `takeChanges` would give, about. */
  get unwritten_bytes(): number {
    return this.#overlay.current_bytes
  }

  /** The same, until it is on disk. */
  get unsynced_bytes(): number {
    return this.#overlay.unsynced_bytes
  }

  /** Where the state machine stands. */
  meta(): KvMeta {
    this.#meta ??= { ...this.#position, keys: this.#keys, hash: this.#hash.value }
    return this.#meta
  }

  /**
   * What changed since the last call, to be written in one atomic batch; undefined: nothing was
   * applied. Stays readable here until `changesPersisted`; one at a time may be under way.
   */
  takeChanges(): KvChanges | undefined {
    if (!this.#advanced) return undefined
    this.#advanced = false
    const { records, expiries } = this.#overlay.take()
    return { meta: this.meta(), records, expiries, sessions: this.#sessions.takeChanges() }
  }

  /** The changes taken last are on disk. */
  changesPersisted(): void {
    this.#overlay.persisted()
  }

  /**
   * Records not on disk yet, in no order; undefined: deleted. For a listing (list.ts), call it in
   * the turn in which the disk's iterator is opened.
   */
  overlay(): OverlayEntry[] {
    return this.#overlay.entries()
  }

  /** Commands that end the sessions idle at this log time: to be proposed by the leader. */
  idleSessions(time_ms: number): Command[] {
    return this.#sessions
      .idle(time_ms)
      .map(({ session, lastUse_ms }) => ({ type: 'expire-session', session, lastUse_ms }))
  }

  /** The command that removes this key if it has expired at this log time. */
  expireCommand(key: Uint8Array, time_ms: number): Command | undefined {
    const record = this.get(key)
    if (record === undefined || !isExpired(record, time_ms)) return undefined
    return { type: 'expire', key, revision: recordRevision(record) }
  }

  #applySegment(segment: Segment, first: Position): CommandResult[] {
    const { time_ms } = first
    const results: CommandResult[] = []
    let revision = first.revision
    if (segment.session === 0) {
      for (const { command } of segment.commands) {
        results.push(this.#execute(command, { revision: revision++, time_ms }))
      }
      return results
    }
    const session = this.#sessions.use(segment.session, segment.floor, time_ms)
    for (const { sequence, command } of segment.commands) {
      const position = { revision: revision++, time_ms }
      if (session === undefined) {
        results.push(SESSION_UNKNOWN)
        continue
      }
      const verdict = verdictOf(session, sequence)
      if (verdict !== undefined) {
        results.push(verdict)
        continue
      }
      const result = this.#execute(command, position)
      session.results.set(sequence, result)
      results.push(result)
    }
    return results
  }

  #execute(command: Command, position: Position): CommandResult {
    const { revision, time_ms } = position
    switch (command.type) {
      case 'put':
        return this.#put(command, position)
      case 'delete':
        return this.#delete(command, revision)
      case 'transaction':
        return this.#transaction(command, position)
      case 'expire':
        return this.#expire(command, position)
      case 'open-session':
        this.#sessions.open(revision, time_ms)
        return result('done', revision)
      case 'close-session': {
        const closed = this.#sessions.close(command.session)
        return closed ? result('done', revision) : result('unchanged', 0)
      }
      case 'expire-session': {
        const expired = this.#sessions.expire(command.session, command.lastUse_ms)
        return expired ? result('done', revision) : result('unchanged', 0)
      }
      default:
        return assertNever(command)
    }
  }

  #put(command: PutCommand, { revision, time_ms }: Position): CommandResult {
    const { key, contentType, value, ttl_ms, condition } = command
    const text = keyText(key)
    const previous = this.#overlay.get(text, key)
    const present = previous === undefined ? 0 : recordRevision(previous)
    if (!holds(condition, present)) return result('condition-failed', present)
    const next = encodeRecord(key, {
      createRevision: previous === undefined ? revision : recordCreateRevision(previous),
      revision,
      version: previous === undefined ? 1 : recordVersion(previous) + 1,
      expires_ms: ttl_ms === 0 ? 0 : time_ms + ttl_ms,
      contentType,
      value,
    })
    this.#replace(text, previous, next)
    return result(previous === undefined ? 'created' : 'updated', revision)
  }

  #delete(command: DeleteCommand, revision: number): CommandResult {
    const text = keyText(command.key)
    const previous = this.#overlay.get(text, command.key)
    const present = previous === undefined ? 0 : recordRevision(previous)
    if (!holds(command.condition, present)) return result('condition-failed', present)
    if (previous === undefined) return result('absent', 0)
    this.#replace(text, previous, undefined)
    return result('deleted', revision)
  }

  #transaction(command: TransactionCommand, position: Position): CommandResult {
    const success = command.compare.every(({ key, condition }) => {
      const record = this.get(key)
      return holds(condition, record === undefined ? 0 : recordRevision(record))
    })
    for (const step of success ? command.success : command.failure) {
      if (step.type === 'put') this.#put(step, position)
      else this.#delete(step, position.revision)
    }
    return result(success ? 'done' : 'done-failure', position.revision)
  }

  #expire(
    command: { readonly key: Uint8Array; readonly revision: number },
    { revision, time_ms }: Position,
  ): CommandResult {
    const text = keyText(command.key)
    const previous = this.#overlay.get(text, command.key)
    if (previous === undefined || recordRevision(previous) !== command.revision) {
      return result('unchanged', 0)
    }
    // The leader looked at its log time, which this entry's is not behind; held here all the same.
    if (!isExpired(previous, time_ms)) return result('unchanged', 0)
    this.#replace(text, previous, undefined)
    return result('done', revision)
  }

  #replace(text: string, previous: Uint8Array | undefined, next: Uint8Array | undefined): void {
    if (previous !== undefined) {
      this.#hash.minus(previous)
      this.#keys--
    }
    if (next !== undefined) {
      this.#hash.plus(next)
      this.#keys++
    }
    this.#overlay.set(text, { previous, next })
  }
}

function isExpired(record: Uint8Array, time_ms: number): boolean {
  const expires_ms = recordExpires_ms(record)
  return expires_ms !== 0 && expires_ms <= time_ms
}

function countCommands(segments: readonly Segment[]): number {
  let count = 0
  for (const segment of segments) count += segment.commands.length
  return count
}

function result(status: ResultStatus, revision: number): CommandResult {
  return { status, revision, repeated: false }
}
