/** The storage suite's part about reading: entries, records, pages. */

import type { Test } from 'tap'
import { recordHeader } from '../../src/database/kv/record.ts'
import { filled, type Suite } from './storage-suite.ts'

export async function readTests(t: Test, suite: Suite): Promise<void> {
  const names = (found: { key: Uint8Array }[]) => found.map(({ key }) => String(key))

  await t.test('entries are read from anywhere, bounded by bytes, at least one', async (t) => {
    const world = await suite.create(t)
    const { storage, log } = await filled(world)
    const indexes = async (from: number, bytes_max: number) =>
      (await storage.readEntries(from, bytes_max)).map(({ index }) => index)
    t.strictSame(await indexes(9, 1e6), [9, 10, 11])
    t.strictSame(await indexes(9, 1), [9])
    const size = log.at(3).bytes.length
    t.strictSame(await indexes(3, 2 * size), [3, 4])
    t.strictSame(await indexes(12, 1e6), [])
    t.strictSame(await indexes(0, 1e6), [])
    t.strictSame(Buffer.from((await storage.readEntries(5, 1))[0]?.bytes ?? ''), log.at(5).bytes)
  })

  await t.test('a record is read by its key, and only by it', async (t) => {
    const world = await suite.create(t)
    const { storage, state } = await filled(world)
    t.strictSame(storage.records.get(Buffer.from('a/1')), state.records.get('a/1'))
    t.equal(storage.records.get(Buffer.from('a/')), undefined)
    t.equal(storage.records.get(Buffer.alloc(0)), undefined)
  })

  await t.test('keys are listed by prefix, in byte order, page by page', async (t) => {
    const world = await suite.create(t)
    const { storage } = await filled(world)
    const list = async (prefix: string, after: string | undefined, limit: number) =>
      names(
        await storage.list({
          prefix: Buffer.from(prefix),
          after: after === undefined ? undefined : Buffer.from(after),
          limit,
        }),
      )
    t.strictSame(await list('', undefined, 100), ['a', 'a/1', 'a/2', 'b', 'c', 'temporary'])
    t.strictSame(await list('a', undefined, 2), ['a', 'a/1'])
    t.strictSame(await list('a', 'a/1', 2), ['a/2'])
    t.strictSame(await list('a/', 'a', 5), ['a/1', 'a/2'])
    t.strictSame(await list('a/', 'b', 5), [])
    t.strictSame(await list('zz', undefined, 5), [])
  })

  await t.test('a list can do without the values', async (t) => {
    const world = await suite.create(t)
    const { storage, state } = await filled(world)
    const options = { prefix: Buffer.from('a'), after: undefined, limit: 9, headersOnly: true }
    const rows = await storage.list(options)
    t.equal(rows.length, 3)
    for (const { key, record, size_bytes } of rows) {
      const value = `value of ${String(key)}`
      t.equal(size_bytes, value.length)
      t.equal(record.length, (state.records.get(String(key))?.length ?? 0) - value.length)
      t.equal(recordHeader(record).contentType, 'text/plain')
    }
  })

  await t.test('keys at the edges of byte order are listed', async (t) => {
    const world = await suite.create(t)
    const { storage, log, state } = await filled(world)
    const edges = ['\u0000', '\u{10ffff}', '\u{10ffff}\u{10ffff}', 'm', 't/x']
    for (const key of edges) state.put(key, '')
    await storage.write({ writes: [], changes: state.take(log.at(7)) })
    const last = await storage.list({
      prefix: Buffer.from('\u{10ffff}'),
      after: undefined,
      limit: 9,
    })
    t.strictSame(names(last), ['\u{10ffff}', '\u{10ffff}\u{10ffff}'])
    const all = await storage.list({ prefix: Buffer.alloc(0), after: undefined, limit: 99 })
    t.equal(all.length, 11)
    t.strictSame(
      all.map(({ key }) => Buffer.from(key)),
      all.map(({ key }) => Buffer.from(key)).sort(Buffer.compare),
    )
  })

  await t.test('expiring keys come earliest first, up to the given time', async (t) => {
    const world = await suite.create(t)
    const { storage, log, state } = await filled(world)
    state.put('late', '', { expires_ms: 9000 })
    state.put('early', '', { expires_ms: 300 })
    await storage.write({ writes: [], changes: state.take(log.at(7)) })
    const found = async (time_ms: number, limit: number) =>
      names(await storage.expiring(time_ms, limit))
    t.strictSame(await found(9000, 10), ['early', 'temporary', 'late'])
    t.strictSame(await found(8999, 10), ['early', 'temporary'])
    t.strictSame(await found(9000, 1), ['early'])
    t.strictSame(await found(299, 10), [])
  })
}
