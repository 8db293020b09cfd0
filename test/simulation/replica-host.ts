/**
 * One ordinal of the StatefulSet: a volume, and a process on it that the kubelet starts again
 * whenever it ends. A process goes the way of `commands/replica.ts`: disk, peer port, replica; and
 * at the end hand-over, links, disk.
 */

import { noteFatal } from '../../src/commands/note-fatal.ts'
import { openDiskAt } from '../../src/commands/open-disk.ts'
import { memberId } from '../../src/database/consensus/types.ts'
import { PeerSecret } from '../../src/database/peers/secret.ts'
import { PeerTransport } from '../../src/database/peers/transport.ts'
import type { Transport } from '../../src/database/replica/ports.ts'
import { Replica } from '../../src/database/replica/replica.ts'
import { otherVoters, StopGuard } from '../../src/database/replica/stop-guard.ts'
import { ClusterError } from '../../src/shared/errors.ts'
import type { Chance } from './chance.ts'
import type { Member } from './invariants.ts'
import { SimulatedProcess } from './process.ts'
import { SimulatedWire } from './simulated-wire.ts'
import type { Volume } from './volume.ts'
import type { World } from './world.ts'

const CLUSTER = 'ordinal'
const FREE_MIN_BYTES = 1024 * 1024
/** What is left of the grace when the guard in front of the stop gives way. */
const GRACE_LEFT_MS = 20_000

/** A log that nobody reads. */
const silent = { error: () => undefined, fatal: () => undefined, info: () => undefined }

export class ReplicaHost {
  readonly ordinal: number
  readonly place: string
  readonly #world: World
  readonly #chance: Chance
  volume: Volume
  #process: SimulatedProcess | undefined
  #replica: Replica | undefined
  #member: Member | undefined
  /** The kubelet starts it again. */
  #wanted = false
  #starts = 0
  #holds = 0
  #failures = 0
  #bound: { host: string; port: number } | undefined
  /** The disk that this one had before, when it is not lost. */
  old: { readonly volume: Volume; readonly member: string } | undefined

  constructor(world: World, options: { ordinal: number; place: string; volume: Volume }) {
    this.#world = world
    this.ordinal = options.ordinal
    this.place = options.place
    this.volume = options.volume
    this.#chance = world.chanceOf(`replica ${options.place}`)
  }

  get process(): SimulatedProcess | undefined {
    return this.#process
  }

  get replica(): Replica | undefined {
    return this.#process?.alive === true ? this.#replica : undefined
  }

  get member(): Member | undefined {
    return this.#process?.alive === true ? this.#member : undefined
  }

  /** The member that its disk was, when a process last opened it. */
  get lastMember(): Member | undefined {
    return this.#member
  }

  get wanted(): boolean {
    return this.#wanted
  }

  /** Another disk is in its place; the process that had the old one must be gone. */
  swap(volume: Volume): void {
    const { member } = this.volume
    if (member !== undefined) this.old = { volume: this.volume, member }
    this.volume = volume
  }

  /** Its Pod's address stands in the DNS, if it has one. */
  register(): void {
    if (this.#process?.alive !== true || this.#bound === undefined) return
    this.#world.dns.set({ ordinal: this.ordinal, ...this.#bound })
  }

  /** From now on the kubelet keeps it running. */
  want(): void {
    if (this.#wanted) return
    this.#wanted = true
    this.#start()
  }

  /** The kubelet cannot start it now; it is meant to run all the same. */
  hold(): void {
    this.#holds += 1
  }

  release(): void {
    this.#holds -= 1
    this.#start()
  }

  /** It is not started again when it ends. */
  unwant(): void {
    this.#wanted = false
  }

  /** The process ends at once, with its machine or without. */
  kill(power: 'lost' | 'kept'): void {
    const process = this.#process
    if (process?.alive !== true) return
    process.kill(power === 'lost' ? 'power lost' : 'killed')
  }

  /** SIGTERM. */
  terminate(): void {
    const process = this.#process
    const replica = this.replica
    if (process?.alive !== true) return
    if (replica === undefined) {
      process.kill('terminated before it had started')
      return
    }
    this.#world.scheduler.after(0, process, () => {
      replica.drain().then(
        () => process.kill('drained'),
        (error: unknown) => this.#fatal(process, error),
      )
    })
  }

  /** Its Pod is deleted: preStop, SIGTERM, and SIGKILL at the end of the grace. */
  evict(grace_ms: number): void {
    this.unwant()
    const process = this.#process
    const replica = this.replica
    const { scheduler } = this.#world
    if (process?.alive !== true || replica === undefined) {
      process?.kill('deleted before it had started')
      return
    }
    scheduler.after(grace_ms, undefined, () => process.kill('its grace is over'))
    const guard = this.#guard(replica, process, grace_ms)
    scheduler.after(0, process, () => {
      const asked = guard.released(new AbortController().signal)
      asked.then(
        (why) => {
          this.#world.note(`${process.name} is released: ${why}`)
          this.terminate()
        },
        (error: unknown) => this.#fatal(process, error),
      )
    })
  }

