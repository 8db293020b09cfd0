/** Faults of the network and of the names; and the silence of clients. */

import type { Fault } from './faults.ts'
import type { Hand } from './nemesis.ts'

export function strikeNetwork(hand: Hand, fault: Fault): void {
  const { network, dns } = hand.world
  switch (fault.type) {
    case 'partition':
      for (const [from, to] of fault.ways) network.block(from, to)
      hand.for(fault.for_ms, () => {
        for (const [from, to] of fault.ways) network.unblock(from, to)
      })
      hand.struck(fault)
      return
    case 'isolate': {
      const ways = waysOf(hand, fault)
      for (const [from, to] of ways) network.block(from, to)
      hand.for(fault.for_ms, () => {
        for (const [from, to] of ways) network.unblock(from, to)
      })
      hand.struck(fault)
      return
    }
    case 'api-cut': {
      const server = `api-${fault.number}`
      const replica = `db-${fault.ordinal}`
      network.block(server, replica)
      network.block(replica, server)
      hand.for(fault.for_ms, () => {
        network.unblock(server, replica)
        network.unblock(replica, server)
      })
      hand.struck(fault)
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

function waysOf({ world }: Hand, fault: Fault & { type: 'isolate' }): [string, string][] {
  const place = `db-${fault.ordinal}`
  const others = world.replicas.map((host) => host.place).filter((other) => other !== place)
  const ways: [string, string][] = []
  for (const other of others) {
    if (fault.direction !== 'in') ways.push([place, other])
    if (fault.direction !== 'out') ways.push([other, place])
  }
  return ways
}
