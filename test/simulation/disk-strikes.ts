/** Faults of disks: slow, hung, full, damaged, lost, and back again. */

import { Chance } from './chance.ts'
import type { Fault } from './faults.ts'
import type { Hand } from './nemesis.ts'
import type { ReplicaHost } from './replica-host.ts'

const KEY_OF_RECORD_AT = 7
const RECORD = 0x6b
const SESSION = 0x73
const EXPIRY = 0x74
const META = 0x6d

export function strikeDisk(hand: Hand, fault: Fault): void {
  if (!('ordinal' in fault)) {
    if (fault.type === 'nearly-full') strikeSpace(hand, fault)
    else if (fault.type === 'lost-disks') loseSome(hand, fault)
    return
  }
  const { replicas } = hand.world
  const old = replicas.find((one) => one.old !== undefined)
  const host = fault.type === 'old-disk' ? old : replicas[fault.ordinal]
  if (host === undefined) return
  const { volume } = host
  switch (fault.type) {
    case 'slow-disk':
      volume.slowness *= fault.times
      hand.for(fault.for_ms, () => {
        volume.slowness /= fault.times
      })
      hand.struck(fault)
      return
    case 'hung-disk':
      volume.hang(fault.for_ms)
      hand.for(fault.for_ms, () => volume.hang(0))
      hand.struck(fault)
      return
    case 'full-disk':
      volume.fill(true)
      hand.for(fault.for_ms, () => volume.fill(false))
      hand.struck(fault)
      return
    case 'flip':
    case 'hide':
      spoil(hand, host, fault)
      return
    case 'lost-disk':
      lose(hand, host, fault)
      return
    case 'old-disk':
      bringBack(hand, host, fault)
      return
    default:
    // None of this file's.
  }
}

function strikeSpace(hand: Hand, fault: Fault & { type: 'nearly-full' }): void {
  for (const ordinal of fault.ordinals) {
    const volume = hand.world.replicas[ordinal]?.volume
    if (volume === undefined) continue
    volume.nearlyFull = true
    hand.for(fault.for_ms, () => {
      volume.nearlyFull = false
    })
  }
  hand.struck(fault)
}

/** Damage that the replica can find by itself; or that the check of the files finds at once. */
function spoil(hand: Hand, host: ReplicaHost, fault: Fault & { type: 'flip' | 'hide' }): void {
  const { world, budget } = hand
  if (host.volume.isEmpty || !budget.allows(host)) return
  const chance = new Chance(fault.seed, 'spoil')
  const settled = host.replica?.loop?.status().commit ?? 0
  let found = ''
  if (fault.type === 'flip') found = host.volume.spoil('flip', (keys) => pick(chance, keys))
  else {
    // What is the last of its kind cannot be missed, and rows of the state have no order to gap.
    found = host.volume.spoil('hide', (keys) => pick(chance, keys.filter(isMissed(settled))))
  }
  if (found === '') return
  world.damageDone = true
  world.note(`${fault.type} ${JSON.stringify(found)} of ${host.place}`)
  hand.struck(fault)
  if (fault.type === 'flip' || isFoundByReplica(Buffer.from(found, 'latin1'))) return
  // Rows of the state that vanish are noticed by nothing but the check of the files.
  host.volume.damageFiles('a block has a wrong CRC')
  host.kill('kept')
}

function pick(chance: Chance, keys: readonly Buffer[]): Buffer | undefined {
  if (keys.length === 0) return undefined
  const sorted = [...keys].sort((a, b) => Buffer.compare(a, b))
  return chance.pick(sorted)
}

/** May this key be hidden? Of the log only what lies below something that stays. */
function isMissed(settled: number): (key: Buffer) => boolean {
  return (key) => key[0] !== 0x6c || key.readUInt32BE(6) < settled
}

function isFoundByReplica(key: Buffer): boolean {
  if (key[0] !== 0x67) return true
  const kind = key[KEY_OF_RECORD_AT]
  return kind === META || (kind !== RECORD && kind !== SESSION && kind !== EXPIRY)
}

function lose(hand: Hand, host: ReplicaHost, fault: Fault): void {
  const { world, budget } = hand
  const { member } = host.volume
  if (member === undefined || !budget.allows(host)) return
  host.kill('lost')
  world.damageDone = true
  budget.lost(member)
  host.swap(world.newVolume(host.place))
  hand.struck(fault)
}

function loseSome(hand: Hand, fault: Fault & { type: 'lost-disks' }): void {
  for (const ordinal of fault.ordinals) {
    const host = hand.world.replicas[ordinal]
    if (host !== undefined) lose(hand, host, fault)
  }
}

/** The disk that was lost is there again, and the one in its place is gone. */
function bringBack(hand: Hand, host: ReplicaHost, fault: Fault): void {
  const { world, budget } = hand
  const { old } = host
  const { member } = host.volume
  if (old === undefined || member === undefined || !budget.allows(host)) return
  host.kill('lost')
  world.damageDone = true
  budget.lost(member)
  budget.found(old.member)
  host.swap(old.volume)
  hand.struck(fault)
}
