/**
 * The plan of a run: one step after another, drawn from a seed and from nothing else, so that the
 * same seed gives the same plan. A step names its victims by what they are (the leader, a
 * follower, …); who that is shows when the step is taken.
 */

import { randomFrom } from '../contracts/random.ts'

export type Victims =
  | { readonly tier: 'replica'; readonly pick: 'leader' | 'follower' | 'any' | 'majority' | 'all' }
  | { readonly tier: 'api'; readonly pick: 'any' | 'all' }

export type Action = {
  readonly who: Victims
  /** Chooses among several that fit. */
  readonly draw: number
} & (
  | /** SIGKILL; supervision starts it again. */ { readonly type: 'kill' }
  | /** SIGKILL, and it stays down for a while. */ {
      readonly type: 'down'
      readonly for_ms: number
    }
  | /** SIGSTOP, SIGCONT. */ { readonly type: 'freeze'; readonly for_ms: number }
  /** SIGTERM and a start, of several one after another, highest ordinal first, or at once. */
  | { readonly type: 'restart'; readonly rolling: boolean }
  /** A fault of the replica's own, by its name and query (docs/break-it.md). */
  | {
      readonly type: 'fault'
      readonly fault: string
      readonly query: string
      readonly for_ms: number
    }
  /** The disk is lost: by the replica's own fault, or its folder is deleted while it is down. */
  | { readonly type: 'wipe'; readonly way: 'fault' | 'folder' }
  /** One byte of a data file changes while the replica is down. */
  | { readonly type: 'flip'; readonly place: number }
)

export type Step = {
  readonly number: number
  /** Begun together, the second a moment later; at most one of them touches a disk. */
  readonly actions: readonly Action[]
  /** From the first action to the second. */
  readonly apart_ms: number
  /** From the moment that writes go on to the next step. */
  readonly rest_ms: number
}

type Random = () => number
type Kind = { readonly weight: number; readonly draw: (random: Random) => Action }

/** Of a hundred steps so many have two actions. */
const PAIRS_PERCENT = 25
const APART_MS_MAX = 1500
const REST_MS = [500, 3000] as const

const between = (random: Random, [least, most]: readonly [number, number]) =>
  Math.round(least + random() * (most - least))
const one = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)] as T

const replica = (random: Random, picks: readonly (Victims & { tier: 'replica' })['pick'][]) => ({
  who: { tier: 'replica', pick: one(random, picks) } as const,
  draw: random(),
})

function fault(
  random: Random,
  picks: Parameters<typeof replica>[1],
  what: { name: string; for_ms: readonly [number, number]; query: Record<string, string> },
): Action {
  const for_ms = between(random, what.for_ms)
  const query = new URLSearchParams({ for: `${for_ms}ms`, ...what.query }).toString()
  return { type: 'fault', ...replica(random, picks), fault: what.name, query, for_ms }
}

const PLAIN: readonly Kind[] = [
  {
    weight: 10,
    draw: (random) => ({
      type: 'kill',
      ...replica(random, ['leader', 'leader', 'follower', 'majority', 'all']),
    }),
  },
  {
    weight: 4,
    draw: (random) => ({
      type: 'down',
      ...replica(random, ['leader', 'follower', 'majority', 'all']),
      for_ms: between(random, [500, 6000]),
    }),
  },
  {
    weight: 5,
    draw: (random) => ({
      type: 'freeze',
      ...replica(random, ['leader', 'leader', 'follower', 'majority', 'all']),
      for_ms: between(random, [300, 6000]),
    }),
  },
  {
    weight: 5,
    draw: (random) =>
      fault(random, ['leader', 'follower', 'majority'], {
        name: 'pause',
        for_ms: [300, 5000],
        query: {},
      }),
  },
  {
    weight: 12,
    draw: (random) =>
      fault(random, ['leader', 'leader', 'follower', 'majority'], {
        name: 'isolate',
        for_ms: [500, 7000],
        query: { direction: one(random, ['both', 'both', 'in', 'out']), ...peersOf(random) },
      }),
  },
  {
    weight: 6,
    draw: (random) =>
      fault(random, ['leader', 'follower', 'any', 'all'], {
        name: 'slow-disk',
        for_ms: [1000, 6000],
        query: { by: `${between(random, [5, one(random, [100, 500, 2500])])}ms` },
      }),
  },
  {
    weight: 6,
    draw: (random) => {
      const by_ms = between(random, [2, one(random, [50, 300, 1200])])
      const query = {
        by: `${by_ms}ms`,
        jitter: `${between(random, [0, by_ms])}ms`,
        direction: one(random, ['both', 'in', 'out']),
        ...peersOf(random),
      }
      const what = { name: 'slow-network', for_ms: [1000, 6000] as const, query }
      return fault(random, ['leader', 'any', 'all'], what)
    },
  },
  {
    weight: 4,
    draw: (random) =>
      fault(random, ['leader', 'follower', 'majority'], {
        name: 'full-disk',
        for_ms: [1500, 4000],
        query: { at: 'watermark' },
      }),
  },
  {
    weight: 4,
    draw: (random) =>
      fault(random, ['leader', 'follower', 'majority'], {
        name: 'full-disk',
        for_ms: [1000, 2000],
        query: { at: 'write' },
      }),
  },
  {
    weight: 3,
    draw: (random) =>
      fault(random, ['leader', 'any', 'all'], {
        name: 'clock-jump',
        for_ms: [1000, 5000],
        query: { by: `${one(random, ['', '-'])}${between(random, [1, 7200])}s` },
      }),
  },
  {
    weight: 6,
    draw: (random) => ({
      type: 'restart',
      ...replica(random, ['leader', 'leader', 'follower', 'all', 'all']),
      rolling: random() < 0.6,
    }),
  },
  { weight: 5, draw: (random) => ({ type: 'kill', ...apiServer(random) }) },
  {
    weight: 4,
    draw: (random) => ({
      type: 'freeze',
      ...apiServer(random),
      for_ms: between(random, [300, 6000]),
    }),
  },
  { weight: 3, draw: (random) => ({ type: 'restart', ...apiServer(random), rolling: true }) },
]

