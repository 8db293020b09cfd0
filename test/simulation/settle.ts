/**
 * Is the cluster well? A leader with the lowest ordinal of all voters, everybody in the membership
 * and caught up, equal states. Asked after the faults have ceased.
 */

import { ordinalOf } from '../../src/database/consensus/types.ts'
import type { ReplicaHost } from './replica-host.ts'
import type { World } from './world.ts'

/** How often it is looked at, ms. */
const LOOK_EVERY_MS = 100
const looked = new WeakMap<World, number>()

/** True when nothing is wrong; looks only now and then. */
export function settled(world: World, looks: { lag: number }): boolean {
  const now_ms = world.scheduler.now_ms
  const last_ms = looked.get(world) ?? -LOOK_EVERY_MS
  if (now_ms - last_ms < LOOK_EVERY_MS) return false
  looked.set(world, now_ms)
  return whatIsWrong(world, looks) === ''
}

/** What is not as it should be, for people; '': nothing. */
export function whatIsWrong(world: World, { lag }: { lag: number }): string {
  const hosts = world.replicas.filter((host) => host.wanted)
  const wrong: string[] = []
  for (const host of hosts) {
    const why = whyNotRunning(host)
    if (why !== undefined) wrong.push(`${host.place} ${why}`)
  }
  if (wrong.length > 0) return wrong.join('; ')
  const leaders = hosts.filter((host) => host.replica?.loop?.status().role === 'leader')
  const [leader] = leaders
  if (leader === undefined || leaders.length > 1) return `${leaders.length} replicas lead`
  const status = leader.replica?.loop?.status()
  if (status?.membership === undefined || !status.canPropose) return `${leader.place} leads, idly`
  const { voters, learners } = status.membership
  const lowest = Math.min(...voters.map(ordinalOf))
  if (leader.ordinal !== lowest) return `${leader.place} leads, and ${lowest} is the lowest`
  const members = hosts.map((host) => host.member?.id ?? '')
  const strangers = voters.filter((voter) => !members.includes(voter))
  if (strangers.length > 0 || learners.length > 0 || voters.length !== hosts.length) {
    return `voters are [${voters}], learners [${learners}], running are [${members}]`
  }
  for (const host of hosts) {
    const loop = host.replica?.loop
    if (loop === undefined || loop.applied < status.commit - lag) {
      return `${host.place} has applied ${loop?.applied} of ${status.commit}`
    }
    const { applied, hash } = loop.meta()
    const known = world.invariants.hashAt(applied)
    if (known !== undefined && known !== hash) return `${host.place} has another state`
  }
  return ''
}

function whyNotRunning(host: ReplicaHost): string | undefined {
  if (host.process?.running !== true) return 'is not running'
  if (host.replica === undefined) return 'is starting'
  if (host.replica.loop === undefined) return `waits: ${host.replica.waiting}`
  return undefined
}
