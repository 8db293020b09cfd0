/** One random schedule over the harness, and the checks of what must always hold. */

import type { Entry } from '../../../src/database/consensus/entry.ts'
import type { Effects } from '../../../src/database/consensus/types.ts'
import { ordinalOf } from '../../../src/database/consensus/types.ts'
import type { Disk } from './disk.ts'
import { Harness, type Replica } from './harness.ts'

export type ScheduleResult = {
  readonly failure: string | undefined
  readonly elections: number
  readonly commits: number
  readonly reads: number
}

const STEPS = 3000

/** Holds what was agreed, and throws as soon as a step contradicts it. */
class Checks {
  readonly leaders = new Map<number, string>()
  /** Chain by index: what was handed out as committed, anywhere. */
  readonly committed: (number | undefined)[] = []
  readonly chains = new Map<string, number>()
  readonly pendingReads = new Map<number, number>()
  highest = 0
  reads = 0

  effects(replica: Replica, effects: Effects): void {
    for (const entry of effects.write?.entries ?? []) this.#entry(entry)
    for (const entry of effects.committed) this.#commit(replica, entry)
    for (const event of effects.events) {
      if (event.type === 'elected') this.#elected(replica, event.term)
      if (event.type === 'diverged') throw new Error(`${replica.member} diverged: ${event.why}`)
    }
    for (const read of effects.reads) this.#read(read)
    const meta = effects.write?.install?.meta
    if (meta !== undefined && this.committed[meta.index] !== meta.chain) {
      throw new Error(`${replica.member} installed a snapshot that is not the committed log`)
    }
  }

