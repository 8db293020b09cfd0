/**
 * Anything that can go wrong between this tier and the replicas, in random order: what is
 * acknowledged took effect once, what is `not-applied` never did, what is unknown at most once.
 */

import t from 'tap'
import { ClusterError } from '../../../src/shared/errors.ts'
import { seedOf } from '../http/seed.ts'
import type { FakeClock } from './fake-clock.ts'
import type { FakeCluster } from './fake-cluster.ts'
import { start } from './start.ts'

/** mulberry32: small, seeded, good enough to choose with. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Random = (below: number) => number

function disturb(cluster: FakeCluster, random: Random): void {
  const replica = cluster.replica(random(3))
  const faults: (() => void)[] = [
    () => cluster.lead(random(3)),
    () => cluster.lead(random(4) - 1),
    () => {
      replica.muteWrites = !replica.muteWrites
    },
    () => {
      replica.holdWrites = true
    },
    () => replica.release(),
    () => {
      replica.silent = !replica.silent
      if (!replica.silent) replica.release()
    },
    () => {
      if (replica.up) replica.die()
      else replica.up = true
    },
    () => {
      const outcome = random(2) === 0 ? 'unknown' : 'not-applied'
      const code = random(4) === 0 ? 'disk-full' : 'not-leader'
      const applied = outcome === 'unknown' ? 'not-leader' : code
      const refuses = replica.refuseWrites === undefined && random(2) === 0
      replica.refuseWrites = refuses ? { code: applied, outcome } : undefined
    },
    () => {
      if (random(2) === 0) cluster.sessions.clear()
    },
  ]
  faults[random(faults.length)]?.()
}

async function heal(cluster: FakeCluster, clock: FakeClock): Promise<void> {
  for (const replica of cluster.replicas) {
    replica.up = true
    replica.silent = false
    replica.muteWrites = false
    replica.refuseWrites = undefined
    replica.release()
  }
  cluster.lead(0)
  await clock.advance(10_000)
}

t.test('exactly once: whatever happens on the way to the replicas', async (t) => {
  const seed = seedOf(t)
  const counts = { acknowledged: 0, refused: 0, unknown: 0, repeated: 0 }
  for (let run = 0; run < 12; run++) {
    const fraction = randomFrom(seed + run)
    const random: Random = (below) => Math.floor(fraction() * below)
    const { api, cluster, clock } = await start(t)
    const answers: Promise<{ key: string; status: number; outcome: string | undefined }>[] = []
    for (let step = 0; step < 120; step++) {
      for (let count = random(4); count > 0; count--) {
        const key = `r${run}-${answers.length}`
        const url = `/v1/kv/${key}?timeout=${500 + random(3000)}ms`
        const headers = { 'if-none-match': '*' }
        const answer = api.app.inject({ method: 'PUT', url, headers, payload: key })
        answers.push(
          answer.then((got) => ({ key, status: got.statusCode, outcome: got.json().outcome })),
        )
      }
      if (random(2) === 0) disturb(cluster, random)
      await clock.advance(random(3) === 0 ? random(300) : random(10))
    }
    await heal(cluster, clock)
    for (const { key, status, outcome } of await Promise.all(answers)) {
      const effects = cluster.effects.get(key) ?? 0
      const fits =
        status === 201 ? effects === 1 : outcome === 'not-applied' ? effects === 0 : effects <= 1
      if (!fits || (status !== 201 && outcome === undefined)) {
        throw new ClusterError('internal', `${key}: ${status} ${outcome}, ${effects} effects`)
      }
      if (status === 201) counts.acknowledged++
      else if (outcome === 'unknown') counts.unknown++
      else counts.refused++
    }
    counts.repeated += cluster.repeated
    await api.close()
  }
  t.comment(JSON.stringify(counts))
  for (const [name, count] of Object.entries(counts)) t.ok(count > 0, `some ${name}: ${count}`)
})
