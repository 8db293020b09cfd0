/**
 * The StatefulSet with all that stands behind it: the API server that replicas ask, the controller
 * that makes and deletes Pods, in parallel or in order, and the kubelets that stop them (preStop,
 * SIGTERM, and SIGKILL when the grace is over).
 */

import type {
  Marker,
  MarkerState,
  Orchestrator,
  Topology,
} from '../../src/database/replica/orchestrator.ts'
import { Readiness } from '../../src/database/replica/readiness.ts'
import type { Replica } from '../../src/database/replica/replica.ts'
import type { Chance } from './chance.ts'
import type { SimulatedProcess } from './process.ts'
import type { ReplicaHost } from './replica-host.ts'
import type { World } from './world.ts'

const CONTROL_EVERY_MS = 100
/** How often replicas read it without a reason. */
const POLL_MS = 5000
const READ_MS = 5

export type StatefulSetOptions = {
  readonly replicas: number
  readonly ordered?: boolean
  readonly grace_ms?: number
  /** Probability that the API server does not answer. */
  readonly failing?: number
}

export class StatefulSet {
  readonly #world: World
  readonly #chance: Chance
  readonly ordered: boolean
  grace_ms: number
  #topology: Topology
  marker: Marker | undefined
  /** Replicas reach the API server. */
  reachable = true
  failing: number
  /** The ConfigMap may be read. */
  markerReadable = true
  readonly #readiness = new WeakMap<Replica, Readiness>()
  /** Pods being deleted, and the process that each of them was. */
  readonly #deleting = new Map<ReplicaHost, SimulatedProcess>()

  constructor(world: World, options: StatefulSetOptions) {
    this.#world = world
    this.#chance = world.chanceOf('stateful set')
    this.ordered = options.ordered ?? false
    this.grace_ms = options.grace_ms ?? 60_000
    this.failing = options.failing ?? 0
    this.#topology = { first: 0, replicas: options.replicas, ending: false }
  }

  get topology(): Topology {
    return this.#topology
  }

  scale(replicas: number): void {
    this.say(replicas)
    this.#control()
  }

  /** What the API server says from now on; somebody else makes and deletes the Pods. */
  say(replicas: number): void {
    this.#world.note(`SCALED TO ${replicas}`)
    this.#topology = { ...this.#topology, replicas }
  }

  /** The StatefulSet is deleted, and its Pods with it. */
  delete(): void {
    this.#topology = { ...this.#topology, replicas: 0, ending: true }
    this.#control()
  }

  /** Starts to make Pods. */
  start(): void {
    this.#control()
    this.#world.scheduler.after(CONTROL_EVERY_MS, undefined, () => this.start())
  }

  /** `kubectl delete pod`: it is stopped, and made again once it is gone. */
  deletePod(host: ReplicaHost): void {
    if (host.process?.alive !== true || this.#deleting.has(host)) return
    this.#deleting.set(host, host.process)
    host.evict(this.grace_ms)
  }

  isReady(host: ReplicaHost): boolean {
    const { replica } = host
    const clock = host.process?.clock
    if (replica === undefined || clock === undefined) return false
    const known = this.#readiness.get(replica) ?? new Readiness(replica, clock)
    this.#readiness.set(replica, known)
    return known.notReady() === undefined
  }

  /** What one process sees of it. */
  orchestratorOf(process: SimulatedProcess): Orchestrator {
    let last: Topology | undefined
    const ask = <T>(answer: () => T, otherwise: T, timeout_ms: number): Promise<T> =>
      new Promise((resolve) => {
        const asked = this.reachable && !this.#chance.happens(this.failing)
        const wait_ms = asked ? READ_MS * (0.5 + this.#chance.random()) : timeout_ms
        this.#world.scheduler.after(wait_ms, process, () => resolve(asked ? answer() : otherwise))
      })
    const readTopology = async (timeout_ms: number) => {
      const read = await ask<Topology | undefined>(() => this.#topology, undefined, timeout_ms)
      if (read !== undefined) last = read
      return read
    }
    const poll = () => {
      void readTopology(1000).then(() => this.#world.scheduler.after(POLL_MS, process, poll))
    }
    poll()
    return {
      markerName: 'db-marker',
      get topology() {
        return last
      },
      readTopology,
      readMarker: (timeout_ms) => {
        const unreadable = { type: 'unreadable', why: 'no answer' } as const
        return ask<MarkerState>(() => this.#markerState(), unreadable, timeout_ms)
      },
      writeMarker: (marker) => ask(() => this.#write(marker), false, 1000),
    }
  }

  #markerState(): MarkerState {
    if (!this.markerReadable) return { type: 'unreadable', why: 'it is forbidden' }
    const { marker } = this
    return marker === undefined ? { type: 'absent' } : { type: 'present', marker }
  }

  #write(marker: Marker): boolean {
    if (!this.markerReadable) return false
    this.#world.note(`MARKED ${JSON.stringify(marker)}`)
    this.marker = marker
    return true
  }

  // The controller.

  #control(): void {
    for (const [host, process] of this.#deleting) {
      if (process.alive) continue
      this.#deleting.delete(host)
      this.#world.dns.remove(host.ordinal)
    }
    const { first, replicas } = this.#topology
    const meant = ({ ordinal }: ReplicaHost) => ordinal >= first && ordinal < first + replicas
    const hosts = this.#world.replicas
    const made = hosts.filter(meant).every((host) => this.#make(host))
    if (this.ordered && !made) return
    for (const host of hosts.filter((each) => !meant(each)).reverse()) {
      if (host.process?.alive !== true && !host.wanted) continue
      this.deletePod(host)
      if (this.ordered) return
    }
  }

  /** False: the next Pod has to wait for this one. */
  #make(host: ReplicaHost): boolean {
    if (this.#deleting.has(host)) return !this.ordered
    host.want()
    return !this.ordered || this.isReady(host)
  }
}
