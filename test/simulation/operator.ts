/**
 * Who changes the cluster on purpose: rolling restarts, as a StatefulSet does them (highest ordinal
 * first, each well before the next), one replica more, one less. The replicas learn of a scale from
 * the StatefulSet alone; where one was stopped too early for the others to do without, it is scaled
 * up again, as an operator is told to do.
 */

import { membersOf } from '../../src/database/consensus/membership.ts'
import type { Chance } from './chance.ts'
import type { ReplicaHost } from './replica-host.ts'
import type { World } from './world.ts'

const LOOK_EVERY_MS = 100
/** A rolling restart does not wait longer than this for one Pod. */
const ROLL_PATIENCE_MS = 8000
/** More replicas than this are not made. */
const MORE_MAX = 2
/** Graces that a Pod gets when it is scaled away. */
const GRACES_MS = [300, 3000, 8000]
/** A cluster that has no leader for so long after somebody went is scaled up again. */
const LEADERLESS_MS_MAX = 8000

export class Operator {
  readonly #world: World
  #rolling = false
  /** The ordinal that is to leave. */
  #leaving: ReplicaHost | undefined
  #finished = false
  readonly #mayLeave: (member: string) => boolean
  readonly #chance: Chance

  constructor(world: World, mayLeave: (member: string) => boolean) {
    this.#world = world
    this.#mayLeave = mayLeave
    this.#chance = world.chanceOf('operator')
  }

  /** Ends what goes on: who is half gone stays. */
  finish(): void {
    this.#finished = true
  }

  roll(): boolean {
    if (this.#rolling) return false
    this.#rolling = true
    this.#rollFrom(this.#hosts().length - 1)
    return true
  }

  scaleUp(): boolean {
    const { world, hosts } = { world: this.#world, hosts: this.#hosts() }
    const ordinal = hosts.length
    if (this.#leaving !== undefined || ordinal >= world.parameters.replicas + MORE_MAX) return false
    const host = world.replicas[ordinal] ?? world.addReplica(ordinal)
    world.statefulSet?.say(ordinal + 1)
    host.want()
    return true
  }

  /** The ordinal that is to leave; undefined: none. */
  get leaving(): ReplicaHost | undefined {
    return this.#leaving
  }

  scaleDown(): boolean {
    const world = this.#world
    const hosts = this.#hosts()
    const last = hosts.at(-1)
    const member = last?.volume.member
    if (this.#leaving !== undefined || last === undefined || hosts.length < 2) return false
    // With one voter less, fewer disks may be unwell.
    if (member === undefined || !this.#mayLeave(member) || this.#hasTwin()) return false
    this.#leaving = last
    world.statefulSet?.say(hosts.length - 1)
    last.evict(this.#chance.pick(GRACES_MS))
    this.#look(last, world.scheduler.now_ms)
    return true
  }

  /** A second process with any ordinal may become a voter, and is not there to stay. */
  #hasTwin(): boolean {
    return this.#world.twins.some((twin) => twin.wanted)
  }

  /** Those who are meant to run, in the order of their ordinals. */
  #hosts(): ReplicaHost[] {
    return this.#world.replicas.filter((host) => host.wanted)
  }

  #rollFrom(at: number): void {
    const host = this.#hosts()[at]
    if (host === undefined || this.#finished) {
      this.#rolling = false
      return
    }
    const before = host.process
    host.terminate()
    const { scheduler } = this.#world
    const until_ms = scheduler.now_ms + ROLL_PATIENCE_MS
    const look = () => {
      const well = host.process !== before && isCaughtUp(host)
      if (well || scheduler.now_ms > until_ms) this.#rollFrom(at - 1)
      else scheduler.after(LOOK_EVERY_MS, undefined, look)
    }
    scheduler.after(LOOK_EVERY_MS, undefined, look)
  }

  /** Until it has ended and was removed; `led_ms`: when there was a leader last. */
  #look(host: ReplicaHost, led_ms: number): void {
    const { scheduler, dns } = this.#world
    const loop = this.#world.hosts().find((one) => one.replica?.loop?.status().canPropose === true)
      ?.replica?.loop
    const { membership, membershipIndex, commit } = loop?.status() ?? {}
    const isOfHost = (member: string) => member.startsWith(`${host.ordinal}/`)
    const members = membersOf(membership)
    const settled = membership !== undefined && (membershipIndex ?? 0) <= (commit ?? 0)
    const ended = host.process?.alive !== true
    if (ended && settled && !members.some(isOfHost)) {
      dns.remove(host.ordinal)
      this.#leaving = undefined
      this.#world.count('scaled-down')
      return
    }
    const since_ms = loop === undefined ? led_ms : scheduler.now_ms
    if (this.#finished || (ended && scheduler.now_ms - since_ms > LEADERLESS_MS_MAX)) {
      this.#world.note(`${host.place} is to stay after all`)
      this.#world.statefulSet?.say(host.ordinal + 1)
      host.want()
      this.#leaving = undefined
      return
    }
    scheduler.after(LOOK_EVERY_MS, undefined, () => this.#look(host, since_ms))
  }
}

function isCaughtUp(host: ReplicaHost): boolean {
  const loop = host.replica?.loop
  const status = loop?.status()
  return status?.leader !== undefined && (loop?.applied ?? -1) >= status.commit
}