  /** Logs that agree on (index, term) agree on all before: the chain says so. */
  #entry(entry: Entry): void {
    const key = `${entry.index}/${entry.term}`
    const chain = this.chains.get(key)
    if (chain !== undefined && chain !== entry.chain) throw new Error(`two entries ${key}`)
    this.chains.set(key, entry.chain)
  }

  #commit(replica: Replica, entry: Entry): void {
    const chain = this.committed[entry.index]
    if (chain !== undefined && chain !== entry.chain) {
      throw new Error(`${replica.member} commits another entry ${entry.index}`)
    }
    this.committed[entry.index] = entry.chain
    this.highest = Math.max(this.highest, entry.index)
  }

  #elected(replica: Replica, term: number): void {
    const other = this.leaders.get(term)
    if (other !== undefined) throw new Error(`${other} and ${replica.member} lead term ${term}`)
    this.leaders.set(term, replica.member)
    const { memory } = replica
    if (memory.lastIndex < this.highest) {
      throw new Error(`leader ${replica.member} lacks the committed entry ${this.highest}`)
    }
    for (let index = memory.base.index + 1; index <= this.highest; index += 1) {
      const chain = memory.entryAt(index)?.chain
      if (this.committed[index] !== undefined && this.committed[index] !== chain) {
        throw new Error(`leader ${replica.member} has another entry ${index} than the committed`)
      }
    }
  }

  #read(read: Effects['reads'][number]): void {
    const floor = this.pendingReads.get(read.id)
    this.pendingReads.delete(read.id)
    if ('refused' in read || floor === undefined) return
    this.reads += 1
    if (read.index < floor) throw new Error(`read ${read.id} got ${read.index}, below ${floor}`)
  }
}

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
  #proposals = 0
  /** Disks are lost one at a time, and only while the others could do without. */
  #lossAllowed: boolean
  #loss: boolean

  constructor(harness: Harness, checks: Checks) {
    this.#harness = harness
    this.#checks = checks
    this.#size = [1, 2, 3, 3, 3, 5][Math.floor(harness.random() * 6)] as number
    this.#loss = harness.random() < 0.5
    this.#lossAllowed = true
  }

  play(): void {
    const harness = this.#harness
    harness.found(this.#size)
    if (harness.random() < 0.7) harness.run(2500)
    for (let step = 0; step < STEPS; step += 1) this.#step()
    this.#calm()
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#harness.random() * list.length)]
  }

  #step(): void {
    const harness = this.#harness
    const dice = harness.random() * 100
    if (dice < 45) this.#network()
    else if (dice < 62) this.#time()
    else if (dice < 76) this.#disk()
    else if (dice < 86) this.#propose()
    else if (dice < 91) this.#read()
    else if (dice < 95) harness.serve()
    else if (dice < 96) harness.stream(harness.random() < 0.8)
    else this.#trouble()
  }

  #network(): void {
    const harness = this.#harness
    const { flights } = harness
    // Mostly in order, sometimes not.
    const at = harness.random() < 0.8 ? 0 : Math.floor(harness.random() * flights.length)
    const flight = flights[at]
    if (flight === undefined) return
    const dice = harness.random()
    if (dice < 0.04) flights.splice(at, 1)
    else if (dice < 0.08) flights.push({ ...flight })
    else harness.deliver(flight)
    if (flights.length > 400) flights.splice(0, 200)
  }

  #time(): void {
    const harness = this.#harness
    const jump = harness.random() < 0.02 ? harness.random() * 2500 : harness.random() * 60
    if (harness.random() < 0.3) {
      const replica = this.#pick(harness.alive)
      if (replica === undefined) return
      replica.now_ms += jump
      harness.step(replica, { type: 'tick' })
      return
    }
    for (const replica of harness.replicas) replica.now_ms += jump
    for (const replica of harness.alive) harness.step(replica, { type: 'tick' })
  }

  #disk(): void {
    const replica = this.#pick(this.#harness.alive)
    if (replica === undefined) return
    this.#harness.persist(replica, 1 + Math.floor(this.#harness.random() * 3))
  }

  #propose(): void {
    const harness = this.#harness
    const leaders = harness.alive.filter((replica) => replica.core?.canPropose)
    const leader = this.#pick(leaders)
    if (leader === undefined) return
    this.#proposals += 1
    harness.propose(leader, `p${this.#proposals}`)
  }

  #read(): void {
    const harness = this.#harness
    const replica = this.#pick(harness.alive)
    if (replica === undefined) return
    // The answer may come in the same step.
    this.#checks.pendingReads.set(harness.nextRead, this.#checks.highest)
    harness.read(replica)
  }

  #trouble(): void {
    const harness = this.#harness
    const dice = harness.random() * 100
    const replica = this.#pick(harness.alive)
    if (dice < 25) {
      if (replica === undefined) return
      harness.crash(replica, Math.floor(harness.random() * 3))
    } else if (dice < 60) {
      const down = this.#pick(harness.replicas.filter((it) => this.#canStart(it)))
      if (down === undefined) return
      harness.start(down)
      harness.hello(down)
    } else if (dice < 70) this.#partition()
    else if (dice < 82) harness.heal()
    else if (dice < 88) {
      if (replica === undefined) return
      this.#compact(replica)
    } else if (dice < 92) {
      if (replica !== undefined) harness.step(replica, { type: 'drain' })
    } else if (dice < 96) {
      const other = this.#pick(harness.replicas)
      if (replica === undefined || other === undefined) return
      harness.step(replica, { type: 'unreachable', to: other.member })
    } else this.#loseDisk()
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

  /** A disk is lost only when a quorum of the others has all: else data loss would be no bug. */
  #loseDisk(): void {
    const harness = this.#harness
    if (!this.#loss || !this.#lossAllowed || this.#size < 3) return
    const leader = harness.leader
    const membership = leader?.core?.status().membership
    if (leader === undefined || membership?.opened !== true) return
    const { voters } = membership
    const victims = harness.alive.filter((it) => it !== leader && voters.includes(it.member))
    const victim = this.#pick(victims)
    if (victim === undefined) return
    this.#lossAllowed = false
    const fresh = harness.replace(victim)
    harness.hello(fresh)
  }

  /** Peace: everything runs, and everything must come right by itself. */
  #calm(): void {
    const harness = this.#harness
    harness.heal()
    for (const replica of harness.replicas) {
      if (this.#canStart(replica)) harness.start(replica)
      // Those that drain have stopped by now and started again.
      else if (replica.core !== undefined && replica.core.status().role !== 'leader') {
        harness.crash(replica)
        harness.start(replica)
      }
    }
    const drained = harness.leader
    if (drained !== undefined) {
      harness.crash(drained)
      harness.start(drained)
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
