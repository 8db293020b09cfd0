/**
 * Several cores over a scripted network and scripted disks. Nothing moves by itself: time, messages
 * and finished writes are handed out by the caller, one by one or until all is quiet. Each replica
 * has a clock of its own, as monotonic clocks have nothing in common.
 *
 * It obeys the contract of effects (types.ts): a message leaves only when the write it names is
 * synced; a crash loses every write that was not.
 */

import { Core, genesisEntry } from '../../../src/database/consensus/core.ts'
import type {
  CoreConfig,
  Effects,
  Input,
  MemberId,
  Membership,
  Message,
  Outgoing,
  SnapshotMeta,
  Write,
} from '../../../src/database/consensus/types.ts'
import { memberId, ordinalOf } from '../../../src/database/consensus/types.ts'
import { Disk } from './disk.ts'

export const WALL_START_MS = 1_700_000_000_000
const TICK_MS = 25

export type Flight = { readonly message: Message; held: boolean }
export type Stream = { from: MemberId; to: MemberId; term: number; meta: SnapshotMeta }

/** Small, seedable, good enough (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export class Replica {
  readonly member: MemberId
  disk = new Disk()
  /** The log as the core must see it now: the disk and all writes under way. */
  memory = new Disk()
  core: Core | undefined
  now_ms: number
  starts = 0
  applied = 0
  pending: { write: Write; applied: number }[] = []
  persisted = 0
  waiting: Outgoing[] = []
  diskHeld = false
  draining = false

  constructor(member: MemberId, now_ms: number) {
    this.member = member
    this.now_ms = now_ms
  }
}

/** What the harness does with each effect, for transcripts and for checks. */
export type Observer = {
  input?(replica: Replica, input: Input): void
  effects?(replica: Replica, effects: Effects): void
  lost?(message: Message): void
}

export type HarnessOptions = { readonly seed: number; readonly observer: Observer }

export class Harness {
  readonly replicas: Replica[] = []
  readonly flights: Flight[] = []
  readonly streams: Stream[] = []
  /** Ordered pairs `from->to` that lose everything, and those that keep everything back. */
  readonly cut = new Set<string>()
  readonly holding = new Set<string>()
  holdStreams = false
  failStreams = false
  readonly observer: Observer
  readonly random: () => number
  timing = { electionTimeout_ms: 1000, heartbeat_ms: 100, stagger_ms: 150, handBackAfter_ms: 5000 }
  #reads = 0
  #queue: { replica: Replica; effects: Effects }[] = []

  constructor(options: HarnessOptions) {
    this.observer = options.observer
    this.random = seededRandom(options.seed)
  }

  /** Replica 0 founds a cluster of `count` voters; the others start empty, as DESIGN §7 has it. */
  found(count: number, options: { voters?: number; opened?: boolean } = {}): void {
    const members = Array.from({ length: count }, (_, ordinal) => memberId(ordinal, 'a'))
    const membership: Membership = {
      clusterId: 'cluster',
      history: 'history',
      voters: members.slice(0, options.voters ?? count),
      learners: [],
      removed: [],
      opened: options.opened ?? false,
    }
    for (const member of members)
      this.replicas.push(new Replica(member, 1000 * this.replicas.length))
    const founder = this.replicas[0] as Replica
    founder.disk.hardState = { term: 1, vote: '' }
    founder.disk.entries.push(genesisEntry(membership, WALL_START_MS))
    for (const replica of this.replicas) this.start(replica)
  }

  /** A replica by ordinal (its latest incarnation) or by member id. */
  replica(which: string): Replica {
    const found = which.includes('/')
      ? this.replicas.find((replica) => replica.member === which)
      : this.replicas.findLast((replica) => ordinalOf(replica.member) === Number(which))
    if (found === undefined) throw new Error(`there is no replica ${which}`)
    return found
  }

  get alive(): Replica[] {
    return this.replicas.filter((replica) => replica.core !== undefined)
  }

