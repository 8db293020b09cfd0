/**
 * How much may be taken from a cluster: at most a minority of the voters' disks lost or damaged,
 * until their replacements are promoted (DESIGN §11). More is only done in runs that are meant to
 * go beyond; there nothing is asked but that no second cluster arises and no answer is wrong.
 */

import type { ReplicaHost } from './replica-host.ts'
import type { World } from './world.ts'

export class DiskBudget {
  readonly #world: World
  /** Members whose disk is lost, and may come back. */
  readonly #lost = new Set<string>()
  /** More was taken than the cluster must survive. */
  exceeded = false
  /** Who is to leave; undefined: nobody. */
  leaving: () => ReplicaHost | undefined = () => undefined

  constructor(world: World) {
    this.#world = world
  }

  /** May this host's disk be damaged, or be lost? */
  allows(host: ReplicaHost): boolean {
    const voters = this.#voters()
    const { member } = host.volume
    if (voters === undefined || member === undefined) return false
    const unwell = voters.filter((voter) => voter === member || !this.#isWell(voter))
    // One that leaves may be gone at any moment.
    const left = voters.filter((voter) => voter !== this.leaving()?.volume.member)
    const unwellThen = unwell.filter((voter) => left.includes(voter))
    if (unwell.length * 2 < voters.length && unwellThen.length * 2 < left.length) return true
    // Who lost all disks cannot know that there was a cluster.
    if (!this.#world.parameters.beyondBudget || unwell.length === voters.length) return false
    this.exceeded = true
    return true
  }

  /** May this voter leave, as far as the disks of the others are concerned? */
  allowsWithout(member: string): boolean {
    const voters = this.#voters()?.filter((voter) => voter !== member)
    if (voters === undefined) return false
    return voters.filter((voter) => !this.#isWell(voter)).length * 2 < voters.length
  }

  /** The disk of this member is gone. */
  lost(member: string): void {
    this.#lost.add(member)
  }

  /** It is there again, with all it held. */
  found(member: string): void {
    this.#lost.delete(member)
  }

  #isWell(voter: string): boolean {
    if (this.#lost.has(voter)) return false
    // A twin is not there to stay, so it is as good as lost.
    const host = this.#world.replicas.find((one) => one.volume.member === voter)
    return host !== undefined && !host.volume.damaged && !this.#isDoubled(host)
  }

  /** Its twin on another disk may take its place at any moment, and is not there to stay. */
  #isDoubled({ ordinal, volume }: ReplicaHost): boolean {
    const twins = this.#world.twins.filter((twin) => twin.wanted && twin.ordinal === ordinal)
    return twins.some((twin) => twin.volume !== volume)
  }

  /** The voters, where all who run agree on them and no change is under way. */
  #voters(): readonly string[] | undefined {
    let agreed: readonly string[] = []
    let count = 0
    for (const host of this.#world.hosts()) {
      const status = host.replica?.loop?.status()
      const membership = status?.membership
      if (status === undefined || membership === undefined) continue
      if (!membership.opened || membership.learners.length > 0) return undefined
      if (status.membershipIndex > status.commit) return undefined
      if (count > 0 && agreed.join() !== membership.voters.join()) return undefined
      agreed = membership.voters
      count += 1
    }
    return count * 2 > agreed.length ? agreed : undefined
  }
}
