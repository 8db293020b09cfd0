/** Faults of processes: killed, paused, stopped, all at once or one after the other. */

import type { ApiHost } from './api-host.ts'
import type { Fault } from './faults.ts'
import type { Hand } from './nemesis.ts'
import type { ReplicaHost } from './replica-host.ts'

export function strikePod(hand: Hand, fault: Fault): void {
  if (strikeOne(hand, fault) || strikeApi(hand, fault) || strikeAll(hand, fault)) hand.struck(fault)
}

function strikeOne(hand: Hand, fault: Fault): boolean {
  if (!('ordinal' in fault)) return false
  const host = hand.world.replicas[fault.ordinal]
  const process = host?.process
  if (host === undefined || process?.alive !== true) return false
  switch (fault.type) {
    case 'kill':
      kill(hand, host, fault)
      return true
    case 'fuse':
      process.lightFuse(fault.effects, fault.power === 'lost' ? 'power lost' : 'killed')
      return true
    case 'pause':
      return pause(hand, process, fault.for_ms)
    case 'restart':
      host.terminate()
      return true
    case 'clock-jump':
      process.jump(fault.by_ms)
      return true
    case 'twin':
      return twin(hand, host, fault)
    default:
      return false
  }
}

/** Its machine may be gone for a while: the kubelet cannot start it then. */
function kill(hand: Hand, host: ReplicaHost, fault: Fault & { type: 'kill' }): void {
  if (fault.down_ms > 0 && host.wanted) {
    host.hold()
    hand.for(fault.down_ms, () => host.release())
  }
  host.kill(fault.power)
}

function pause(hand: Hand, process: NonNullable<ReplicaHost['process']>, for_ms: number): boolean {
  if (!process.running) return false
  process.pause()
  hand.for(for_ms, () => process.resume())
  return true
}

/** A second Pod with this ordinal: one with an empty disk is a disk that will be lost. */
function twin(hand: Hand, host: ReplicaHost, fault: Fault & { type: 'twin' }): boolean {
  const { world, budget, operator } = hand
  const same = fault.disk === 'same'
  if (!same && (!budget.allows(host) || operator.leaving === host)) return false
  const second = world.addTwin(host.ordinal, same ? host.volume : undefined)
  second.want()
  hand.for(fault.for_ms, () => {
    second.unwant()
    second.kill('kept')
    if (same) return
    const member = second.lastMember
    if (member !== undefined) budget.lost(member.id)
    world.damageDone = true
    host.register()
  })
  return true
}

function strikeApi(hand: Hand, fault: Fault): boolean {
  if (!('number' in fault)) return false
  const api: ApiHost | undefined = hand.world.apis[fault.number]
  if (api?.process?.alive !== true) return false
  switch (fault.type) {
    case 'api-kill':
      api.kill()
      return true
    case 'api-restart':
      api.terminate()
      return true
    case 'api-pause':
      return pause(hand, api.process, fault.for_ms)
    default:
      return false
  }
}

function strikeAll({ world, operator }: Hand, fault: Fault): boolean {
  switch (fault.type) {
    case 'drain-all':
      for (const host of world.replicas) host.terminate()
      return true
    case 'kill-all':
      for (const host of world.replicas) host.kill(fault.power)
      return true
    case 'rolling-restart':
      return operator.roll()
    case 'scale-up':
      return operator.scaleUp()
    case 'scale-down':
      return operator.scaleDown()
    default:
      return false
  }
}