  /** As `commands/replica.ts` makes it. */
  #guard(replica: Replica, { clock }: SimulatedProcess, grace_ms: number): StopGuard {
    return new StopGuard({
      clock,
      ordinal: this.ordinal,
      others: () => {
        const status = replica.loop?.status()
        if (status === undefined) return undefined
        const { electionTimeout_ms: silence_ms } = this.#world.parameters.timing
        return otherVoters(status, replica.peers, { now_ms: clock.now_ms(), silence_ms })
      },
      tell: (stopping) => replica.tellStopping(stopping),
      departure: replica.departure,
      draining: () => replica.draining,
      hold_ms: Math.max(0, grace_ms - GRACE_LEFT_MS),
    })
  }

  #start(): void {
    const world = this.#world
    if (!this.#wanted || this.#holds > 0 || this.#process?.alive === true) return
    this.#starts += 1
    const { drift, skew_ms } = world.parameters
    const process = new SimulatedProcess({
      name: `${this.place}#${this.#starts}`,
      scheduler: world.scheduler,
      chance: this.#chance,
      rate: 1 + this.#chance.between(-drift, drift),
      skew_ms: this.#chance.between(-skew_ms, skew_ms),
    })
    this.#process = process
    this.#replica = undefined
    process.onFuse = () => world.count('killed-between-effects')
    process.onDeath = (why) => this.#ended(process, why)
    world.note(`${process.name} starts`)
    world.onMoment('start', this.ordinal)
    world.scheduler.after(0, process, () => {
      this.#run(process).catch((error: unknown) => this.#fatal(process, error))
    })
  }

  #ended(process: SimulatedProcess, why: string): void {
    const world = this.#world
    world.note(`${process.name} ends: ${why}`)
    world.network.ended(process, why !== 'power lost')
    // Where it died in the middle of things, the machine lives on and nothing written is lost.
    this.volume.ended(process, why === 'power lost' ? 'lost' : 'kept')
    this.#bound = undefined
    const failing = why.startsWith('fatal') || why.startsWith('cannot')
    this.#failures = failing ? this.#failures + 1 : 0
    const pause_ms = this.#chance.between(50, 1500) * Math.min(4, 1 + this.#failures)
    world.scheduler.after(pause_ms, undefined, () => this.#start())
  }

  #fatal(process: SimulatedProcess, error: unknown): void {
    if (!process.alive) return
    if (!(error instanceof ClusterError)) {
      this.#world.exception(error, process)
      return
    }
    this.#world.onReplicaFailed(this, error)
    process.kill(`fatal: ${error.code}: ${error.message}`)
  }

  async #run(process: SimulatedProcess): Promise<void> {
    const world = this.#world
    const { volume, ordinal } = this
    const chance = this.#chance
    const newId = () => chance.uuid()
    const owner = { ordinal, cluster: CLUSTER, newIncarnation: newId }
    const disk = await openDiskAt(volume.place(process), owner, silent)
    if (disk.notes.length > 0) world.onSetAside(this, disk.notes)
    const { storage } = disk
    const member = {
      process,
      id: memberId(ordinal, storage.identity.incarnation),
      mirror: () => volume.mirror,
    }
    this.#member = member
    volume.member = member.id
    world.onDiskOpened(member)
    const transport = this.#transport(process)
    const bound = await transport.listen()
    this.#bound = bound
    this.register()
    const replica = new Replica({
      ...disk,
      transport: this.#watched(transport),
      clock: process.clock,
      random: () => chance.random(),
      newId,
      name: this.place,
      address: `${bound.host}:${bound.port}`,
      firstOrdinal: 0,
      expected: world.size,
      orchestrator: world.statefulSet?.orchestratorOf(process),
      podManagement: world.statefulSet?.ordered === true ? 'OrderedReady' : 'Parallel',
      grace_ms: world.statefulSet?.grace_ms,
      timing: world.parameters.timing,
      diskFreeMin_bytes: FREE_MIN_BYTES,
      onEvent: (event) => world.onReplicaEvent(this, event),
      onFatal: (error) => {
        noteFatal(error, storage, silent).then(
          () => this.#fatal(process, error),
          (cause: unknown) => this.#fatal(process, cause),
        )
      },
    })
    this.#replica = replica
    await replica.start()
  }

  #transport(process: SimulatedProcess): PeerTransport {
    const world = this.#world
    const { network, scheduler } = world
    const host = world.newAddress()
    const { place } = this
    const { clock } = process
    return new PeerTransport({
      name: place,
      host: '',
      port: 0,
      discovery: world.dns.resolver(process),
      secret: new PeerSecret({ file: undefined, clock }),
      clock,
      random: () => this.#chance.random(),
      wire: (identity) => new SimulatedWire({ network, process, place, host, identity }),
      defer: (run) => void scheduler.after(0, process, run),
    })
  }

  /** The same transport, with the invariants looking at what leaves. */
  #watched(transport: PeerTransport): Transport {
    const { invariants } = this.#world
    return {
      start: (hello, handlers) => transport.start(hello, handlers),
      announce: (hello) => transport.announce(hello),
      send: (message) => {
        invariants.onSend(message)
        transport.send(message)
      },
      sendSnapshot: (to, options) => transport.sendSnapshot(to, options),
      peers: () => transport.peers(),
      close: () => transport.close(),
    }
  }
}