const DISKS: readonly Kind[] = [
  {
    weight: 6,
    draw: (random) => ({
      type: 'wipe',
      ...replica(random, ['leader', 'follower']),
      way: one(random, ['fault', 'folder']),
    }),
  },
  {
    weight: 6,
    draw: (random) => ({
      type: 'flip',
      ...replica(random, ['leader', 'follower']),
      place: random(),
    }),
  },
]

/** All of them, or one. Who has that ordinal itself is cut off from nobody. */
function peersOf(random: Random): Record<string, string> {
  return random() < 0.6 ? {} : { peers: `db-${Math.floor(random() * 3)}` }
}

function apiServer(random: Random) {
  const pick = one<'any' | 'all'>(random, ['any', 'any', 'all'])
  return { who: { tier: 'api', pick } as const, draw: random() }
}

function draw(random: Random, kinds: readonly Kind[]): Action {
  let left = random() * kinds.reduce((sum, { weight }) => sum + weight, 0)
  const kind = kinds.find(({ weight }) => {
    left -= weight
    return left < 0
  })
  return (kind ?? (kinds[0] as Kind)).draw(random)
}

/** Whether it uses up the budget of disks that may be lost. */
export function touchesDisk({ type }: Action): boolean {
  return type === 'wipe' || type === 'flip'
}

/** The endless plan of this seed. */
export function* planOf(seed: number): Generator<Step, never> {
  const random = randomFrom(seed)
  for (let number = 1; ; number += 1) {
    const first = draw(random, [...PLAIN, ...DISKS])
    const pair = random() * 100 < PAIRS_PERCENT
    const second = pair ? [draw(random, PLAIN)] : []
    yield {
      number,
      actions: [first, ...second],
      apart_ms: between(random, [0, APART_MS_MAX]),
      rest_ms: between(random, REST_MS),
    }
  }
}

/** `kill the leader`, `isolate (direction=in) a follower`. */
export function describeAction(action: Action): string {
  const { who } = action
  const names: Readonly<Record<string, string>> = {
    leader: 'the leader',
    follower: 'a follower',
    majority: 'a majority',
    any: who.tier === 'api' ? 'an API server' : 'a replica',
    all: who.tier === 'api' ? 'all API servers' : 'all replicas',
  }
  return `${kindOf(action)} ${names[who.pick]}`
}

/** What the table groups by, without victims and figures. */
export function kindOf(action: Action): string {
  switch (action.type) {
    case 'fault': {
      const query = new URLSearchParams(action.query)
      const shown = ['direction', 'at'].flatMap((name) => query.get(name) ?? [])
      const some = query.has('peers') ? ['from one'] : []
      return [action.fault, ...shown, ...some].join(' ')
    }
    case 'restart':
      return action.rolling ? 'restart one by one' : 'restart at once'
    case 'wipe':
      return action.way === 'fault' ? 'lost-disk' : 'delete the folder of'
    case 'flip':
      return 'flip a byte of'
    default:
      return action.type
  }
}
