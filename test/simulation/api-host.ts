/**
 * One Pod of the API Deployment: the real tier behind the routes, on a simulated process that is
 * started again, with nothing kept, whenever it ends. Clients call it as the routes do.
 */

import { pino } from 'pino'
import { ReplicaReader } from '../../src/api/replica-reader.ts'
import { closeTier, createTier, type Tier } from '../../src/api/tier.ts'
import { Admission } from '../../src/shared/http/admission.ts'
import type { Reader } from '../../src/shared/http/reader.ts'
import { API_BYTES_MAX, API_REQUESTS_MAX } from '../../src/shared/limits.ts'
import type { Chance } from './chance.ts'
import { SimulatedProcess } from './process.ts'
import { dial } from './simulated-wire.ts'
import type { World } from './world.ts'

const logger = pino({ enabled: false })

export class ApiHost {
  readonly place: string
  readonly #world: World
  readonly #chance: Chance
  #process: SimulatedProcess | undefined
  #tier: Tier | undefined
  #reader: Reader | undefined
  #starts = 0
  /** Called when the process ends, for the clients that wait for it. */
  readonly onEnd = new Set<() => void>()

  constructor(world: World, place: string) {
    this.#world = world
    this.place = place
    this.#chance = world.chanceOf(`api ${place}`)
  }

  get process(): SimulatedProcess | undefined {
    return this.#process
  }

  /** What clients may call; undefined: the process is gone. */
  get faces(): { process: SimulatedProcess; tier: Tier; reader: Reader } | undefined {
    const process = this.#process
    if (process?.alive !== true || this.#tier === undefined) return undefined
    return { process, tier: this.#tier, reader: this.#reader as Reader }
  }

  kill(): void {
    this.#process?.kill('killed')
  }

  /** SIGTERM: what waits is refused, the session is ended. */
  terminate(): void {
    const process = this.#process
    const tier = this.#tier
    if (process?.alive !== true || tier === undefined) return
    this.#world.scheduler.after(0, process, () => {
      closeTier(tier)
      this.#world.scheduler.after(1, process, () => process.kill('stopped'))
    })
  }

  start(): void {
    const world = this.#world
    this.#starts += 1
    const { drift } = world.parameters
    const process = new SimulatedProcess({
      name: `${this.place}#${this.#starts}`,
      scheduler: world.scheduler,
      chance: this.#chance,
      rate: 1 + this.#chance.between(-drift, drift),
      skew_ms: 0,
    })
    this.#process = process
    this.#tier = undefined
    process.onDeath = (why) => {
      world.note(`${process.name} ends: ${why}`)
      world.network.ended(process, true)
      for (const tell of [...this.onEnd]) tell()
      this.onEnd.clear()
      world.scheduler.after(this.#chance.between(50, 2000), undefined, () => this.start())
    }
    world.note(`${process.name} starts`)
    world.scheduler.after(0, process, () => this.#run(process))
  }

  #run(process: SimulatedProcess): void {
    const world = this.#world
    const { place } = this
    const { clock } = process
    const incarnation = this.#chance.uuid()
    let sessions = 0
    const identity = () => ({
      role: 'api' as const,
      name: place,
      clusterName: 'ordinal',
      clusterId: '',
      ordinal: -1,
      incarnation,
    })
    const tier = createTier({
      name: place,
      dialer: { dial: (target) => dial(world.network, { process, place, identity }, target) },
      discovery: world.dns.resolver(process),
      clock,
      logger,
      defer: (run) => void world.scheduler.after(0, process, run),
      meters: {
        writes: {
          batch: () => undefined,
          retried: (commands) => world.count('write-retried', commands),
          repeated: () => world.count('stored-result'),
          sessionOpened: () => {
            sessions += 1
            if (sessions > 1) world.count('session-opened-again')
          },
        },
        reads: {
          batch: () => undefined,
          retried: (reads) => world.count('read-retried', reads),
        },
      },
    })
    const admission = new Admission({ requests_max: API_REQUESTS_MAX, bytes_max: API_BYTES_MAX })
    this.#tier = tier
    this.#reader = new ReplicaReader({
      name: place,
      clusterName: 'ordinal',
      ...tier,
      admission,
      clock,
    })
    tier.pool.start()
  }
}
