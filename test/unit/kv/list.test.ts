import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { diskLimit, mergeList } from '../../../src/database/kv/list.ts'
import { bytes, flush, MapDisk, put, run, seedProperties } from './support.ts'

seedProperties((text) => t.comment(text))

// Few letters, one of them beyond ASCII: collisions and shared prefixes are common.
const key = fc
  .array(fc.constantFrom('a', 'b', '/', 'ä', '𐍈'), { minLength: 1, maxLength: 4 })
  .map((letters) => letters.join(''))

t.test('a page is what a sorted list of all keys would give, wherever they are', async () => {
  const change = fc.tuple(key, fc.boolean())
  const changes = fc.array(change, { maxLength: 25 })
  const prefix = fc.oneof(fc.constant(''), key)
  const after = fc.option(key, { nil: undefined })
  fc.assert(
    fc.property(
      fc.tuple(changes, changes, changes),
      prefix,
      after,
      fc.integer({ min: 1, max: 12 }),
      ([onDisk, inFlight, current], start, above, limit) => {
        const disk = new MapDisk()
        const state = disk.open()
        const model = new Map<string, Buffer>()
        const apply = (list: readonly (readonly [string, boolean])[]) => {
          for (const [name, stored] of list) {
            run(
              state,
              stored ? put(name, '') : { type: 'delete', key: bytes(name), condition: undefined },
            )
            if (stored) model.set(name, bytes(name))
            else model.delete(name)
          }
        }
        apply(onDisk)
        flush(state, disk)
        apply(inFlight)
        state.takeChanges()
        apply(current)
        const range = {
          prefix: bytes(start),
          after: above === undefined ? undefined : bytes(above),
          limit,
        }
        const within = (name: Buffer) =>
          name.subarray(0, range.prefix.length).equals(range.prefix) &&
          (range.after === undefined || Buffer.compare(name, range.after) > 0)
        const overlay = state.overlay()
        const rows = disk
          .rows()
          .filter((row) => within(row.key))
          .slice(0, diskLimit(overlay, range))
        const merged = mergeList(rows, overlay, range)
        const expected = [...model.values()].filter(within).sort(Buffer.compare).slice(0, limit)
        deepStrictEqual(
          merged.map((row) => row.key.toString()),
          expected.map((name) => name.toString()),
        )
        for (const row of merged) deepStrictEqual(row.record, state.get(row.key))
      },
    ),
    { numRuns: 500 },
  )
})

t.test('only deletions within the range make the page on disk longer', async (t) => {
  const overlay: [string, Uint8Array | undefined][] = [
    ['a/1', undefined],
    ['a/2', Buffer.alloc(1)],
    ['a/3', undefined],
    ['b/1', undefined],
  ]
  t.equal(diskLimit(overlay, { prefix: bytes('a/'), after: bytes('a/1'), limit: 10 }), 11)
  t.equal(diskLimit(overlay, { prefix: bytes(''), after: undefined, limit: 10 }), 13)
})
