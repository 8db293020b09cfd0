/**
 * Pods of both tiers deleted at random, for as long as ORDINAL_E2E_MINUTES says; without it this is
 * skipped. What a request fails with while a second replica goes before the first is back is
 * counted and not judged: the verdict is.
 */

import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { KubeObject } from './cluster/kube.ts'
import { startLoad, verdictText } from './cluster/load.ts'
import { openStage, READY_S_MAX, restarts } from './cluster/stage.ts'

const MINUTES = Number(process.env['ORDINAL_E2E_MINUTES'] ?? 0)
const SEED = Number(process.env['ORDINAL_SEED'] ?? randomInt(2 ** 31))
const EVERY_MS = 10_000
/** The second half's largest process beside the first half's: more is memory that grows. */
const GROWTH_MAX = 1.25
const RESIDENT = /^process_resident_memory_bytes(?:\{[^}]*\})? (\S+)$/m

const skip = MINUTES > 0 ? false : 'SKIPPED, ORDINAL_E2E_MINUTES is not set'
if (skip) process.stderr.write(`\n*** ${skip} ***\n\n`)

const stage = await openStage(t, 'random', MINUTES * 60_000)
const { kube, helm } = stage
const store = stage.store()

/** Mulberry32: the same choices again with the same seed. */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const allPods = async () => [...(await store.pods('database')), ...(await store.pods('api'))]

/** The largest resident set of the processes that answer, MiB: some are not up yet, or no more. */
async function memory(): Promise<number> {
  const sizes = await Promise.all(
    (await allPods()).map(async ({ metadata }) => {
      const target = store.core('pods', `${metadata.name}:9090`, 'proxy')
      const answer = await kube.call('GET', `${target}/metrics`)
      return Number(RESIDENT.exec(answer.text)?.[1] ?? 0)
    }),
  )
  return Math.round(Math.max(...sizes) / 2 ** 20)
}

stage.scenario(
  `Pods deleted at random for ${MINUTES} minutes`,
  async (t) => {
    t.comment(`ORDINAL_SEED=${SEED}`)
    await helm.install('db', { wait_s: READY_S_MAX })
    await store.whole()
    const probe = await stage.probe()
    const load = await startLoad(probe, store)
    const random = chance(SEED)
    const sizes: number[] = []
    const seen = new Map<string, number>()
    let deleted = 0
    const until_ms = performance.now() + MINUTES * 60_000
    while (performance.now() < until_ms) {
      const pods = await allPods()
      for (const pod of pods) seen.set(pod.metadata.uid, restarts(pod))
      const pod = pods[random(pods.length)] as KubeObject
      await kube.delete(store.core('pods', pod.metadata.name), random(3) === 0 ? 0 : undefined)
      deleted += 1
      await delay(EVERY_MS)
      sizes.push(await memory())
    }
    await store.whole()
    await load.goesOn()
    const verdict = await load.end()
    t.equal(verdict.exitCode, 0, verdict.headline)
    t.same(
      [...seen.values()].filter((count) => count > 0),
      [],
      'no container started again',
    )
    const half = Math.floor(sizes.length / 2)
    const early = Math.max(...sizes.slice(0, half))
    const late = Math.max(...sizes.slice(half))
    t.ok(Math.min(early, late) > 0, 'memory was measured')
    t.ok(late <= early * GROWTH_MAX, `memory is flat: ${early} MiB, then ${late} MiB`)
    const text = `${deleted} deleted, at most ${early} MiB, then ${late} MiB`
    return `${text}, ${verdictText(verdict)}`
  },
  skip,
)
