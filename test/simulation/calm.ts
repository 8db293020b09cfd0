/**
 * Liveness while faults still come: as long as a quorum of the voters is undisturbed (running, on
 * sound disks, hearing one another), there is soon a leader. Priority, or one replica
 * that is ill, must never cost that (DESIGN §3.2).
 */

import { majority } from '../../src/database/consensus/quorum.ts'
import type { Membership } from '../../src/database/consensus/types.ts'
import type { ReplicaHost } from './replica-host.ts'
import type { World } from './world.ts'

const LOOK_EVERY_MS = 250
/** A quorum that is undisturbed has a leader within so many election timeouts, and a constant. */
const TIMEOUTS = 8
const PATIENCE_MS = 6000

export class Calm {
  readonly #world: World
  /** Since when a quorum has been undisturbed without a leader; −1: it is not so. */
  #since_ms = -1

  constructor(world: World) {
    this.#world = world
  }

  start(): void {
    const look = () => {
      this.#look()
      this.#world.scheduler.after(LOOK_EVERY_MS, undefined, look)
    }
    look()
  }

  #look(): void {
    const { scheduler, parameters } = this.#world
    const quorum = this.#quorum()
    // One that leads without a quorum does not do so for long.
    if (quorum === undefined || this.#world.hosts().some(leads)) {
      this.#since_ms = -1
      return
    }
    if (this.#since_ms < 0) this.#since_ms = scheduler.now_ms
    const waited_ms = scheduler.now_ms - this.#since_ms
    const limit_ms = PATIENCE_MS + TIMEOUTS * parameters.timing.electionTimeout_ms
    if (waited_ms < limit_ms) return
    const who = quorum.map((host) => host.place).join(', ')
    const what = `${who} have been undisturbed for ${Math.round(waited_ms)} ms`
    this.#world.fail('no-leader', `${what}, and nobody leads`)
  }

  /** Undisturbed voters that are a quorum of every membership that one of them knows. */
  #quorum(): ReplicaHost[] | undefined {
    const { network, dns } = this.#world
    if (network.slowness !== 1 || dns.isTroubled) return undefined
    const well = this.#world.replicas.filter(isUndisturbed)
    const group = well.filter((host) =>
      well.every(
        (other) =>
          !network.isBlocked(host.place, other.place) &&
          !network.isBlocked(other.place, host.place),
      ),
    )
    const memberships = group.map(membershipOf)
    const ids = group.map((host) => host.member?.id ?? '')
    const enough = memberships.every((membership) => {
      if (membership === undefined) return false
      const present = membership.voters.filter((voter) => ids.includes(voter))
      return present.length >= majority(membership.voters.length)
    })
    return enough && group.length > 0 ? group : undefined
  }
}

function isUndisturbed(host: ReplicaHost): boolean {
  const { volume } = host
  const ill = volume.damaged || volume.troubled || volume.slowness !== 1
  return host.process?.running === true && host.replica?.loop !== undefined && !ill
}

function membershipOf(host: ReplicaHost): Membership | undefined {
  return host.replica?.loop?.status().membership
}

function leads(host: ReplicaHost): boolean {
  const status = host.replica?.loop?.status()
  return status?.role === 'leader' && status.committedInTerm
}
