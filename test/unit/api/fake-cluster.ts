/**
 * A toy cluster behind real frames: one state that all replicas share, a leader that is told to
 * lead, and switches for what real ones do wrong: hold answers, execute and die, refuse, fall
 * silent. Sessions, floors and stored results are kept as the state machine keeps them.
 */

import type { ClusterView } from '../../../src/database/kv/frame-types.ts'
import { encodeRecord } from '../../../src/database/kv/record.ts'
import type {
  Command,
  CommandResult,
  Condition,
  KeyRecord,
  ResultStatus,
  Segment,
} from '../../../src/database/kv/types.ts'
import type { Clock } from '../../../src/shared/clock.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import type { Dialer, Discovery, LinkIdentity, PeerAddress } from '../../../src/shared/link.ts'
import { linkPair } from './fake-link.ts'
import { FakeReplica } from './fake-replica.ts'

type Stored = { status: ResultStatus; revision: number }

export class FakeCluster {
  readonly replicas: FakeReplica[] = []
  readonly records = new Map<string, KeyRecord>()
  readonly sessions = new Map<number, { floor: number; results: Map<number, Stored> }>()
  history = 'h1'
  term = 1
  leader = 0
  revision = 0
  /** Commands executed, retries that met their result not counted. */
  executed = 0
  /** How often each key was changed. */
  readonly effects = new Map<string, number>()
  repeated = 0
  dials = 0
  readonly #clock: Clock

  constructor(clock: Clock, size = 3) {
    this.#clock = clock
    for (let ordinal = 0; ordinal < size; ordinal++) {
      this.replicas.push(new FakeReplica(this, ordinal))
    }
    this.#beat()
  }

  replica(ordinal: number): FakeReplica {
    return this.replicas[ordinal] as FakeReplica
  }

  /** Makes this replica lead in a new term; -1: nobody leads. */
  lead(ordinal: number): void {
    this.leader = ordinal
    this.term++
    this.tell()
  }

  tell(): void {
    for (const replica of this.replicas) replica.tell()
  }

  #beat(): void {
    this.#clock.after(250, () => {
      this.tell()
      this.#beat()
    })
  }

  /** Ordinals that discovery does not know. */
  readonly denied = new Set<number>()

  readonly discovery: Discovery = {
    lookup: async () =>
      this.replicas
        .filter(({ ordinal }) => !this.denied.has(ordinal))
        .map(({ ordinal }) => ({ ordinal, host: `db-${ordinal}`, port: 1 })),
  }

  readonly dialer: Dialer = {
    dial: async (target: PeerAddress) => {
      this.dials++
      const replica = this.replica(target.ordinal)
      if (!replica.up || target.host !== replica.host) {
        throw new ClusterError('no-replica', 'nobody is there')
      }
      const [near, far] = linkPair()
      const remote: LinkIdentity = {
        role: 'replica',
        name: replica.name,
        clusterName: 'test',
        clusterId: 'cluster',
        ordinal: replica.ordinal,
        incarnation: `i-${replica.ordinal}`,
      }
      setImmediate(() => replica.accept(far))
      return { link: near, remote }
    },
  }

  record(key: Uint8Array): Uint8Array | undefined {
    const record = this.records.get(Buffer.from(key).toString('latin1'))
    return record === undefined ? undefined : encodeRecord(key, record)
  }

  apply(segment: Segment): CommandResult[] {
    const session = this.sessions.get(segment.session)
    if (session !== undefined) {
      session.floor = Math.max(session.floor, segment.floor)
      for (const sequence of session.results.keys()) {
        if (sequence <= session.floor) session.results.delete(sequence)
      }
    }
    return segment.commands.map(({ sequence, command }) => {
      if (segment.session === 0) return { ...this.#system(command), repeated: false }
      if (session === undefined) return { status: 'session-unknown', revision: 0, repeated: false }
      if (sequence <= session.floor) return { status: 'below-floor', revision: 0, repeated: false }
      const stored = session.results.get(sequence)
      if (stored !== undefined) {
        this.repeated++
        return { ...stored, repeated: true }
      }
      const result = this.#execute(command)
      this.executed++
      session.results.set(sequence, result)
      return { ...result, repeated: false }
    })
  }

  #system(command: Command): Stored {
    this.revision++
    if (command.type === 'open-session') {
      this.sessions.set(this.revision, { floor: 0, results: new Map() })
    } else if (command.type === 'close-session') this.sessions.delete(command.session)
    return { status: 'done', revision: this.revision }
  }

  #execute(command: Command): Stored {
    if (command.type !== 'put' && command.type !== 'delete') throw new Error('not in this toy')
    const revision = ++this.revision
    const key = Buffer.from(command.key).toString('latin1')
    const old = this.records.get(key)
    if (!holds(command.condition, old?.revision)) {
      return { status: 'condition-failed', revision: old?.revision ?? 0 }
    }
    if (command.type === 'delete') {
      if (old === undefined) return { status: 'absent', revision: 0 }
      this.records.delete(key)
      return { status: 'deleted', revision }
    }
    this.effects.set(key, (this.effects.get(key) ?? 0) + 1)
    const { value, contentType, ttl_ms } = command
    this.records.set(key, {
      createRevision: old?.createRevision ?? revision,
      revision,
      version: (old?.version ?? 0) + 1,
      expires_ms: ttl_ms === 0 ? 0 : this.#clock.wall_ms() + ttl_ms,
      contentType,
      value: Buffer.from(value),
    })
    return { status: old === undefined ? 'created' : 'updated', revision }
  }

  view(): ClusterView {
    const leads = this.leader >= 0
    return {
      clusterId: 'cluster',
      name: 'test',
      history: this.history,
      revision: this.revision,
      term: this.term,
      leader: leads
        ? { name: `db-${this.leader}`, ordinal: this.leader, why: 'lowest ordinal' }
        : undefined,
      replicas: this.replicas.map(({ name, ordinal }) => ({
        name,
        ordinal,
        role: ordinal === this.leader ? 'leader' : 'follower',
        incarnation: `i-${ordinal}`,
        term: this.term,
        lastIndex: 1,
        commitIndex: 1,
        appliedIndex: 1,
        lag: 0,
        revision: this.revision,
        diskUsedBytes: 0,
        diskFreeBytes: 1,
        hash: { index: 1, value: '00' },
        electable: true,
        notes: [],
      })),
    }
  }
}

function holds(condition: Condition | undefined, revision: number | undefined): boolean {
  if (condition === undefined) return true
  const { match, noneMatch } = condition
  if (match === 'any' && revision === undefined) return false
  if (Array.isArray(match) && (revision === undefined || !match.includes(revision))) return false
  if (noneMatch === 'any' && revision !== undefined) return false
  return !(Array.isArray(noneMatch) && revision !== undefined && noneMatch.includes(revision))
}
