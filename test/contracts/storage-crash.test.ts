/**
 * Power losses and full disks under the real storage code: nothing acknowledged is lost, nothing
 * half done is found, and nothing is written after the first error.
 */

import t from 'tap'
import type { Write } from '../../src/database/consensus/types.ts'
import type { KvChanges } from '../../src/database/kv/types.ts'
import type { Storage } from '../../src/database/replica/ports.ts'
import { ChunkWriter } from '../../src/database/storage/snapshot-format.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import { contentsOf, MadeLog, MadeState, membershipOf, metaOf, writeOf } from './made-log.ts'
import { randomFrom, seedOfRun } from './random.ts'
import { filled, openOn } from './storage-suite.ts'

const seed = seedOfRun()
t.comment(`ORDINAL_SEED=${seed}`)
const ROUNDS = 40
const STEPS = 25

type Step = (storage: Storage) => Promise<unknown>

/** Draws what a replica might do next, and keeps the log and state it is done to. */
class Script {
  readonly #random: () => number
  #log = new MadeLog()
  #state = new MadeState()
  #applied = 0
  #term = 1
  #base = 0

  constructor(random: () => number) {
    this.#random = random
    this.#log.membership(1, membershipOf('0/a', '1/b', '2/c'))
  }

  #chance(below: number): number {
    return Math.floor(this.#random() * below)
  }

  first(): Step {
    const entries = [...this.#log.entries]
    return this.#writing({ entries, hardState: { term: 1, vote: '' } }, undefined)
  }

  next(): Step {
    const kind = this.#chance(10)
    if (kind === 0) return this.#compact()
    if (kind === 1) return (storage) => storage.sweep()
    if (kind === 2) return this.#install()
    return this.#write()
  }

  #writing(parts: Partial<Write>, changes: KvChanges | undefined): Step {
    return (storage) => storage.write({ writes: [writeOf(parts)], changes })
  }

  #write(): Step {
    let truncateFrom: number | undefined
    const last = this.#log.last?.index ?? 0
    const settled = Math.max(1, this.#applied)
    if (this.#chance(5) === 0 && last > settled) {
      truncateFrom = settled + 1 + this.#chance(last - settled)
      this.#log.cut(truncateFrom)
      this.#term += 1
    }
    const entries = this.#log.commands(this.#term, this.#chance(6), `payload ${this.#random()}`)
    if (this.#chance(8) === 0) {
      entries.push(this.#log.membership(this.#term, membershipOf(`0/${this.#chance(99)}`)))
    }
    const hardState = { term: this.#term, vote: `${this.#chance(3)}/v` }
    const changes = this.#chance(2) === 0 ? this.#apply() : undefined
    return this.#writing({ truncateFrom, entries, hardState }, changes)
  }

  #apply(): KvChanges {
    const last = this.#log.last?.index ?? 0
    this.#applied = Math.max(1, this.#applied + this.#chance(last - this.#applied + 1))
    for (let count = this.#chance(6); count > 0; count -= 1) {
      const key = `key/${this.#chance(30)}`
      this.#state.delete(key)
      if (this.#chance(3) > 0) {
        this.#state.put(key, `${this.#random()}`, { expires_ms: this.#chance(2) * 4000 })
      }
    }
    this.#state.session(this.#chance(4), this.#chance(2) === 0 ? undefined : `${this.#random()}`)
    return this.#state.take(this.#log.at(this.#applied))
  }

  #compact(): Step {
    const index = this.#base + this.#chance(this.#applied - this.#base + 1)
    this.#base = index
    return (storage) => storage.compact(index)
  }

