/**
 * Takes one step of the plan after another until the time is over, and watches that the cluster
 * gets well after each.
 *
 *   step: (a disk is concerned: wait until all vote) → deeds → writes go on → rest
 *
 * The budget (DESIGN §11): at most a minority of disks is lost or damaged until the replacement is
 * promoted. One at a time keeps it for each shape: the next one waits until every replica votes.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { TestCluster } from '../cluster/harness.ts'
import { allVoting } from '../cluster/pictures.ts'
import { doTo, victimsOf } from './deeds.ts'
import { type Action, describeAction, planOf, type Step, touchesDisk } from './plan.ts'

/** After a step the cluster has so long until writes are acknowledged again. */
const RECOVERY_MS_MAX = 40_000
/** After a lost disk the replacement has so long until it votes. */
const VOTING_MS_MAX = 60_000
/** Writes are going on when so many were acknowledged. */
const WRITES = 10

/** What was done, and when, by `performance.now()`. */
export type Taken = {
  readonly step: Step
  readonly did: readonly {
    readonly action: Action
    readonly names: readonly string[]
    readonly from_ms: number
    readonly to_ms: number
    readonly note: string | undefined
  }[]
  /** Every replica voted and was heard when it began: nothing of earlier steps was left. */
  readonly whole: boolean
  readonly from_ms: number
  /** All deeds were over. */
  readonly over_ms: number
  /** The next step may begin. */
  readonly to_ms: number
}

export type NemesisOptions = {
  readonly cluster: TestCluster
  readonly seed: number
  readonly replicas: number
  readonly length_ms: number
  /** Acknowledged writes so far. */
  readonly acknowledged: () => number
  readonly onTaken: (taken: Taken) => void
}

/** The cluster did not get well in time. */
export class NotRecovered extends Error {}

/** Resolves when the time is over; rejects with `NotRecovered`. */
export async function runNemesis(options: NemesisOptions): Promise<void> {
  const end_ms = performance.now() + options.length_ms
  for (const step of planOf(options.seed)) {
    if (performance.now() >= end_ms) return
    await take(step, options)
  }
}

async function take(step: Step, options: NemesisOptions): Promise<void> {
  const { cluster, replicas } = options
  const what = step.actions.map(describeAction).join(', and ')
  if (step.actions.some(touchesDisk)) {
    await orFail(`before step ${step.number} (${what})`, () =>
      allVoting(cluster, { replicas, timeout_ms: VOTING_MS_MAX }),
    )
  }
  const whole = await allVoting(cluster, { replicas, timeout_ms: 0 }).then(
    () => true,
    () => false,
  )
  const from_ms = performance.now()
  const did = await orFail(`in step ${step.number} (${what})`, () =>
    Promise.all(step.actions.map((action, at) => act(cluster, action, at * step.apart_ms))),
  )
  const over_ms = performance.now()
  const before = options.acknowledged()
  await orFail(`after step ${step.number} (${what})`, () =>
    cluster.waitFor(
      'writes go on',
      () => options.acknowledged() >= before + WRITES,
      RECOVERY_MS_MAX,
    ),
  )
  await delay(step.rest_ms)
  options.onTaken({ step, did, whole, from_ms, over_ms, to_ms: performance.now() })
}

async function act(cluster: TestCluster, action: Action, after_ms: number) {
  await delay(after_ms)
  const names = await victimsOf(cluster, action)
  const from_ms = performance.now()
  const note = await doTo(cluster, names, action)
  return { action, names, from_ms, to_ms: performance.now(), note }
}

async function orFail<T>(when: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new NotRecovered(`${when}: ${why}`, { cause })
  }
}
