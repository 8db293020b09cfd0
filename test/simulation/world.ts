/**
 * The world of one run: time, network, names, replicas, API servers, clients, and those who look.
 * Everything that happens is noted in the transcript, whose hash tells runs apart.
 */

import { crc32c } from '@node-rs/crc32'
import { type CoreEvent, ordinalOf } from '../../src/database/consensus/types.ts'
import type { ReplicaEvent } from '../../src/database/replica/replica-options.ts'
import type { ClusterError } from '../../src/shared/errors.ts'
import { ApiHost } from './api-host.ts'
import { Chance } from './chance.ts'
import { Client } from './client.ts'
import { describeFrame } from './describe.ts'
import type { DiskMirror } from './disk-mirror.ts'
import { Dns } from './dns.ts'
import type { Moment } from './faults.ts'
import { History, type Operation, type Outcome } from './history.ts'
import { Invariants, type Member } from './invariants.ts'
import { Network } from './network.ts'
import type { Parameters } from './parameters.ts'
import type { SimulatedProcess } from './process.ts'
import { ReplicaHost } from './replica-host.ts'
import type { RunFailure } from './run-seed.ts'
import { Scheduler } from './scheduler.ts'
import type { StatefulSet } from './stateful-set.ts'
import { Transcript } from './transcript.ts'
import { Violation } from './violation.ts'
import { Volume } from './volume.ts'

export type WorldOptions = {
  readonly seed: number
  readonly parameters: Parameters
  readonly transcript: boolean
  readonly exceptions: 'fail' | 'crash'
}

export class World {
  readonly parameters: Parameters
  readonly scheduler = new Scheduler()
  readonly network: Network
  readonly dns: Dns
  readonly invariants: Invariants
  readonly history: History
  readonly replicas: ReplicaHost[] = []
  readonly twins: ReplicaHost[] = []
  readonly apis: ApiHost[] = []
  readonly clients: Client[] = []
  readonly transcript: Transcript
  readonly coverage = new Map<string, number>()
  readonly #seed: number
  readonly #exceptions: 'fail' | 'crash'
  readonly #members = new WeakMap<SimulatedProcess, Member>()
  readonly #addresses: Chance
  #volumes = 0
  #elections = 0
  readonly #memberships = new Set<number>()
  failure: RunFailure | undefined
  /** What runs the replicas, where they may ask; undefined: nobody. */
  statefulSet: StatefulSet | undefined
  /** While there are any, clients begin nothing. */
  lulls = 0
  /** Told of what faults may wait for, and of who did it. */
  onMoment: (moment: Moment, ordinal: number) => void = () => undefined
  /** Damage was done to some disk: what replicas say of damage may be true. */
  damageDone = false

  constructor(options: WorldOptions) {
    const { seed, parameters } = options
    const { scheduler } = this
    this.#seed = seed
    this.#exceptions = options.exceptions
    this.parameters = parameters
    this.transcript = new Transcript(options.transcript)
    this.network = new Network({
      scheduler,
      chance: this.chanceOf('network'),
      network: parameters.network,
    })
    this.dns = new Dns(scheduler, this.chanceOf('dns'))
    this.#addresses = this.chanceOf('addresses')
    this.invariants = new Invariants({
      current: () => this.#currentMember(),
      onEvent: (member, event) => this.#onCoreEvent(member, event),
      onSituation: (situation) => this.#onSituation(situation),
      onViolation: (violation) => this.fail(violation.check, violation.message),
      protocol: {
        timing: parameters.timing,
        drift: parameters.drift,
        now_ms: () => scheduler.now_ms,
      },
    })
    this.history = new History(this.invariants.model)
    scheduler.onException = (error) => this.exception(error, scheduler.current)
    this.network.onArrival = (link, type, body) => {
      this.transcript.mix(scheduler.now_ms, type, body.length, crc32c(body))
      if (this.transcript.kept) {
        const way = { from: link.otherPlace, to: link.place }
        this.transcript.line(scheduler.now_ms, describeFrame(way, type, body))
      }
    }
  }

