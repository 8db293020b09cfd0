/**
 * What a StatefulSet does to its replicas, on simulated time and under load: scaled, stopped,
 * deleted, made in order; and that no acknowledged write is lost by it (DESIGN §7).
 */

import t, { type Test } from 'tap'
import { seedOfRun } from '../contracts/random.ts'
import { Stage } from './stage.ts'
import type { StatefulSetOptions } from './stateful-set.ts'

const seed = seedOfRun()
t.comment(`ORDINAL_SEED=${seed}`)

function plays(
  name: string,
  options: StatefulSetOptions,
  script: (stage: Stage, t: Test) => Promise<void>,
): void {
  t.test(name, async (t) => {
    for (const at of [1, 2, seed]) {
      const stage = new Stage(at, options)
      t.comment(`seed ${at}`)
      await stage.play(() => script(stage, t))
    }
  })
}

/** A write is acknowledged after this moment. */
async function writesGoOn(stage: Stage, t: Test): Promise<void> {
  const { counters } = stage.world.history
  const before = counters.ok
  await stage.until('clients are answered', () => counters.ok > before + 20)
  t.pass('it goes on')
}

const why = (stage: Stage, ordinal: number) => stage.host(ordinal).replica?.waiting ?? ''
const notes = (stage: Stage, ordinal: number) =>
  JSON.stringify(stage.host(ordinal).replica?.views.detail(undefined)['notes'])

plays('5 to 1 in one step', { replicas: 5 }, async (stage, t) => {
  await stage.well()
  await stage.pass(2000)
  stage.set.scale(1)
  await stage.until('one of them ends', () => stage.running.length < 5, 10_000)
  t.same(stage.voters, [0], 'nobody ends before all are removed')
  await stage.until('only db-0 runs', () => stage.running.length === 1, 5000)
  await writesGoOn(stage, t)
  t.ok((await stage.verdict()) > 0, 'writes were acknowledged, and none is lost')
})

plays('5 to 1 while another one leads', { replicas: 5 }, async (stage, t) => {
  await stage.well()
  stage.host(0).hold()
  stage.host(0).kill('kept')
  const led = () => stage.host(1).replica?.loop?.status().canPropose === true
  await stage.until('db-1 leads', led)
  stage.host(0).release()
  const follows = () => (stage.host(0).replica?.loop?.status().freshAt_ms ?? -1) >= 0
  await stage.until('db-0 is back', follows)
  t.ok(led(), 'the leader is to leave')
  stage.set.scale(1)
  await stage.until('only db-0 runs', () => stage.running.length === 1, 10_000)
  t.same(stage.voters, [0])
  await writesGoOn(stage, t)
  await stage.verdict()
})

plays('1 to 3 to 5 to 3 to 1 to 3', { replicas: 1 }, async (stage, t) => {
  await stage.well()
  for (const replicas of [3, 5, 3, 1, 3]) {
    stage.set.scale(replicas)
    const wanted = Array.from({ length: replicas }, (_, at) => at)
    const done = () => `${stage.voters}` === `${wanted}` && `${stage.running}` === `${wanted}`
    await stage.until(`voters are ${wanted}`, done)
    await stage.well()
  }
  await writesGoOn(stage, t)
  await stage.verdict()
})

t.test('5 to 1, cut short at any moment, and back to 5', async (t) => {
  let lost = 0
  for (let at = seed; at < seed + 12; at += 1) {
    const stage = new Stage(at >>> 0, { replicas: 5 })
    await stage.play(async () => {
      await stage.well()
      stage.set.scale(1)
      await stage.pass(stage.chance.between(0, 1200))
      const power = stage.chance.happens(0.5) ? 'lost' : 'kept'
      if (stage.chance.happens(0.3)) stage.host(0).kill(power)
      for (const ordinal of [1, 2, 3, 4]) stage.host(ordinal).kill(power)
      await stage.pass(stage.chance.between(3000, 8000))
      t.same(stage.running, [0], 'of the Pods only db-0 is made again')
      if (stage.voters === undefined) {
        lost += 1
        const advice = /scale up to [35] again \(the claims are kept\)/
        await stage.until('what is left says how to come back', () => advice.test(notes(stage, 0)))
        t.equal(stage.host(0).replica?.views.problem(), 'quorum-lost')
        t.match(stage.host(0).replica?.loop?.problem(), { code: 'quorum-lost', message: advice })
      }
      stage.set.scale(5)
      await stage.until('5 vote', () => stage.voters?.length === 5)
      await stage.well()
      await writesGoOn(stage, t)
      await stage.verdict()
    })
  }
  t.comment(`the quorum was lost in ${lost} of 12`)
})

