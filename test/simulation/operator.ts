/**
 * Who changes the cluster on purpose: rolling restarts, as a StatefulSet does them (highest ordinal
 * first, each well before the next), one replica more, one less.
 */

import type { ReplicaHost } from './replica-host.ts'
import type { World } from './world.ts'

const LOOK_EVERY_MS = 100
/** A rolling restart does not wait longer than this for one Pod. */
const ROLL_PATIENCE_MS = 8000
/** More replicas than this are not made. */
const MORE_MAX = 2

export class Operator {
  readonly #world: World
  #rolling = false
  /** The ordinal that is to leave. */
  #leaving: ReplicaHost | undefined
  #finished = false
  readonly #mayLeave: (member: string) => boolean

  constructor(world: World, mayLeave: (member: string) => boolean) {
    this.#world = world
    this.#mayLeave = mayLeave
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
    host.want()
    return true
  }

  isLeaving(host: ReplicaHost): boolean {
    return this.#leaving === host
  }

  scaleDown(): boolean {
    const hosts = this.#hosts()
    const last = hosts.at(-1)
    if (this.#leaving !== undefined || last === undefined || hosts.length < 2) return false
    this.#leaving = last
    this.#remove(last)
    return true
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

  /** Asks the leader again and again, as a replica that is to leave does; then it is stopped. */
  #remove(host: ReplicaHost): void {
    const { scheduler } = this.#world
    if (this.#finished && host.wanted) {
      this.#leaving = undefined
      return
    }
    const leader = this.#world
      .hosts()
      .find((one) => one.replica?.loop?.status().canPropose === true)
    const loop = leader?.replica?.loop
    const { membership, membershipIndex, commit } = loop?.status() ?? {}
    const member = [...(membership?.voters ?? []), ...(membership?.learners ?? [])].find((id) =>
      id.startsWith(`${host.ordinal}/`),
    )
    // A second process with this ordinal would come back as a member that nobody means to run.
    const twin = this.#world
      .hosts()
      .some((one) => one !== host && one.ordinal === host.ordinal && one.process !== undefined)
    const settled = !twin && (membershipIndex ?? 0) <= (commit ?? 0)
    if (loop !== undefined && membership !== undefined && settled && member === undefined) {
      if (!host.wanted) {
        this.#leaving = undefined
        this.#world.count('scaled-down')
        return
      }
      // A last hello of its may be under way, and make it a member once more: looked at again.
      host.unwant()
      host.kill('kept')
      this.#world.dns.remove(host.ordinal)
    }
    // With one voter less, fewer disks may be unwell.
    const learns = member !== undefined && membership?.learners.includes(member)
    const mayLeave = member !== undefined && !twin && (learns || this.#mayLeave(member))
    if (mayLeave && leader?.process !== undefined) {
      scheduler.after(0, leader.process, () => loop?.step({ type: 'remove', member }))
    }
    scheduler.after(LOOK_EVERY_MS, undefined, () => this.#remove(host))
  }
}

function isCaughtUp(host: ReplicaHost): boolean {
  const loop = host.replica?.loop
  const status = loop?.status()
  return status?.leader !== undefined && (loop?.applied ?? -1) >= status.commit
}
