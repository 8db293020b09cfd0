/** One random schedule over the harness; what must always hold is in checks.ts. */

import { ordinalOf } from '../../../src/database/consensus/types.ts'
import { Checks } from './checks.ts'
import type { Disk } from './disk.ts'
import { type Flight, Harness, type Replica } from './harness.ts'
import { drawWeather, HAPPENINGS, type Happening, type Weather } from './weather.ts'

export type ScheduleResult = {
  readonly failure: string | undefined
  readonly elections: number
  readonly commits: number
  readonly reads: number
}

const STEPS = 3000

/** Plays one schedule; everything follows from the seed. */
export function runSchedule(seed: number): ScheduleResult {
  const checks = new Checks()
  const harness = new Harness({
    seed,
    observer: { effects: (replica, effects) => checks.effects(replica, effects) },
  })
  let failure: string | undefined
  try {
    new Schedule(harness, checks).play()
  } catch (error) {
    failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  return {
    failure,
    elections: checks.leaders.size,
    commits: checks.highest,
    reads: checks.reads,
  }
}

class Schedule {
  readonly #harness: Harness
  readonly #checks: Checks
  readonly #size: number
  readonly #weather: Weather
  readonly #total: number
  #proposals = 0
  /** Messages that come again much later. */
  readonly #remembered: Flight[] = []

  constructor(harness: Harness, checks: Checks) {
    this.#harness = harness
    this.#checks = checks
    this.#size = [1, 2, 3, 3, 3, 3, 4, 5][Math.floor(harness.random() * 8)] as number
    this.#weather = drawWeather(harness.random)
    this.#total = HAPPENINGS.reduce((sum, what) => sum + this.#weather.weights[what], 0)
  }

  play(): void {
    const harness = this.#harness
    harness.found(this.#size)
    if (harness.random() < 0.8) harness.run(2500)
    for (let step = 0; step < STEPS; step += 1) this.#step()
    this.#calm()
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#harness.random() * list.length)]
  }

  #step(): void {
    let dice = this.#harness.random() * this.#total
    for (const what of HAPPENINGS) {
      dice -= this.#weather.weights[what]
      if (dice < 0) {
        this.#happen(what)
        return
      }
    }
  }

  #happen(what: Happening): void {
    const harness = this.#harness
    const replica = this.#pick(harness.alive)
    if (what === 'serve') harness.serve()
    else if (what === 'stream') harness.stream(harness.random() < 0.8)
    else if (what === 'network') this.#network()
    else if (what === 'time') this.#time()
    else if (what === 'propose') this.#propose()
    else if (what === 'partition') this.#partition()
    else if (what === 'heal') harness.heal()
    else if (what === 'loseDisk') this.#loseDisk()
    else if (what === 'start') this.#start()
    else if (what === 'remember') this.#remember()
    else if (what === 'drive') this.#drive(this.#some(), 200 + harness.random() * 2500)
    else if (what === 'overthrow') this.#overthrow()
    else if (replica !== undefined) this.#happenTo(replica, what)
  }

  #happenTo(replica: Replica, what: Happening): void {
    const harness = this.#harness
    if (what === 'disk') harness.persist(replica, 1 + Math.floor(harness.random() * 3))
    else if (what === 'read') this.#read(replica)
    else if (what === 'crash') harness.crash(replica, Math.floor(harness.random() * 3))
    else if (what === 'compact') this.#compact(replica)
    else if (what === 'drain') harness.drain(replica)
    else if (what === 'campaign') harness.tick(replica, 1000 + harness.random() * 1500)
    else if (what === 'unreachable') {
      const to = this.#pick(harness.replicas)?.member ?? ''
      harness.step(replica, { type: 'unreachable', to })
    }
  }

  #network(): void {
    const harness = this.#harness
    const { flights } = harness
    const { loss, duplication, disorder } = this.#weather
    const at = harness.random() < disorder ? Math.floor(harness.random() * flights.length) : 0
    const flight = flights[at]
    if (flight === undefined) return
    if (harness.random() < loss) flights.splice(at, 1)
    else if (harness.random() < duplication) flights.push({ ...flight })
    else harness.deliver(flight)
    if (flights.length > 400) flights.splice(0, 200)
  }

  #remember(): void {
    const { flights } = this.#harness
    const old = this.#pick(this.#remembered)
    if (old !== undefined && this.#harness.random() < 0.5) flights.unshift({ ...old })
    const flight = this.#pick(flights)
    if (flight !== undefined) this.#remembered.push(flight)
    if (this.#remembered.length > 20) this.#remembered.shift()
  }

  #time(): void {
    const harness = this.#harness
    const jump_ms = harness.random() < 0.02 ? harness.random() * 2500 : harness.random() * 60
    for (const [at, replica] of harness.replicas.entries()) {
      replica.now_ms += jump_ms * (this.#weather.speeds[at % 8] as number)
    }
    for (const replica of harness.alive) harness.step(replica, { type: 'tick' })
  }

  #some(): Replica[] {
    return this.#harness.alive.filter(() => this.#harness.random() < 0.6)
  }

  /** Some go on as usual, while the clocks, disks and inboxes of the others stand still. */
  #drive(some: readonly Replica[], ms: number): void {
    const harness = this.#harness
    const members = new Set(some.map((replica) => replica.member))
    const stop = 0.002 + harness.random() * 0.05
    for (let passed = 0; passed < ms; passed += 25) {
      for (const replica of some) {
        replica.now_ms += 25
        harness.step(replica, { type: 'tick' })
      }
      for (let turn = 0; turn < 4; turn += 1) {
        for (const flight of harness.flights.filter((it) => members.has(it.message.to))) {
          if (harness.random() < stop) return
          harness.deliver(flight)
        }
        for (const replica of some) if (harness.random() < 0.8) harness.persist(replica)
      }
      if (harness.random() < 0.1) this.#propose()
    }
  }

  /** The others elect somebody else, while a leader notices nothing; then it is asked. */
  #overthrow(): void {
    const harness = this.#harness
    const old = this.#pick(harness.alive.filter((it) => it.core?.status().role === 'leader'))
    if (old === undefined) return
    const others = harness.alive.filter((it) => it !== old)
    harness.partition([[old], others])
    this.#propose()
    this.#drive(others, 3000)
    if (old.core !== undefined) this.#read(old)
    if (harness.random() < 0.5) harness.heal()
    if (harness.random() < 0.5) harness.propose(old, `o${this.#proposals}`)
  }

  #start(): void {
    const harness = this.#harness
    const down = this.#pick(harness.replicas.filter((it) => this.#canStart(it)))
    if (down === undefined) return
    harness.start(down)
    harness.hello(down)
  }

  #propose(): void {
    const harness = this.#harness
    const leaders = harness.alive.filter((replica) => replica.core?.canPropose)
    const leader = this.#pick(leaders)
    if (leader === undefined) return
    this.#proposals += 1
    harness.propose(leader, `p${this.#proposals}`)
  }

  #read(replica: Replica): void {
    // The answer may come in the same step.
    this.#checks.pendingReads.set(this.#harness.nextRead, this.#checks.highest)
    this.#harness.read(replica)
  }

  #compact(replica: Replica): void {
    const { disk, memory } = replica
    disk.compact(Math.max(0, disk.applied - Math.floor(this.#harness.random() * 5)))
    memory.compact(disk.base.index)
    this.#harness.step(replica, { type: 'compacted', index: disk.base.index })
  }

  #partition(): void {
    const harness = this.#harness
    const left: Replica[] = []
    const right: Replica[] = []
    for (const replica of harness.replicas) (harness.random() < 0.5 ? left : right).push(replica)
    harness.partition([left, right])
    // Sometimes only one direction is lost.
    if (harness.random() < 0.3) {
      for (const pair of [...harness.cut]) if (harness.random() < 0.5) harness.cut.delete(pair)
    }
  }

  #canStart(replica: Replica): boolean {
    if (replica.core !== undefined) return false
    const ordinal = ordinalOf(replica.member)
    return this.#harness.replicas.findLast((it) => ordinalOf(it.member) === ordinal) === replica
  }

  /** The next disk is lost only when the last one was replaced: two of three are too many. */
  #loseDisk(): void {
    const harness = this.#harness
    if (!this.#weather.losesDisk || this.#size < 3) return
    const { leader } = harness
    const status = leader?.core?.status()
    const membership = status?.membership
    if (leader === undefined || status === undefined || membership?.opened !== true) return
    if (status.membershipIndex > status.commit) return
    const { voters, learners } = membership
    const whole = harness.replicas.filter((it) => voters.includes(it.member))
    const latest = whole.every((it) => harness.replica(String(ordinalOf(it.member))) === it)
    if (!latest || voters.length !== this.#size || learners.length > 0) return
    const victim = this.#pick(whole.filter((it) => it.core !== undefined && it !== leader))
    if (victim === undefined) return
    harness.hello(harness.replace(victim))
  }

  /** Peace: everything runs, and everything must come right by itself. */
  #calm(): void {
    const harness = this.#harness
    harness.heal()
    for (const replica of harness.replicas) {
      // Those that drain have stopped by now and started again; so does everybody, half the time.
      const { core } = replica
      const draining = core !== undefined && replica.draining
      if (draining || (core !== undefined && harness.random() < 0.5)) harness.crash(replica)
      if (this.#canStart(replica)) harness.start(replica)
    }
    harness.stabilize()
    for (const replica of harness.alive) harness.hello(replica)
    const settled = harness.run(600_000, () => this.#settled())
    if (!settled) throw new Error(`no peace: ${this.#picture()}`)
    const before = this.#checks.highest
    const leader = harness.leader as Replica
    harness.propose(leader, 'last')
    harness.run(200)
    if (this.#checks.highest <= before) throw new Error('the last proposal did not commit')
    const id = harness.nextRead
    this.#checks.pendingReads.set(id, this.#checks.highest)
    harness.read(this.#pick(harness.alive.filter((it) => this.#isVoter(it))) as Replica)
    harness.run(500)
    if (this.#checks.pendingReads.has(id)) throw new Error('the last read was not answered')
  }

  #isVoter(replica: Replica): boolean {
    const membership = this.#harness.leader?.core?.status().membership
    return membership?.voters.includes(replica.member) ?? false
  }

  /** The lowest ordinal leads, all ordinals vote again, and all hold the same. */
  #settled(): boolean {
    const { leader, alive } = this.#harness
    const status = leader?.core?.status()
    if (leader === undefined || status?.membership === undefined) return false
    const { voters, opened } = status.membership
    if (!opened || voters.length !== this.#size || ordinalOf(leader.member) !== 0) return false
    if (!status.canPropose || status.commit !== status.lastIndex) return false
    return alive
      .filter((replica) => voters.includes(replica.member))
      .every((replica) => sameEnd(replica.disk, leader.disk) && replica.applied === leader.applied)
  }

  #picture(): string {
    return JSON.stringify(
      this.#harness.replicas.map((it) => {
        const status = it.core?.status()
        return { member: it.member, ...status, progress: status?.progress }
      }),
      undefined,
      1,
    )
  }
}

function sameEnd(a: Disk, b: Disk): boolean {
  return a.lastIndex === b.lastIndex && a.metaAt(a.lastIndex).chain === b.metaAt(b.lastIndex).chain
}