plays('5 to 1 with a short grace, and back', { replicas: 5, grace_ms: 150 }, async (stage, t) => {
  await stage.well()
  stage.set.scale(1)
  await stage.until('only db-0 runs', () => stage.running.length === 1, 2000)
  stage.set.scale(5)
  await stage.until('5 vote', () => stage.voters?.length === 5)
  await stage.well()
  await writesGoOn(stage, t)
  await stage.verdict()
})

plays('5 to 3 with the API server gone', { replicas: 5, grace_ms: 4000 }, async (stage, t) => {
  await stage.well()
  stage.set.reachable = false
  stage.set.scale(3)
  await stage.until('two are gone', () => stage.running.length === 3)
  t.same(stage.voters, [0, 1, 2, 3, 4], 'nobody could know that they left')
  await writesGoOn(stage, t)
  stage.set.reachable = true
  const done = () => `${stage.voters}` === '0,1,2'
  await stage.until('those who are gone for good are removed', done, 15_000)
  stage.set.scale(5)
  await stage.until('they are back', () => stage.voters?.length === 5)
  await stage.well()
  await stage.verdict()
})

plays('a rolling update is no scale-down', { replicas: 3 }, async (stage, t) => {
  await stage.well()
  const before = stage.world.replicas.map((host) => host.member?.id)
  for (const ordinal of [2, 1, 0]) {
    const old = stage.host(ordinal).process
    stage.set.deletePod(stage.host(ordinal))
    await stage.until('it is another process', () => stage.host(ordinal).process !== old)
    await stage.well()
  }
  t.same(
    stage.world.replicas.map((host) => host.member?.id),
    before,
  )
  await stage.verdict()
})

plays(
  'the StatefulSet is deleted, or scaled to 0: all end at once',
  { replicas: 3 },
  async (stage, t) => {
    await stage.well()
    if (stage.chance.happens(0.5)) stage.set.delete()
    else stage.set.scale(0)
    await stage.until('all have ended', () => stage.running.length === 0, 5000)
    stage.set.reachable = true
    t.pass()
  },
)

plays('all Pods deleted at once come back', { replicas: 3 }, async (stage, t) => {
  await stage.well()
  const old = stage.world.replicas.map((host) => host.process)
  for (const ordinal of [0, 1, 2]) stage.set.deletePod(stage.host(ordinal))
  const ended = () => old.every((process) => process?.alive !== true)
  await stage.until('all have ended', ended, 15_000)
  await stage.well()
  await writesGoOn(stage, t)
  await stage.verdict()
})

plays(
  'the marker: total loss is told, and cleared it starts afresh',
  { replicas: 3 },
  async (stage, t) => {
    await stage.well()
    await stage.until('it is marked', () => stage.set.marker !== undefined)
    const { clusterId } = stage.host(0).replica?.loop?.status().membership ?? {}
    t.equal(stage.set.marker?.clusterId, clusterId)
    await stage.verdict()
    stage.loseAll()
    const told = () => [0, 1, 2].every((at) => why(stage, at).startsWith('ALL DATA IS LOST'))
    await stage.until('all say that all is lost', told, 20_000)
    await stage.pass(10_000)
    t.ok(told(), 'and nothing is formed')
    const { views } = stage.host(1).replica ?? {}
    t.match(views?.notInCluster(), { code: 'quorum-lost', message: /ALL DATA IS LOST.*db-marker/ })
    t.match(views?.status(), { problem: 'quorum-lost', clusterId, advice: /kubectl patch/ })
    t.match(notes(stage, 2), /ALL DATA IS LOST/)
    stage.forgetHistory()
    stage.set.marker = undefined
    await stage.until('a new cluster', () => stage.voters?.length === 3, 15_000)
    t.not(stage.host(0).replica?.loop?.status().membership?.clusterId, clusterId)
  },
)

