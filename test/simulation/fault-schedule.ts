/**
 * The schedule of faults of a run: a list of `{at_ms, fault}` made up front from the seed, so that
 * it can be shrunk and run again. Each run draws which kinds it has at all (swarm testing), then
 * how many of them, when, and to whom.
 */

import { Chance } from './chance.ts'
import { type Fault, type FaultType, MOMENTS, type Trigger } from './faults.ts'
import type { Parameters } from './parameters.ts'

const FIRST_MS = 20
const COUNT_MIN = 3
const BAD_MOMENT_MS = 4000

/** How often each kind is drawn, against the others. */
const WEIGHTS: Readonly<Record<FaultType, number>> = {
  kill: 4,
  fuse: 6,
  pause: 4,
  restart: 3,
  'drain-all': 1,
  'kill-all': 1,
  'rolling-restart': 1,
  partition: 6,
  isolate: 8,
  'api-cut': 3,
  'reset-links': 2,
  'slow-network': 1,
  dns: 1,
  'slow-disk': 3,
  'hung-disk': 2,
  'full-disk': 1,
  'nearly-full': 1,
  flip: 1,
  hide: 1,
  'lost-disk': 2,
  'lost-disks': 0,
  'old-disk': 3,
  twin: 2,
  'clock-jump': 1,
  'api-kill': 1,
  'api-restart': 1,
  'api-pause': 2,
  lull: 3,
  'scale-up': 1,
  'scale-down': 1,
}

export function drawFaults(seed: number, parameters: Parameters): Fault[] {
  const chance = new Chance(seed, 'faults')
  const types = drawTypes(chance, parameters)
  const count = COUNT_MIN + chance.below(chance.pick([6, 20, 40]))
  const faults: Fault[] = []
  const times = drawTimes(chance, count, parameters.active_ms)
  for (const at_ms of times) {
    const fault = draw(chance, chance.pick(types), parameters)
    const when = drawTrigger(chance, fault.type)
    const aims = when === undefined && TRIGGERED.has(fault.type) && chance.happens(0.5)
    faults.push({ at_ms, ...(when && { when }), ...(aims && { aim: 'leader' }), ...fault } as Fault)
  }
  return faults.sort((a, b) => a.at_ms - b.at_ms)
}

/** Anywhere, or a few bad moments in which much goes wrong at once. */
function drawTimes(chance: Chance, count: number, active_ms: number): number[] {
  const moments = chance.pick([0, 0, 2, 5])
  const anywhere = () => Math.round(chance.between(FIRST_MS, active_ms))
  const bad = Array.from({ length: moments }, anywhere)
  return Array.from({ length: count }, () => {
    if (bad.length === 0) return anywhere()
    return Math.min(active_ms, chance.pick(bad) + Math.round(chance.magnitude(1, BAD_MOMENT_MS)))
  })
}

/** A random subset, each kind as often in the list as its weight says. */
function drawTypes(chance: Chance, { beyondBudget }: Parameters): FaultType[] {
  const share = chance.pick([0.15, 0.4, 0.8])
  const types: FaultType[] = []
  for (const [type, weight] of Object.entries(WEIGHTS)) {
    if (!chance.happens(share)) continue
    for (let time = 0; time < weight; time += 1) types.push(type as FaultType)
  }
  // A disk can only come back that was lost.
  if (types.includes('old-disk')) types.push('lost-disk', 'lost-disk')
  if (beyondBudget) types.push(...Array.from({ length: 6 }, () => 'lost-disks' as const))
  return types.length > 0 ? types : ['kill', 'partition']
}

/** These may wait for their moment, or be meant for the leader. */
const TRIGGERED: ReadonlySet<FaultType> = new Set<FaultType>([
  'kill',
  'fuse',
  'pause',
  'isolate',
  'restart',
  'reset-links',
  'api-cut',
  'hung-disk',
  'slow-disk',
  'lull',
])

function drawTrigger(chance: Chance, type: FaultType): Trigger | undefined {
  if (!TRIGGERED.has(type) || !chance.happens(0.4)) return undefined
  return {
    moment: chance.pick(MOMENTS),
    actor: chance.happens(0.7),
    after_ms: chance.pick([0, 0, chance.random() * 5, chance.random() * 100]),
  }
}