  get leader(): Replica | undefined {
    const leaders = this.alive.filter((replica) => replica.core?.status().role === 'leader')
    return leaders.sort((a, b) => (b.core?.term ?? 0) - (a.core?.term ?? 0))[0]
  }

  drain(replica: Replica): void {
    replica.draining = true
    this.step(replica, { type: 'drain' })
  }

  start(replica: Replica): void {
    replica.starts += 1
    replica.draining = false
    replica.memory = replica.disk.copy()
    replica.applied = replica.disk.applied
    replica.persisted = 0
    replica.pending = []
    replica.waiting = []
    const config: CoreConfig = {
      self: replica.member,
      start: `${replica.member.replace('/a', '')}s${replica.starts}`,
      ...this.timing,
      random: this.random,
    }
    replica.core = new Core(config, replica.disk.restore(), this.instant(replica))
  }

  /** The process dies: what was not synced is gone, but for the first `synced` writes under way. */
  crash(replica: Replica, synced = 0): void {
    for (const { write, applied } of replica.pending.slice(0, synced)) {
      replica.disk.apply(write)
      replica.disk.applied = Math.max(replica.disk.applied, applied)
    }
    replica.core = undefined
    replica.pending = []
    replica.waiting = []
  }

  /** A new, empty disk under the same ordinal; the others hear its hello. */
  replace(replica: Replica): Replica {
    this.crash(replica)
    const [ordinal, incarnation] = replica.member.split('/') as [string, string]
    const next = String.fromCharCode(incarnation.charCodeAt(0) + 1)
    const fresh = new Replica(memberId(Number(ordinal), next), replica.now_ms)
    this.replicas.push(fresh)
    this.start(fresh)
    return fresh
  }

  hello(replica: Replica): void {
    for (const other of this.alive) {
      if (other !== replica) this.step(other, { type: 'heard', member: replica.member })
    }
  }

  instant(replica: Replica): { now_ms: number; wall_ms: number } {
    return { now_ms: replica.now_ms, wall_ms: WALL_START_MS + replica.now_ms }
  }

  step(replica: Replica, input: Input): Effects | undefined {
    const { core } = replica
    if (core === undefined) return undefined
    this.observer.input?.(replica, input)
    const effects = core.step(this.instant(replica), input)
    this.#take(replica, effects)
    this.observer.effects?.(replica, effects)
    return effects
  }