plays(
  'the marker: unreadable, three form, and note it later',
  { replicas: 3 },
  async (stage, t) => {
    stage.set.markerReadable = false
    await stage.well()
    await stage.pass(3000)
    t.match(notes(stage, 0), /marker could not be written yet/)
    stage.set.markerReadable = true
    await stage.until('it is marked', () => stage.set.marker !== undefined)
    await stage.pass(1000)
    t.notMatch(notes(stage, 0), /marker/)
    await stage.verdict()
  },
)

plays('the marker: unreadable, one alone waits', { replicas: 1 }, async (stage, t) => {
  stage.set.markerReadable = false
  await stage.pass(10_000)
  t.match(why(stage, 0), /only if it can read the marker, but it is forbidden/)
  stage.set.markerReadable = true
  await stage.well()
  await stage.until('it is marked', () => stage.set.marker !== undefined)
  stage.loseAll()
  await stage.until('all is lost', () => why(stage, 0).startsWith('ALL DATA IS LOST'))
})

plays(
  'in order: the first forms alone, the others join',
  { replicas: 3, ordered: true },
  async (stage, t) => {
    await stage.until('db-0 leads', () => `${stage.voters}` === '0', 10_000)
    t.notOk(stage.running.includes(2), 'each Pod waits for the one before')
    await stage.until('three vote', () => stage.voters?.length === 3)
    await stage.well()
    stage.set.scale(5)
    await stage.until('five vote', () => stage.voters?.length === 5)
    stage.set.scale(1)
    await stage.until('one is left', () => stage.running.length === 1)
    t.same(stage.voters, [0])
    await writesGoOn(stage, t)
    await stage.verdict()
  },
)

plays(
  'in order: without a marker to read nobody forms',
  { replicas: 3, ordered: true },
  async (stage, t) => {
    stage.set.markerReadable = false
    await stage.until('all are made', () => stage.running.length === 3)
    await stage.pass(10_000)
    t.match(why(stage, 0), /under OrderedReady it forms a cluster only if/)
    t.equal(stage.voters, undefined)
    stage.set.markerReadable = true
    await stage.well()
    await stage.verdict()
  },
)

plays('in order: all Pods deleted come back', { replicas: 3, ordered: true }, async (stage, t) => {
  await stage.well()
  await stage.pass(2000)
  for (const ordinal of [0, 1, 2]) stage.set.deletePod(stage.host(ordinal))
  await stage.until('all have ended', () => stage.running.length === 0, 15_000)
  await stage.until('db-0 is ready alone', () => stage.set.isReady(stage.host(0)))
  t.same(stage.running, [0])
  t.equal(stage.voters, undefined, 'without a quorum')
  await stage.well()
  await writesGoOn(stage, t)
  await stage.verdict()
})

plays(
  'in order: db-0 deleted while db-1 is down',
  { replicas: 3, ordered: true },
  async (stage, t) => {
    await stage.well()
    stage.host(1).hold()
    stage.host(1).kill('kept')
    stage.world.dns.remove(1)
    await stage.pass(1000)
    const old = stage.host(0).process
    stage.set.deletePod(stage.host(0))
    const back = () => stage.host(0).process !== old && stage.set.isReady(stage.host(0))
    await stage.until('db-0 is back', back, 90_000)
    await writesGoOn(stage, t)
    stage.host(1).release()
    await stage.well()
    await stage.verdict()
  },
)

plays(
  'in order: db-0 has lost its disk, and nobody noted that there is a cluster',
  { replicas: 3, ordered: true },
  async (stage, t) => {
    await stage.well()
    await stage.until('it is marked', () => stage.set.marker !== undefined)
    stage.set.marker = undefined
    stage.loseAll([0])
    await stage.until('db-0 votes again', () => `${stage.voters}` === '0,1,2')
    await stage.well()
    t.pass()
    await stage.verdict()
  },
)

plays(
  'in order: db-0 has lost its disk, and the others hold the data',
  { replicas: 3, ordered: true },
  async (stage, t) => {
    await stage.well()
    await stage.until('it is marked', () => stage.set.marker !== undefined)
    stage.loseAll([0])
    await stage.until('db-0 votes again', () => `${stage.voters}` === '0,1,2')
    await stage.well()
    t.pass()
    await stage.verdict()
  },
)
