/**
 * The faults that a person may press on a replica, and what each may be told (DESIGN §10). The
 * schemas here are at once the check of a request's query and what `GET /faults` shows.
 *
 *   sudden   kill, pause, lost-disk: begin once the answer has left; the first and the last end
 *            with the process, and the next one is well again
 *   lasting  all others: a state, from the press until its time is over or it is ended
 */

import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { DURATION_PATTERN, formatDuration } from '../../shared/duration.ts'
import { ClusterError } from '../../shared/errors.ts'
import { durationOf, integerOf, QueryReader } from '../../shared/http/query.ts'
import { FAULT_CLOCK_JUMP_MS_MAX, FAULT_DELAY_MS_MAX, FAULT_MS_MAX } from '../../shared/limits.ts'

/** Seen from the faulty replica: messages to others, from others, or both. */
export type Direction = 'in' | 'out' | 'both'
/** Ordinals, or everybody. */
export type Peers = 'all' | readonly number[]

export type Fault =
  | { readonly type: 'kill' }
  | { readonly type: 'pause'; readonly for_ms: number }
  | {
      readonly type: 'isolate'
      readonly for_ms: number
      readonly direction: Direction
      readonly peers: Peers
    }
  | { readonly type: 'slow-disk'; readonly for_ms: number; readonly by_ms: number }
  | {
      readonly type: 'full-disk'
      readonly for_ms: number
      /** No room is reported; or the next batch is refused. */
      readonly at: 'watermark' | 'write'
    }
  | { readonly type: 'lost-disk' }
  | { readonly type: 'clock-jump'; readonly for_ms: number; readonly by_ms: number }
  | {
      readonly type: 'slow-network'
      readonly for_ms: number
      readonly by_ms: number
      readonly jitter_ms: number
      readonly direction: Direction
      readonly peers: Peers
    }
  | {
      readonly type: 'lie'
      readonly for_ms: number
      readonly about: 'writes' | 'reads' | 'both'
      /** Of a hundred frames so many are lied about. */
      readonly share_percent: number
    }

export type FaultType = Fault['type']
export type FaultOf<T extends FaultType> = Extract<Fault, { type: T }>

/** A fault as it was asked for. */
export type FaultRequest = {
  readonly fault: Fault
  /** The same in the words of the query, defaults filled in, for people. */
  readonly parameters: Readonly<Record<string, string>>
}

const member = (pattern: string, fallback: string, description: string) =>
  Type.Optional(Type.String({ pattern, default: fallback, description }))
const choice = <const T extends string[]>(values: readonly [...T], description: string) =>
  Type.Optional(Type.Enum<T>(values, { default: values[0] as string, description }))
const duration = (fallback: string, description: string) =>
  member(DURATION_PATTERN, fallback, description)

const lasts = (fallback = '30s') => duration(fallback, 'a duration of at most 10m: how long')
const peers = () =>
  member('^(all|[^,]*\\d+(,[^,]*\\d+)*)$', 'all', 'all, or replicas such as db-1,db-2')
const direction = () => choice(['both', 'in', 'out'], 'both, in (from others) or out (to others)')

const object = <T extends Type.TProperties>(members: T) =>
  Type.Object(members, { additionalProperties: false })

/** What each fault is, and its query. */
export const FAULT_KINDS = {
  kill: { what: 'the process ends at once, as by kill -9', query: object({}) },
  pause: { what: 'nothing in the process moves', query: object({ for: lasts('10s') }) },
  isolate: {
    what: 'messages between this replica and others are dropped',
    query: object({ for: lasts(), direction: direction(), peers: peers() }),
  },
  'slow-disk': {
    what: 'each batch takes longer to be synced',
    query: object({
      for: lasts(),
      by: duration('200ms', 'a duration of at most 10s: how much longer'),
    }),
  },
  'full-disk': {
    what: 'the volume has no room left',
    query: object({
      for: lasts(),
      at: choice(
        ['watermark', 'write'],
        'watermark (no free space is reported) or write (the next batch is refused)',
      ),
    }),
  },
  'lost-disk': {
    what: 'all in the data folder is deleted, and the process ends at once',
    query: object({}),
  },
  'clock-jump': {
    what: 'the wall clock is wrong',
    query: object({
      for: lasts(),
      by: member(
        `^-?${DURATION_PATTERN.slice(1)}`,
        '1h',
        'a duration such as 1h or -1h: how wrong',
      ),
    }),
  },
  'slow-network': {
    what: 'messages between this replica and others arrive later, in order',
    query: object({
      for: lasts(),
      by: duration('100ms', 'a duration of at most 10s: how much later'),
      jitter: duration('0', 'a duration of at most 10s: up to so much more, at random'),
      direction: direction(),
      peers: peers(),
    }),
  },
  lie: {
    what: 'writes are acknowledged and thrown away; old values are answered as if they were new',
    query: object({
      for: lasts(),
      about: choice(['both', 'writes', 'reads'], 'both, writes or reads'),
      share: member(
        '^[0-9]{1,3}$',
        '100',
        'a percentage from 1 to 100: of the frames it could lie about',
      ),
    }),
  },
} as const satisfies Record<FaultType, { what: string; query: Type.TObject }>