  chanceOf(name: string): Chance {
    return new Chance(this.#seed, name)
  }

  /** Something happened. */
  note(what: string): void {
    this.transcript.note(this.scheduler.now_ms, what)
  }

  /** A situation was reached. */
  count(situation: string, times = 1): void {
    this.coverage.set(situation, (this.coverage.get(situation) ?? 0) + times)
  }

  fail(check: string, message: string): void {
    this.note(`FAILED ${check}: ${message}`)
    this.failure ??= { check, message, at_ms: Math.round(this.scheduler.now_ms) }
  }

  /** What nobody expected. Of a dead process it means nothing. */
  exception(error: unknown, process: SimulatedProcess | undefined): void {
    if (process?.alive === false) return
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (error instanceof Violation) this.fail(error.check, error.message)
    else if (this.#exceptions === 'fail' || process === undefined) this.fail('exception', text)
    else {
      this.count('exceptions')
      process.kill(`exception: ${text}`)
    }
  }

  /** Addresses are few, so that one is given again to another Pod. */
  newAddress(): string {
    const isFree = (host: string) => this.network.listenerAt(`${host}:7000`) === undefined
    const all = Array.from({ length: 12 }, (_, at) => `10.0.0.${1 + at}`)
    // Twins may take all of them.
    while (!all.some(isFree)) all.push(`10.0.0.${1 + all.length}`)
    for (;;) {
      const host = all[this.#addresses.below(all.length)]
      if (host !== undefined && isFree(host)) return host
    }
  }

  #countOutcome({ intent }: Operation, outcome: Outcome): void {
    if (outcome.type === 'unknown') this.count('write-unknown')
    else if (outcome.type === 'failed') {
      if (outcome.code === 'too-stale') this.count('read-refused-too-stale')
      if (outcome.code === 'disk-full') this.count('puts-refused-507')
    } else if (outcome.answer.status === 'condition-failed') this.count('condition-failed')
    else if (intent.type === 'get' && intent.consistency === 'stale') this.count('read-stale')
  }

  newVolume(place: string): Volume {
    const { scheduler } = this
    this.#volumes += 1
    const chance = this.chanceOf(`disk ${this.#volumes} of ${place}`)
    const onVanished = (batches: number) => this.count('unsynced-batch-lost', batches)
    const onSetAside = (member: string, mirror: DiskMirror) => this.invariants.lost(member, mirror)
    return new Volume({ scheduler, chance, ...this.parameters.disk, onVanished, onSetAside })
  }

  /** Puts everything there and starts it. */
  build(): void {
    for (let ordinal = 0; ordinal < this.parameters.replicas; ordinal += 1) this.addReplica(ordinal)
    this.#makeClients()
    for (const replica of this.replicas) replica.want()
    this.#startClients()
  }

  /** All but the replicas. */
  buildClients(): void {
    this.#makeClients()
    this.#startClients()
  }

  #makeClients(): void {
    const { apis, clients } = this.parameters
    for (let number = 0; number < apis; number += 1) {
      this.apis.push(new ApiHost(this, `api-${number}`))
    }
    for (let number = 0; number < clients; number += 1) this.clients.push(new Client(this, number))
  }

  #startClients(): void {
    for (const api of this.apis) api.start()
    for (const client of this.clients) client.start()
  }

  addReplica(ordinal: number): ReplicaHost {
    const place = `db-${ordinal}`
    const host = new ReplicaHost(this, { ordinal, place, volume: this.newVolume(place) })
    this.replicas.push(host)
    return host
  }

  /** A second Pod with the same ordinal. */
  addTwin(ordinal: number, volume: Volume | undefined): ReplicaHost {
    const place = `db-${ordinal}-twin-${this.twins.length}`
    const twin = new ReplicaHost(this, { ordinal, place, volume: volume ?? this.newVolume(place) })
    this.twins.push(twin)
    return twin
  }

  /** How many replicas the StatefulSet is to have now. */
  get size(): number {
    return this.replicas.filter((host) => host.wanted).length
  }

  /** All that may run a replica: the StatefulSet's, and twins. */
  hosts(): ReplicaHost[] {
    return [...this.replicas, ...this.twins]
  }

