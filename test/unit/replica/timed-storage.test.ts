import t from 'tap'
import type { Storage } from '../../../src/database/replica/ports.ts'
import { TimedStorage } from '../../../src/database/replica/timed-storage.ts'
import { BATCH_TIMES_MAX } from '../../../src/shared/limits.ts'
import { FakeClock } from '../api/fake-clock.ts'

const BATCH = { writes: [], changes: undefined }

t.test('the times of the latest batches are kept, and no more', async (t) => {
  const clock = new FakeClock()
  let took_ms = 0
  const inner = {
    records: {},
    write: async () => clock.advance(took_ms),
  } as unknown as Storage
  const storage = new TimedStorage(inner, clock)
  t.equal(storage.times, undefined, 'no batch yet')
  for (took_ms of [1, 9, 2]) await storage.write(BATCH)
  t.same(storage.times, { batches: 3, median_ms: 2, worst_ms: 9 })
  took_ms = 4
  for (let batch = 0; batch < BATCH_TIMES_MAX; batch += 1) await storage.write(BATCH)
  t.same(storage.times, { batches: BATCH_TIMES_MAX, median_ms: 4, worst_ms: 4 })
})

t.test('a batch that is refused has no time, and everything else is passed on', async (t) => {
  const called: string[] = []
  const inner = new Proxy({} as Storage, {
    get: (_target, name) => {
      if (name === 'identity' || name === 'records') return name
      return async (...given: unknown[]) => {
        called.push(`${String(name)} ${given.length}`)
        if (name === 'write') throw new Error('refused')
        return name
      }
    },
  })
  const storage = new TimedStorage(inner, new FakeClock())
  await t.rejects(storage.write(BATCH), { message: 'refused' })
  t.equal(storage.times, undefined)
  const nothing = undefined as never
  t.equal(await storage.adopt(nothing), 'adopt')
  t.equal(await storage.load(), 'load')
  t.equal(await storage.readEntries(1, 2), 'readEntries')
  t.equal(await storage.list(nothing), 'list')
  t.equal(await storage.expiring(1, 2), 'expiring')
  t.equal(await storage.openSnapshot(), 'openSnapshot')
  t.equal(await storage.receiveSnapshot(nothing, nothing), 'receiveSnapshot')
  t.equal(await storage.compact(1), 'compact')
  t.equal(await storage.sweep(), 'sweep')
  t.equal(await storage.scrub(), 'scrub')
  t.equal(await storage.space(), 'space')
  t.equal(await storage.condemn('why'), 'condemn')
  t.equal(await storage.forceBootstrap(nothing, 'i'), 'forceBootstrap')
  t.equal(await storage.close(), 'close')
  t.match([storage.identity, storage.records], ['identity', 'records'])
  t.same(called.slice(0, 4), ['write 1', 'adopt 1', 'load 0', 'readEntries 2'])
})
