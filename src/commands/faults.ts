/**
 * Puts the faults around a replica's ports, where they are switched on (ORDINAL_FAULTS); where not,
 * the ports are handed on as they are, and nothing stands in their way.
 */

import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { membersOf } from '../database/consensus/membership.ts'
import { ordinalOf } from '../database/consensus/types.ts'
import { type ActiveFault, FaultBoard } from '../database/faults/fault-board.ts'
import { registerFaultMetrics } from '../database/faults/fault-metrics.ts'
import { registerFaultRoutes } from '../database/faults/fault-routes.ts'
import { faultyClock } from '../database/faults/faulty-clock.ts'
import { FaultyStorage } from '../database/faults/faulty-storage.ts'
import { FaultyTransport, type FilteredTransport } from '../database/faults/faulty-transport.ts'
import { Liar } from '../database/faults/liar.ts'
import { lyingReader, lyingWriter } from '../database/faults/lying-face.ts'
import { LyingLink } from '../database/faults/lying-link.ts'
import { suddenFaults } from '../database/faults/sudden-faults.ts'
import type { PeerStatus, Storage, Transport } from '../database/replica/ports.ts'
import type { Replica } from '../database/replica/replica.ts'
import type { Clock } from '../shared/clock.ts'
import { systemClock } from '../shared/clock.ts'
import type { Face } from '../shared/http/face.ts'
import type { Reader } from '../shared/http/reader.ts'
import type { WriteTaker } from '../shared/http/write-taker.ts'

/** What a replica is made of, as far as faults change it. */
export type Ports<T extends Transport = Transport> = {
  readonly storage: Storage
  readonly transport: T
  readonly clock: Clock
}

export type Faults = {
  decorate(ports: Ports<FilteredTransport>): Ports
  /** The replica that was made of these ports. */
  attach(replica: Replica): void
  readonly face: {
    register(app: FastifyInstance, face: Face): void
    reader(inner: Reader): Reader
    writer(inner: WriteTaker): WriteTaker
  }
  register(registry: Registry): void
  /** A line for each active fault. */
  notes(): readonly string[]
  /** For `/status`; undefined: switched off. */
  readonly status: (() => Readonly<Record<string, ActiveFault>>) | undefined
}

/** Faults as the configuration wants them. */
export function createFaults(options: {
  readonly enabled: boolean
  readonly name: string
  readonly dataFolder: string
  readonly log: Logger
}): Faults {
  return options.enabled ? switchedOn(options) : SWITCHED_OFF
}

const SWITCHED_OFF: Faults = {
  decorate: (ports) => ports,
  attach: () => undefined,
  face: {
    register: (app, face) => registerFaultRoutes(app, face, undefined),
    reader: (inner) => inner,
    writer: (inner) => inner,
  },
  register: () => undefined,
  notes: () => [],
  status: undefined,
}

function switchedOn(options: { name: string; dataFolder: string; log: Logger }): Faults {
  const { name, log } = options
  let replica: Replica | undefined
  let found: Transport['peers'] = () => []
  const board = new FaultBoard({
    clock: systemClock,
    sudden: suddenFaults(options.dataFolder),
    onEvent: ({ type, fault, parameters }) => log.warn({ fault, parameters }, `fault ${type}`),
  })
  const liar = new Liar({ board, subject: () => subjectOf(replica), random: Math.random })
  const source = () => {
    const { revision, history } = replica?.views.status() ?? { revision: 0, history: '' }
    return { revision, history, servedBy: name }
  }
  const replicas = () => namesOf(replica, { own: name, found: found() })
  return {
    decorate: ({ storage, transport, clock }) => {
      found = () => transport.peers()
      return {
        storage: new FaultyStorage(storage, { board, clock: systemClock }),
        transport: new FaultyTransport(transport, {
          board,
          clock: systemClock,
          random: Math.random,
          wrapLink: (link) => new LyingLink(link, { board, liar }),
        }),
        clock: faultyClock(clock, board),
      }
    },
    attach: (made) => {
      replica = made
    },
    face: {
      register: (app, face) => registerFaultRoutes(app, face, { board, replicas }),
      reader: (inner) => lyingReader(inner, { liar, source }),
      writer: (inner) => lyingWriter(inner, { liar, source }),
    },
    register: (registry) => registerFaultMetrics(registry, board),
    notes: () => board.notes(),
    status: () => {
      const active = board.list().filter((fault) => fault.active !== null)
      return Object.fromEntries(active.map((fault) => [fault.name, fault.active as ActiveFault]))
    },
  }
}

/** Members and whoever was found besides; [] as long as there is no membership. */
function namesOf(
  replica: Replica | undefined,
  { own, found }: { own: string; found: readonly PeerStatus[] },
): string[] {
  const membership = replica?.loop?.status().membership
  if (membership === undefined) return []
  const members = membersOf(membership).map(ordinalOf)
  const ordinals = new Set([...members, ...found.map(({ ordinal }) => ordinal)])
  const others = [...ordinals].map((ordinal) => own.replace(/\d+$/, String(ordinal)))
  return [...new Set([own, ...others])].sort(new Intl.Collator('en', { numeric: true }).compare)
}

function subjectOf(replica: Replica | undefined) {
  const loop = replica?.loop
  if (loop === undefined) return undefined
  return {
    leads: () => loop.leads,
    revision: () => loop.revision,
    get: (key: Uint8Array) => loop.kv.get(key),
  }
}