  /** A snapshot from a leader that is ahead: everything of this replica's own is replaced. */
  #install(): Step {
    const membership = membershipOf(`0/${this.#chance(99)}`)
    const keepLog = this.#chance(2) === 0 && (this.#log.last?.index ?? 0) > this.#applied
    if (!keepLog) this.#log.commands(this.#term, 3)
    const above = (this.#log.last?.index ?? 0) - this.#applied
    const entry = this.#log.at(this.#applied + 1 + this.#chance(above))
    if (!keepLog) this.#log.cut(entry.index + 1)
    this.#applied = entry.index
    this.#base = entry.index
    this.#state.put(`installed/${entry.index}`, 'x')
    const meta = metaOf(entry, membership)
    const hardState = { term: this.#term, vote: '' }
    const state = this.#state
    const changes = state.take(entry)
    const whole = { ...changes, records: new Map(state.records), expiries: [], sessions: new Map() }
    return async (storage) => {
      await storage.receiveSnapshot(meta, snapshotOf(whole))
      await storage.write({
        writes: [writeOf({ install: { meta, keepLog }, hardState })],
        changes: undefined,
      })
    }
  }
}

/** The stream of a snapshot with these contents, a chunk for each row. */
async function* snapshotOf(changes: KvChanges) {
  let number = 0
  for (const [text, value] of changes.records) {
    if (value === undefined) continue
    const chunk = new ChunkWriter(number, 256)
    chunk.add({ type: 'record', key: Buffer.from(text, 'latin1'), value })
    yield chunk.finish()
    number += 1
  }
  const last = new ChunkWriter(number, 256)
  last.end({ rows: number, meta: changes.meta })
  yield last.finish()
}

async function opened(disk: SimulatedDisk): Promise<Storage> {
  const storage = await openOn({ db: disk, restart: async () => undefined })
  await storage.load()
  return storage
}

t.test(
  'power losses: what was acknowledged is there, what was under way wholly or not',
  async (t) => {
    let undone = 0
    let done = 0
    for (let round = 0; round < ROUNDS; round += 1) {
      const random = randomFrom(seed + round)
      let turns = 0
      const delay = async () => {
        for (turns = Math.floor(random() * 4); turns > 0; turns -= 1) await Promise.resolve()
      }
      let disk = new SimulatedDisk({ random, delay })
      const twin = new SimulatedDisk({ random: () => 0 })
      await Promise.all([disk.open(), twin.open()])
      let storage = await opened(disk)
      const mirror = await opened(twin)
      const script = new Script(random)
      for (let number = 0; number < STEPS; number += 1) {
        const step = number === 0 ? script.first() : script.next()
        const before = await contentsOf(mirror)
        await step(mirror)
        const after = await contentsOf(mirror)
        const name = `seed ${seed}, round ${round}, step ${number}`
        if (random() < 0.7) {
          await step(storage)
          if (random() < 0.5) {
            disk = await disk.crash()
            storage = await opened(disk)
          }
          if (!t.strictSame(await contentsOf(storage), after, name)) return
          continue
        }
        // The power goes while the step is under way, at any of its moments.
        void step(storage)
        for (let wait = Math.floor(random() * 40); wait > 0; wait -= 1) await Promise.resolve()
        disk = await disk.crash()
        storage = await opened(disk)
        const found = JSON.stringify(await contentsOf(storage))
        if (found === JSON.stringify(before)) undone += 1
        else if (found === JSON.stringify(after)) done += 1
        else return t.strictSame(await contentsOf(storage), after, `half done: ${name}`)
        if (found !== JSON.stringify(after)) await step(storage)
        if (!t.strictSame(await contentsOf(storage), after, name)) return
      }
    }
    t.comment(`under way at a power loss: ${undone} undone, ${done} done`)
    t.ok(undone > 10)
    t.ok(done > 10)
  },
)

t.test('every batch is synced, whatever it is for', async (t) => {
  const disk = new SimulatedDisk({ random: randomFrom(seed) })
  await disk.open()
  const world = { db: disk, restart: async () => undefined }
  const { storage, log, state } = await filled(world)
  await storage.adopt('cluster-1')
  const source = await storage.openSnapshot()
  const chunks = await Array.fromAsync(source.chunks())
  await source.close()
  await storage.compact(5)

  const other = new SimulatedDisk({ random: randomFrom(seed) })
  await other.open()
  const receiver = await opened(other)
  await receiver.receiveSnapshot(
    source.meta,
    (async function* () {
      yield* chunks
    })(),
  )
  const install = { meta: source.meta, keepLog: false }
  const hardState = { term: 2, vote: '' }
  await receiver.write({ writes: [writeOf({ install, hardState })], changes: undefined })
  while (!(await receiver.sweep()));
  await receiver.forceBootstrap(membershipOf('0/x'), 'x')
  await storage.write({ writes: [], changes: state.take(log.at(9)) })
  for (const { counters } of [disk, other]) {
    t.ok(counters.batches > 3)
    t.equal(counters.synced, counters.batches)
  }
})

t.test('a full disk: the first error is final, and nothing acknowledged is lost', async (t) => {
  const disk = new SimulatedDisk({ random: randomFrom(seed) })
  await disk.open()
  const { storage, log } = await filled({ db: disk, restart: async () => undefined })
  const before = await contentsOf(storage)
  const write = { writes: [writeOf({ entries: log.commands(2, 1) })], changes: undefined }
  disk.fill()
  const failed = { code: 'storage-failed', outcome: 'unknown', cause: { code: 'LEVEL_IO_ERROR' } }
  await t.rejects(storage.write(write), failed)
  disk.fill(false)
  const { batches } = disk.counters
  await t.rejects(storage.write(write), failed, 'there is room again, and still')
  await t.rejects(storage.adopt('cluster-1'), failed)
  await t.rejects(storage.compact(5), failed)
  t.equal(disk.counters.batches, batches, 'the disk was not asked again')
  t.strictSame(await contentsOf(await opened(await disk.crash())), before)
})

t.test('the scrub looks at one moment, whatever batch is under way', async (t) => {
  let written: () => void = () => undefined
  let passes = 0
  const halted = new Promise<void>((resolve) => {
    written = resolve
  })
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let holds = false
  // The rows of a batch stand there, and nobody was told yet.
  const delay = async () => {
    if (!holds) return
    passes += 1
    if (passes !== 2) return
    written()
    await held
  }
  const disk = new SimulatedDisk({ random: randomFrom(seed), delay })
  await disk.open()
  const { storage, log, state } = await filled({ db: disk, restart: async () => undefined })
  const ahead = log.commands(3, 9)
  const entry = log.at(15)
  state.put('installed', 'x')
  const { meta } = state.take(entry)
  const records = new Map(state.records)
  const changes = { meta, records, expiries: [], sessions: new Map() }
  const snapshot = metaOf(entry, membershipOf('0/a'))
  await storage.receiveSnapshot(snapshot, snapshotOf(changes))
  holds = true
  const install = { meta: snapshot, keepLog: false }
  const entries = ahead.filter(({ index }) => index > 15)
  const write = storage.write({ writes: [writeOf({ install, entries })], changes: undefined })
  await halted
  const scrubbed = storage.scrub()
  release()
  await write
  await t.resolves(scrubbed)
  await t.resolves(storage.scrub())
})