  #currentMember(): Member | undefined {
    const { current } = this.scheduler
    return current === undefined ? undefined : this.#members.get(current)
  }

  // What the hosts tell.

  onDiskOpened(member: Member): void {
    this.#members.set(member.process, member)
    this.invariants.started(member)
    this.note(`${member.process.name} is ${member.id}`)
  }

  onSetAside(host: ReplicaHost, notes: readonly string[]): void {
    this.count('data-set-aside')
    this.note(`${host.place}: ${notes.join('; ')}`)
    const removed = notes.every((note) => note.includes('removed'))
    if (!this.damageDone && !removed)
      this.fail('false-damage', `${host.place}: ${notes.join('; ')}`)
  }

  onReplicaFailed(host: ReplicaHost, error: ClusterError): void {
    if (error.code === 'data-damaged') this.count('damage-found')
    if (error.code === 'removed-replica') this.count('removed-replica-back')
    if (error.code === 'storage-failed') this.count('disk-full')
    this.note(`${host.place} cannot go on: ${error.code}: ${error.message}`)
  }

  onReplicaEvent(host: ReplicaHost, event: ReplicaEvent): void {
    if (event.type === 'waiting' || event.type === 'formed' || event.type === 'joining') {
      this.note(`${host.place} ${event.type}`)
    }
    if (event.type === 'refused') this.note(`${host.place} ${event.why}`)
  }

  #onCoreEvent(member: Member, event: CoreEvent): void {
    const { type, ...details } = event
    this.#tellMoment(member, event)
    this.note(`${member.id.slice(0, 6)} ${type} ${JSON.stringify(details)}`)
    if (type === 'elected') {
      this.#elections += 1
      if (this.#elections > 1) {
        this.count('leader-change')
        this.lull(this.parameters.workload.hush_ms)
      }
      if (event.reason === 'hand-back' || event.reason === 'hand-over') this.count(event.reason)
    } else if (type === 'transfer-failed') this.count(type)
    else if (type === 'stepped-down') {
      if (event.why.startsWith('a quorum')) this.count('stepped-down-alone')
      if (event.why.startsWith('it was paused')) this.count('stepped-down-paused')
    } else if (type === 'membership') this.#onMembership(event)
  }

  /** No client begins anything for a while. */
  lull(for_ms: number): void {
    this.lulls += 1
    this.scheduler.after(for_ms, undefined, () => {
      this.lulls -= 1
    })
  }

  #tellMoment(member: Member, event: CoreEvent): void {
    const ordinal = ordinalOf(member.id)
    if (event.type === 'role' && event.role === 'candidate') this.onMoment('candidate', ordinal)
    else if (event.type === 'elected') this.onMoment('elected', ordinal)
    else if (event.type === 'membership') this.onMoment('membership', ordinal)
    else if (event.type === 'transfer-started') {
      // The one that is to lead is as interesting as the one that leads.
      const to = ordinalOf(event.to)
      this.onMoment('transfer-started', this.#elections % 2 === 0 ? ordinal : to)
    }
  }

  #onSituation(situation: string): void {
    this.count(situation)
    const member = this.#currentMember()
    if (situation === 'snapshot-installed' && member !== undefined) {
      this.onMoment('snapshot', ordinalOf(member.id))
    }
  }

  #onMembership({ index, membership }: CoreEvent & { type: 'membership' }): void {
    if (!membership.opened || this.#memberships.has(index)) return
    this.#memberships.add(index)
    if (this.#memberships.size > 1) this.count('membership-change')
    const twins = this.twins.map((twin) => twin.lastMember?.id ?? '')
    if (membership.voters.some((voter) => twins.includes(voter))) this.count('twin-joined')
    if (membership.learners.some((learner) => twins.includes(learner))) this.count('twin-joined')
  }

  /** What can only be counted at the end. */
  summarize(): void {
    const { model } = this.invariants
    const { network } = this
    this.count('key-expired', model.counters.expired)
    this.count('session-ended', model.counters.sessionsEnded)
    this.count('session-unknown', model.counters.sessionUnknown)
    this.count('below-floor', model.counters.belowFloor)
    this.count('message-dropped', network.counters.dropped)
    this.count('message-late', network.counters.late + network.counters.twice)
    this.count('message-held', network.counters.held)
  }

  finished(operation: Operation, outcome: Outcome): void {
    const { client, intent } = operation
    this.#countOutcome(operation, outcome)
    const what =
      outcome.type === 'ok'
        ? `${outcome.answer.status} ${outcome.answer.revision} at ${outcome.answer.state}`
        : `${outcome.type} ${outcome.code}`
    const value = intent.type === 'put' ? ` ${intent.value.slice(0, 12)}` : ''
    this.note(`client ${client}: ${intent.type} ${intent.key}${value}: ${what}`)
    try {
      this.history.end(operation, outcome, this.scheduler.now_ms)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.fail(error.check, error.message)
    }
  }
}
