/**
 * What a step of the plan does to a cluster of real processes. Each deed resolves when it is over:
 * the fault has ended, the process was started again.
 */

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { databaseFolder } from '../../src/database/storage/folder.ts'
import { assertNever } from '../../src/shared/assert.ts'
import { flip, flipsIn, sectionsOf } from '../acceptance/file-sections.ts'
import type { TestCluster } from '../cluster/harness.ts'
import { randomFrom } from '../contracts/random.ts'
import type { Action } from './plan.ts'

const STARTED_MS_MAX = 30_000
const PRESS_MS_MAX = 3000
const DOWN_MS = 300

/** Whom an action is done to, by what is so now. Without a leader any replica stands in for it. */
export async function victimsOf(cluster: TestCluster, action: Action): Promise<string[]> {
  const { who, draw } = action
  const names = namesOf(cluster, who.tier)
  if (who.pick === 'all') return names
  const any = names[Math.floor(draw * names.length)] as string
  if (who.tier === 'api' || who.pick === 'any') return [any]
  const leader = await cluster.leader().catch(() => any)
  const others = names.filter((name) => name !== leader)
  if (who.pick === 'leader') return [leader]
  if (who.pick === 'follower') return [others[Math.floor(draw * others.length)] as string]
  // A majority with or without the leader.
  const count = Math.floor(names.length / 2) + 1
  return draw < 0.5 ? others.slice(0, count) : [leader, ...others.slice(0, count - 1)]
}

export function namesOf(cluster: TestCluster, tier: 'replica' | 'api'): string[] {
  const { processes } = cluster.local.view()
  return processes.filter(({ kind }) => kind === tier).map(({ name }) => name)
}

/** Does it; resolves to what a person wants to know besides, or undefined. */
export async function doTo(
  cluster: TestCluster,
  names: readonly string[],
  action: Action,
): Promise<string | undefined> {
  if (action.type === 'restart' && action.rolling) {
    for (const name of [...names].reverse()) await restart(cluster, name)
    return undefined
  }
  const notes = await Promise.all(names.map((name) => doToOne(cluster, name, action)))
  return notes.filter((note) => note !== undefined).join('; ') || undefined
}

async function doToOne(
  cluster: TestCluster,
  name: string,
  action: Action,
): Promise<string | undefined> {
  switch (action.type) {
    case 'kill': {
      const { pid } = cluster.process(name)
      cluster.kill(name)
      await startedAgain(cluster, name, pid)
      return undefined
    }
    case 'down':
      await cluster.crash(name)
      await delay(action.for_ms)
      cluster.start(name)
      return undefined
    case 'freeze':
      cluster.kill(name, 'SIGSTOP')
      await delay(action.for_ms)
      cluster.kill(name, 'SIGCONT')
      return undefined
    case 'restart':
      await restart(cluster, name)
      return undefined
    case 'fault':
      return await press(cluster, name, action)
    case 'wipe':
      return await wipe(cluster, name, action.way)
    case 'flip':
      return await flipOne(cluster, name, action.place)
    default:
      return assertNever(action)
  }
}

/** Supervision, or whoever else had stopped it, has started it again. */
async function startedAgain(cluster: TestCluster, name: string, before: number | null) {
  await cluster.waitFor(
    `${name} is started again`,
    () => ![null, before].includes(cluster.process(name).pid),
    STARTED_MS_MAX,
  )
}

async function restart(cluster: TestCluster, name: string): Promise<void> {
  await cluster.down(name)
  cluster.start(name)
  await cluster.waitFor(`${name} is ready`, () => cluster.process(name).ready, STARTED_MS_MAX)
}

/** A replica that is down or paused by another action does not answer: nothing is done then. */
async function press(
  cluster: TestCluster,
  name: string,
  action: Action & { type: 'fault' },
): Promise<string | undefined> {
  const { pid } = cluster.process(name)
  const url = `${cluster.replicaUrls(name).client}/faults/${action.fault}?${action.query}`
  const signal = AbortSignal.timeout(PRESS_MS_MAX)
  const answer = await fetch(url, { method: 'POST', signal }).catch(() => undefined)
  if (answer === undefined) return `${name} did not answer`
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${text}`)
  await delay(action.for_ms)
  if (cluster.process(name).pid === null) await startedAgain(cluster, name, pid)
  return undefined
}

async function wipe(cluster: TestCluster, name: string, way: 'fault' | 'folder') {
  if (way === 'fault') {
    const { pid } = cluster.process(name)
    const url = `${cluster.replicaUrls(name).client}/faults/lost-disk`
    const signal = AbortSignal.timeout(PRESS_MS_MAX)
    const answer = await fetch(url, { method: 'POST', signal }).catch(() => undefined)
    if (answer === undefined) return `${name} did not answer`
    await startedAgain(cluster, name, pid)
    return undefined
  }
  await cluster.crash(name)
  cluster.deleteData(name)
  await delay(DOWN_MS)
  cluster.start(name)
  return undefined
}

/** One byte anywhere in LevelDB's files. */
async function flipOne(cluster: TestCluster, name: string, place: number): Promise<string> {
  await cluster.crash(name)
  try {
    const random = randomFrom(Math.floor(place * 0x1_0000_0000))
    const folder = databaseFolder(join(cluster.dataFolder, name))
    const sections = await sectionsOf(folder, '')
    const section = sections[Math.floor(random() * sections.length)]
    if (section === undefined) return `${name} has no data yet`
    const where = flipsIn(section, 3, random)[2]
    if (where === undefined) return `${name} has no data yet`
    flip(folder, where)
    return `${where.file} (${section.part}) at ${where.at} by 0x${where.mask.toString(16)}`
  } finally {
    cluster.start(name)
  }
}