export const FAULT_TYPES = Object.keys(FAULT_KINDS) as FaultType[]

/** A parameter for people: what it takes, and what it is unless said otherwise. */
export type ParameterView = {
  readonly default: string
  readonly description: string
  readonly enum?: readonly string[]
}

/** What may be in the query of this fault. */
export function parametersOf(type: FaultType): Readonly<Record<string, ParameterView>> {
  const { properties } = FAULT_KINDS[type].query as Type.TObject
  const members = Object.entries(properties as Readonly<Record<string, ParameterView>>)
  return Object.fromEntries(
    members.map(([name, { default: fallback, description, enum: values }]) => [
      name,
      { default: fallback, description, ...(values === undefined ? {} : { enum: values }) },
    ]),
  )
}

/** The kind with this name. Throws `no-such-route`, naming those there are. */
export function faultType(name: string): FaultType {
  const type = FAULT_TYPES.find((one) => one === name)
  if (type !== undefined) return type
  const known = FAULT_TYPES.join(', ')
  throw new ClusterError('no-such-route', `there is no fault "${name}", only ${known}`)
}

/** What a raw request target asks for. Throws `bad-request`. */
export function readFault(type: FaultType, target: string): FaultRequest {
  return READERS[type](target)
}

type Reader = (target: string) => FaultRequest

/** Each parameter has a default, so all are there afterwards. */
function reader<S extends Type.TObject>(
  schema: S,
  build: (query: Required<Static<S>>) => Fault,
): Reader {
  const query = new QueryReader(schema)
  return (target) => {
    const all = Value.Default(schema, { ...(query.read(target) as object) })
    const fault = build(all as Required<Static<S>>)
    return { fault, parameters: all as Record<string, string> }
  }
}

const READERS: Readonly<Record<FaultType, Reader>> = {
  kill: reader(FAULT_KINDS.kill.query, () => ({ type: 'kill' })),
  pause: reader(FAULT_KINDS.pause.query, (query) => ({ type: 'pause', ...lasting(query) })),
  isolate: reader(FAULT_KINDS.isolate.query, (query) => ({
    type: 'isolate',
    ...lasting(query),
    direction: query.direction,
    peers: ordinalsOf(query.peers),
  })),
  'slow-disk': reader(FAULT_KINDS['slow-disk'].query, (query) => ({
    type: 'slow-disk',
    ...lasting(query),
    by_ms: delay('by', query.by),
  })),
  'full-disk': reader(FAULT_KINDS['full-disk'].query, (query) => ({
    type: 'full-disk',
    ...lasting(query),
    at: query.at,
  })),
  'lost-disk': reader(FAULT_KINDS['lost-disk'].query, () => ({ type: 'lost-disk' })),
  'clock-jump': reader(FAULT_KINDS['clock-jump'].query, (query) => ({
    type: 'clock-jump',
    ...lasting(query),
    by_ms: jump(query.by),
  })),
  'slow-network': reader(FAULT_KINDS['slow-network'].query, (query) => ({
    type: 'slow-network',
    ...lasting(query),
    by_ms: delay('by', query.by),
    jitter_ms: delay('jitter', query.jitter),
    direction: query.direction,
    peers: ordinalsOf(query.peers),
  })),
  lie: reader(FAULT_KINDS.lie.query, (query) => ({
    type: 'lie',
    ...lasting(query),
    about: query.about,
    share_percent: share(query.share),
  })),
}

function lasting(query: { readonly for: string }): { for_ms: number } {
  return { for_ms: within('for', durationOf('for', query.for), { least: 1, most: FAULT_MS_MAX }) }
}

function delay(name: string, text: string): number {
  return within(name, durationOf(name, text), { least: 0, most: FAULT_DELAY_MS_MAX })
}

function jump(text: string): number {
  const back = text.startsWith('-')
  const by_ms = durationOf('by', back ? text.slice(1) : text)
  const checked_ms = within('by', by_ms, { least: 1, most: FAULT_CLOCK_JUMP_MS_MAX })
  return back ? -checked_ms : checked_ms
}

function share(text: string): number {
  const percent = integerOf('share', text)
  if (percent >= 1 && percent <= 100) return percent
  throw new ClusterError('bad-request', 'share must lie between 1 and 100')
}

function within(name: string, value_ms: number, range: { least: number; most: number }): number {
  if (value_ms >= range.least && value_ms <= range.most) return value_ms
  throw new ClusterError(
    'bad-request',
    `${name} must lie between ${formatDuration(range.least)} and ${formatDuration(range.most)}`,
  )
}

/** `db-1,db-2` or `1,2` → ordinals. */
function ordinalsOf(text: string): Peers {
  if (text === 'all') return 'all'
  return text.split(',').map(ordinalIn)
}

/** `db-1` or `1` → 1; NaN: the name does not end in a number. */
export function ordinalIn(name: string): number {
  return Number.parseInt(/\d+$/.exec(name)?.[0] ?? '', 10)
}
