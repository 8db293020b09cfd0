/**
 * A cluster on simulated time that a test plays by hand: a StatefulSet is scaled, Pods are deleted,
 * claims are lost, while clients write. The invariants look on, and the history is judged at the
 * end, as in a run of many faults.
 */

import { ordinalOf } from '../../src/database/consensus/types.ts'
import type { Chance } from './chance.ts'
import { drawParameters } from './parameters.ts'
import type { ReplicaHost } from './replica-host.ts'
import { catchExceptions } from './run.ts'
import { settled, whatIsWrong } from './settle.ts'
import { StatefulSet, type StatefulSetOptions } from './stateful-set.ts'
import { judge } from './verdict.ts'
import { watch } from './watch.ts'
import { World } from './world.ts'

const WITHIN_MS = 40_000
/** Ordinals that there may be. */
const HOSTS = 5

export class Stage {
  readonly world: World
  readonly set: StatefulSet
  readonly chance: Chance

  constructor(seed: number, options: StatefulSetOptions) {
    const drawn = drawParameters(seed)
    const parameters = {
      ...drawn,
      replicas: options.replicas,
      apis: 2,
      clients: 5,
      timing: {
        electionTimeout_ms: 1000,
        heartbeat_ms: 100,
        stagger_ms: 150,
        handBackAfter_ms: 3000,
      },
      network: { ...drawn.network, drop: 0, twice: 0, late: 0, apiLate: 0 },
      limits: {},
      workload: { ...drawn.workload, think_ms: 150, timeouts_ms: [5000] },
    }
    this.world = new World({ seed, parameters, transcript: true, exceptions: 'fail' })
    this.set = new StatefulSet(this.world, options)
    this.chance = this.world.chanceOf('stage')
    this.world.statefulSet = this.set
  }

  /** Plays it; throws, with the end of the transcript, when something was wrong. */
  async play(script: () => Promise<void>): Promise<void> {
    const { world } = this
    const stop = catchExceptions(world)
    watch(world.invariants)
    try {
      this.#build()
      await script()
      this.#check()
    } catch (error) {
      const lines = world.transcript.text.split('\n').slice(-80).join('\n')
      throw new Error(`${(error as Error).message}\n${lines}`, { cause: error })
    } finally {
      watch(undefined)
      stop()
    }
  }

  host(ordinal: number): ReplicaHost {
    return this.world.replicas[ordinal] as ReplicaHost
  }

  /** Ordinals of the voters, as the leader has them; undefined: nobody leads. */
  get voters(): number[] | undefined {
    const status = this.world.replicas
      .map((host) => host.replica?.loop?.status())
      .find((each) => each?.role === 'leader' && each.committedInTerm)
    if (status?.membership === undefined || status.membershipIndex > status.commit) return undefined
    return status.membership.voters.map(ordinalOf)
  }

  get running(): number[] {
    const alive = this.world.replicas.filter((host) => host.process?.alive === true)
    return alive.map((host) => host.ordinal)
  }

  async pass(duration_ms: number): Promise<void> {
    const { scheduler } = this.world
    await scheduler.run(scheduler.now_ms + duration_ms, () => this.world.failure !== undefined)
    this.#check()
  }

  async until(what: string, done: () => boolean, within_ms = WITHIN_MS): Promise<void> {
    const { scheduler, failure } = this.world
    let is = false
    await scheduler.run(scheduler.now_ms + within_ms, () => {
      is = done()
      return is || failure !== undefined
    })
    this.#check()
    if (!is) throw new Error(`not within ${within_ms} ms: ${what}`)
  }

  /** All that are meant to run are well, vote, and have everything. */
  async well(): Promise<void> {
    const looks = { lag: 64 }
    const isComplete = () => this.world.size === this.set.topology.replicas
    const isWell = () => isComplete() && settled(this.world, looks)
    await this.until('well', isWell).catch((error: Error) => {
      throw new Error(`${error.message}: ${whatIsWrong(this.world, looks)}`, { cause: error })
    })
  }

  /** The claims are deleted, and the Pods with them. */
  loseAll(ordinals: readonly number[] = this.running): void {
    for (const ordinal of ordinals) {
      const host = this.host(ordinal)
      host.kill('kept')
      host.swap(this.world.newVolume(host.place))
    }
  }

  /** Another cluster begins: what was true of the one before says nothing of it. */
  forgetHistory(): void {
    watch(undefined)
  }

  /** Ends the load and judges what the clients saw; says how many writes were acknowledged. */
  async verdict(): Promise<number> {
    const { world } = this
    for (const client of world.clients) client.stop()
    await this.pass(8000)
    world.history.finish()
    judge(world.history.operations)
    const ok = world.history.operations.filter(({ outcome }) => outcome?.type === 'ok')
    return ok.filter(({ intent }) => intent.type !== 'get').length
  }

  #build(): void {
    const { world } = this
    for (let ordinal = 0; ordinal < HOSTS; ordinal += 1) world.addReplica(ordinal)
    world.buildClients()
    this.set.start()
  }

  #check(): void {
    const { failure } = this.world
    if (failure !== undefined) throw new Error(`${failure.check}: ${failure.message}`)
  }
}
