/** Faults of the network and of the names; and the silence of clients. */

import type { Fault } from './faults.ts'
import type { Hand } from './nemesis.ts'

/** From a place to another. */
type Way = readonly [from: string, to: string]

export function strikeNetwork(hand: Hand, fault: Fault): void {
  const { network, dns } = hand.world
  switch (fault.type) {
    case 'partition':
      cut(hand, fault, fault.ways)
      return
    case 'isolate':
      cut(hand, fault, waysOf(hand, fault))
      return
    case 'api-cut': {
      const server = `api-${fault.number}`
      const replica = `db-${fault.ordinal}`
      cut(hand, fault, [
        [server, replica],
        [replica, server],
      ])
      return
    }
    case 'lull':
      hand.world.lulls += 1
      hand.for(fault.for_ms, () => {
        hand.world.lulls -= 1
      })
      hand.struck(fault)
      return
    case 'reset-links':
      network.resetAt(`db-${fault.ordinal}`)
      hand.struck(fault)
      return
    case 'slow-network':
      network.slowness *= fault.times
      hand.for(fault.for_ms, () => {
        network.slowness /= fault.times
      })
      hand.struck(fault)
      return
    case 'dns':
      dns.trouble = fault.trouble
      hand.for(fault.for_ms, () => {
        dns.trouble = 'none'
      })
      hand.struck(fault)
      return
    default:
    // None of this file's.
  }
}

/** These ways carry nothing for the fault's time. */
function cut(hand: Hand, fault: Fault & { for_ms: number }, ways: readonly Way[]): void {
  const { network } = hand.world
  for (const [from, to] of ways) network.block(from, to)
  hand.for(fault.for_ms, () => {
    for (const [from, to] of ways) network.unblock(from, to)
  })
  hand.struck(fault)
}

function waysOf({ world }: Hand, fault: Fault & { type: 'isolate' }): Way[] {
  const place = `db-${fault.ordinal}`
  const others = world.replicas.map((host) => host.place).filter((other) => other !== place)
  const ways: Way[] = []
  for (const other of others) {
    if (fault.direction !== 'in') ways.push([place, other])
    if (fault.direction !== 'out') ways.push([other, place])
  }
  return ways
}
