/**
 * One run: a cluster is formed and used while faults come; then they stop, and it must become well
 * again within a bounded time; then the whole history is looked at.
 */

import { adjustLimits } from './adjustable-limits.ts'
import { Calm } from './calm.ts'
import { drawFaults } from './fault-schedule.ts'
import { Nemesis } from './nemesis.ts'
import { drawParameters } from './parameters.ts'
import type { RunOptions, RunResult } from './run-seed.ts'
import { EVENTS_MAX } from './scheduler.ts'
import { settled, whatIsWrong } from './settle.ts'
import { StatefulSet } from './stateful-set.ts'
import { judge } from './verdict.ts'
import { Violation } from './violation.ts'
import { watch } from './watch.ts'
import { World } from './world.ts'

/** The cluster has this long to become well again. */
const SETTLE_MS_MAX = 60_000
/** Under load a replica may be this far behind and count as well. */
const LAG_ENTRIES_MAX = 64
/**
 * Once the clients have stopped, everybody has everything within this time. Damage that is found
 * only now may take the lead away once more, and who stands in waits out the cool-down, which
 * doubles with each hand-back that did not last.
 */
const EQUAL_MS_MAX = 60_000
/** One that lost too much is only watched a while longer. */
const BEYOND_MS = 20_000
const RUN_MS_MIN = 60_000
const OPERATIONS_MIN = 500
/** Where clients were shut out for long, they go on for at most this much longer. */
const EXTRA_MS_MAX = 60_000

export async function runOnce(seed: number, options: RunOptions): Promise<RunResult> {
  const parameters = drawParameters(seed)
  await adjustLimits(parameters.limits)
  const world = new World({
    seed,
    parameters,
    transcript: options.transcript ?? false,
    exceptions: options.exceptions ?? 'fail',
  })
  world.statefulSet = drawStatefulSet(world)
  const whole = options.faults ?? drawFaults(seed, parameters)
  const faults = whole.filter((_, place) => options.keep?.includes(place) ?? true)
  const stop = catchExceptions(world)
  watch(world.invariants)
  try {
    await play(world, faults)
  } finally {
    watch(undefined)
    stop()
  }
  world.summarize()
  const { transcript, scheduler, history } = world
  return {
    seed,
    failure: world.failure,
    hash: transcript.hash,
    virtual_ms: Math.round(scheduler.now_ms),
    operations: history.operations.length,
    faults,
    coverage: Object.fromEntries(world.coverage),
    transcript: () => transcript.text,
  }
}

/** An API server that may fail to answer, and a marker that may be switched off. */
function drawStatefulSet(world: World): StatefulSet {
  const { replicas } = world.parameters
  const chance = world.chanceOf('api server')
  const set = new StatefulSet(world, { replicas, failing: chance.pick([0, 0, 0.1, 0.5]) })
  // Without one a single replica would wait for good.
  set.markerReadable = chance.happens(0.5) || replicas === 1
  return set
}

async function play(world: World, faults: RunResult['faults']): Promise<void> {
  const { history, scheduler } = world
  world.build()
  const nemesis = new Nemesis(world, faults)
  nemesis.start()
  new Calm(world).start()
  await advance(world, world.parameters.active_ms, () => false)
  nemesis.heal()
  if (nemesis.beyond) world.count('beyond-the-budget')
  if (nemesis.beyond) await advance(world, BEYOND_MS, () => false)
  else await becomeWell(world)
  const enough = () => history.operations.length >= OPERATIONS_MIN && scheduler.now_ms >= RUN_MS_MIN
  await advance(world, EXTRA_MS_MAX, enough)
  for (const client of world.clients) client.stop()
  if (!nemesis.beyond) await becomeEqual(world)
  if (world.failure !== undefined) return
  try {
    history.finish()
    judge(history.operations)
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    world.fail(error.check, error.message)
  }
}

/** Goes on for so long, or until it is done or has failed. */
async function advance(world: World, for_ms: number, done: () => boolean): Promise<void> {
  if (world.failure !== undefined) return
  const { scheduler } = world
  await scheduler.run(scheduler.now_ms + for_ms, () => world.failure !== undefined || done())
  if (scheduler.events >= EVENTS_MAX) world.fail('exhausted', 'the run goes in circles')
}

/** Without faults there is soon a leader, the right one, and all are with it. */
async function becomeWell(world: World): Promise<void> {
  const looks = { lag: LAG_ENTRIES_MAX }
  await advance(world, SETTLE_MS_MAX, () => settled(world, looks))
  const wrong = world.failure === undefined ? whatIsWrong(world, looks) : ''
  if (wrong !== '') world.fail('not-well', wrong)
}

/** Without clients all states are equal at last. */
async function becomeEqual(world: World): Promise<void> {
  const looks = { lag: 0 }
  await advance(world, EQUAL_MS_MAX, () => settled(world, looks))
  const wrong = world.failure === undefined ? whatIsWrong(world, looks) : ''
  if (wrong !== '') world.fail('not-equal', wrong)
}

/** What no event can catch: it came out of a promise or a tick. */
export function catchExceptions(world: World): () => void {
  const caught = (error: unknown) => world.exception(error, world.scheduler.current)
  process.on('uncaughtException', caught)
  process.on('unhandledRejection', caught)
  return () => {
    process.off('uncaughtException', caught)
    process.off('unhandledRejection', caught)
  }
}