  #take(replica: Replica, effects: Effects): void {
    const { write } = effects
    if (write !== undefined) replica.memory.apply(write)
    if (write?.install !== undefined) replica.applied = write.install.meta.index
    for (const entry of effects.committed) {
      if (entry.index !== replica.applied + 1) throw new Error(`commit skips to ${entry.index}`)
      replica.applied = entry.index
    }
    if (write !== undefined) replica.pending.push({ write, applied: replica.applied })
    for (const outgoing of effects.messages) {
      if (outgoing.after <= replica.persisted) this.#post(outgoing.message)
      else replica.waiting.push(outgoing)
    }
    if (effects.load.length > 0 || effects.snapshots.length > 0)
      this.#queue.push({ replica, effects })
  }

  /** Answers what cores asked of their disks: entries, and snapshots to stream. */
  serve(): boolean {
    const queue = this.#queue
    this.#queue = []
    for (const { replica, effects } of queue) {
      for (const { to, from, bytes_max } of effects.load) {
        const entries = replica.disk.read(from, bytes_max)
        this.step(replica, { type: 'loaded', to, from, entries })
      }
      for (const { to } of effects.snapshots) {
        if (replica.core === undefined) continue
        const meta = replica.disk.metaAt(replica.disk.applied)
        this.streams.push({ from: replica.member, to, term: replica.core.term, meta })
      }
    }
    return queue.length > 0
  }

  /** Ends the oldest stream: the receiver has it whole, or it failed. */
  stream(ok: boolean): boolean {
    const stream = this.streams.shift()
    if (stream === undefined) return false
    const { from, to, term, meta } = stream
    const target = this.replicas.find((replica) => replica.member === to)
    const arrives = ok && target?.core !== undefined && !this.cut.has(`${from}->${to}`)
    if (arrives) this.step(target as Replica, { type: 'snapshot-received', from, term, meta })
    const sender = this.replicas.find((replica) => replica.member === from) as Replica
    this.step(sender, { type: 'snapshot-sent', to, index: meta.index, ok: arrives })
    return true
  }

  #post(message: Message): void {
    const link = `${message.from}->${message.to}`
    if (this.cut.has(link)) this.observer.lost?.(message)
    else this.flights.push({ message, held: this.holding.has(link) })
  }

  /** Delivers one message on its way. */
  deliver(flight: Flight): void {
    const at = this.flights.indexOf(flight)
    if (at >= 0) this.flights.splice(at, 1)
    const { message } = flight
    const target = this.replicas.find((replica) => replica.member === message.to)
    if (target?.core === undefined) this.observer.lost?.(message)
    else this.step(target, { type: 'message', message })
  }

  /** Finishes the oldest `count` writes under way, as one sync. */
  persist(replica: Replica, count = Number.POSITIVE_INFINITY): boolean {
    const done = replica.pending.splice(0, Math.min(count, replica.pending.length))
    const last = done[done.length - 1]
    if (last === undefined) return false
    for (const { write, applied } of done) {
      replica.disk.apply(write)
      replica.disk.applied = Math.max(replica.disk.applied, applied)
    }
    replica.persisted = last.write.id
    const waiting = replica.waiting
    replica.waiting = []
    for (const outgoing of waiting) {
      if (outgoing.after <= replica.persisted) this.#post(outgoing.message)
      else replica.waiting.push(outgoing)
    }
    this.step(replica, { type: 'persisted', write: last.write.id })
    return true
  }

  /** Delivers and syncs until nothing moves any more; no time passes. */
  stabilize(): void {
    for (let turns = 0; turns < 10_000; turns += 1) {
      let moved = false
      const ready = this.flights.filter((flight) => !flight.held)
      for (const flight of ready) this.deliver(flight)
      for (const replica of this.alive) {
        if (!replica.diskHeld) moved = this.persist(replica) || moved
      }
      moved = this.serve() || moved
      if (!this.holdStreams) moved = this.stream(!this.failStreams) || moved
      if (!moved && ready.length === 0) return
    }
    throw new Error('the cluster does not become quiet')
  }

  tick(replica: Replica, ms: number): void {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      replica.now_ms += Math.min(TICK_MS, ms - passed)
      this.step(replica, { type: 'tick' })
    }
    if (ms === 0) this.step(replica, { type: 'tick' })
  }

  /** Time passes for all, with a quick network and quick disks. */
  run(ms: number, until: () => boolean = () => false): boolean {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      if (until()) return true
      for (const replica of this.replicas) replica.now_ms += TICK_MS
      for (const replica of this.alive) this.step(replica, { type: 'tick' })
      this.stabilize()
    }
    return until()
  }

  propose(replica: Replica, text: string): Effects | undefined {
    return this.step(replica, { type: 'propose', count: 1, payload: Buffer.from(text) })
  }

  /** The id that the next read gets. */
  get nextRead(): number {
    return this.#reads + 1
  }

  read(replica: Replica): number {
    this.#reads += 1
    this.step(replica, { type: 'read', id: this.#reads })
    return this.#reads
  }

  partition(groups: readonly (readonly Replica[])[]): void {
    this.cut.clear()
    for (const from of this.replicas) {
      for (const to of this.replicas) {
        const together = groups.some((group) => group.includes(from) && group.includes(to))
        if (from !== to && !together) this.cut.add(`${from.member}->${to.member}`)
      }
    }
  }

  heal(): void {
    this.cut.clear()
    this.holding.clear()
    for (const flight of this.flights) flight.held = false
  }
}