type WithoutTime = Fault extends infer One
  ? One extends Fault
    ? Omit<One, 'at_ms'>
    : never
  : never

function draw(chance: Chance, type: FaultType, parameters: Parameters): WithoutTime {
  const { replicas, apis } = parameters
  const ordinal = chance.below(replicas)
  const number = chance.below(apis)
  const power = chance.pick(['lost', 'kept'] as const)
  const for_ms = Math.round(chance.magnitude(100, 20_000))
  switch (type) {
    case 'kill':
      return { type, ordinal, power, down_ms: chance.happens(0.3) ? for_ms : 0 }
    case 'isolate':
      return { type, ordinal, direction: chance.pick(['out', 'in', 'both']), for_ms: for_ms + 500 }
    case 'fuse':
      return { type, ordinal, effects: Math.floor(chance.magnitude(1, 300)) - 1, power }
    case 'pause':
      return { type, ordinal, for_ms }
    case 'restart':
    case 'reset-links':
    case 'lost-disk':
    case 'old-disk':
      return { type, ordinal }
    case 'drain-all':
    case 'rolling-restart':
    case 'scale-up':
    case 'scale-down':
      return { type }
    case 'kill-all':
      return { type, power }
    case 'partition':
      return { type, ways: drawWays(chance, parameters), for_ms }
    case 'slow-network':
      return { type, times: chance.pick([5, 20, 100]), for_ms }
    case 'dns':
      return { type, trouble: chance.pick(['denied', 'partial', 'stale', 'silent']), for_ms }
    case 'slow-disk':
      return { type, ordinal, times: chance.pick([10, 100]), for_ms }
    case 'hung-disk':
    case 'full-disk':
      return { type, ordinal, for_ms }
    case 'nearly-full':
      return { type, ordinals: drawSome(chance, replicas), for_ms }
    case 'lost-disks':
      return { type, ordinals: drawSome(chance, replicas) }
    case 'flip':
    case 'hide':
      return { type, ordinal, seed: chance.bits() }
    case 'twin':
      return { type, ordinal, disk: chance.pick(['same', 'empty', 'empty']), for_ms: for_ms + 2000 }
    case 'lull':
      return { type, for_ms: Math.round(chance.magnitude(500, 8000)) }
    case 'clock-jump':
      return {
        type,
        ordinal,
        by_ms: chance.pick([-1, 1]) * Math.round(chance.magnitude(10, 600_000)),
      }
    case 'api-cut':
      return { type, number, ordinal, for_ms: for_ms + 500 }
    case 'api-kill':
    case 'api-restart':
      return { type, number }
    case 'api-pause':
      return { type, number, for_ms }
  }
}

function drawSome(chance: Chance, count: number): number[] {
  const share = chance.pick([0.5, 1])
  const all = Array.from({ length: count }, (_, ordinal) => ordinal)
  return all.filter(() => chance.happens(share))
}

/** Cuts one off, in one direction or both; cuts in two; or cuts single ways at random. */
function drawWays(chance: Chance, { replicas, apis }: Parameters): [string, string][] {
  const databases = Array.from({ length: replicas }, (_, at) => `db-${at}`)
  const servers = Array.from({ length: apis }, (_, at) => `api-${at}`)
  const places = [...databases, ...servers]
  const kind = chance.below(4)
  const side = new Set(
    kind === 0
      ? [chance.pick(databases)]
      : kind === 1
        ? [chance.pick(places)]
        : places.filter(() => chance.happens(0.4)),
  )
  const share = chance.pick([0.1, 0.3, 0.6])
  const direction = chance.pick(['out', 'in', 'both', 'both'])
  const servant = chance.happens(0.5)
  const ways: [string, string][] = []
  for (const from of places) {
    for (const to of places) {
      if (from === to || (from.startsWith('api') && to.startsWith('api'))) continue
      const out = side.has(from) && !side.has(to) && direction !== 'in'
      const into = !side.has(from) && side.has(to) && direction !== 'out'
      const api = from.startsWith('api') || to.startsWith('api')
      if (kind === 3 ? chance.happens(share) : (out || into) && (!api || servant || kind === 1)) {
        ways.push([from, to])
      }
    }
  }
  return ways
}
