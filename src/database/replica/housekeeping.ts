/**
 * What a replica does by the way, each in bounded steps: watches its free space, cuts the log,
 * deletes dead generations, scrubs its records; and, as leader, proposes what is due: keys whose
 * time has passed, sessions nobody uses (DESIGN §5: they end only by a committed command).
 */

import type { Clock, Timer } from '../../shared/clock.ts'
import type { Health } from '../consensus/types.ts'
import { encodeSegment } from '../kv/codec.ts'
import type { Command } from '../kv/types.ts'
import type { Loop } from './loop.ts'
import type { DiskSpace, Storage } from './ports.ts'

const ROUND_EVERY_MS = 1000
/** Commands of one round of expiry. */
const EXPIRE_COMMANDS_MAX = 256
/** Rounds between two pieces of scrubbing. */
const SCRUB_EVERY_ROUNDS = 5

export type HousekeepingOptions = {
  readonly storage: Storage
  readonly clock: Clock
  readonly loop: Loop
  /** Free space below which this replica asks for no more puts, bytes. */
  readonly freeMin_bytes: number
  readonly draining: () => boolean
  /** Called each round, for what is looked at now and then. */
  readonly onRound: () => void
  readonly onFatal: (error: unknown) => void
}

export class Housekeeping {
  readonly #options: HousekeepingOptions
  #timer: Timer | undefined
  #closed = false
  #round = 0
  #expiring = false
  #sweeping = false
  #space: DiskSpace | undefined

  constructor(options: HousekeepingOptions) {
    this.#options = options
  }

  /** The last measured space, for status and metrics. */
  get space(): DiskSpace | undefined {
    return this.#space
  }

  get diskFull(): boolean {
    return this.#space !== undefined && this.#space.free_bytes < this.#options.freeMin_bytes
  }

  start(): void {
    const tick = () => {
      this.round().then(
        () => {
          if (!this.#closed) this.#timer = this.#options.clock.after(ROUND_EVERY_MS, tick)
        },
        (error: unknown) => {
          if (!this.#closed) this.#options.onFatal(error)
        },
      )
    }
    tick()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  health(): Health {
    const draining = this.#options.draining()
    return { electable: !draining && !this.diskFull, draining, diskFull: this.diskFull }
  }

  /** One round; the clock calls it every second. */
  async round(): Promise<void> {
    const { storage, loop } = this.#options
    this.#round += 1
    this.#space = await storage.space()
    if (this.#closed || loop.halted) return
    this.#options.onRound()
    loop.step({ type: 'health', health: this.health() })
    const target = loop.logMeter.target(loop.applied)
    if (target !== undefined) loop.compact(target)
    if (!this.#sweeping) {
      this.#sweeping = true
      loop.writer.between(async () => {
        await storage.sweep()
        this.#sweeping = false
      })
    }
    if (this.#round % SCRUB_EVERY_ROUNDS === 0) await storage.scrub()
    if (!this.#closed && loop.status().canPropose) await this.#expire()
  }

  async #expire(): Promise<void> {
    if (this.#expiring) return
    const { storage, loop } = this.#options
    const now_ms = loop.status().logTime_ms
    const commands: Command[] = []
    for (const { key } of await storage.expiring(now_ms, EXPIRE_COMMANDS_MAX)) {
      const command = loop.kv.expireCommand(key, now_ms)
      if (command !== undefined) commands.push(command)
    }
    commands.push(...loop.kv.idleSessions(now_ms))
    if (commands.length === 0 || !loop.status().canPropose) return
    const segment = encodeSegment({
      session: 0,
      floor: 0,
      commands: commands.map((command) => ({ sequence: 0, command })),
    })
    this.#expiring = true
    const done = () => {
      this.#expiring = false
    }
    loop.propose(segment, commands.length, { answer: done, refuse: done })
  }
}
