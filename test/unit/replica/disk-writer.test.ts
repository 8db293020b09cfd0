import t from 'tap'
import type { Write } from '../../../src/database/consensus/types.ts'
import { DiskWriter } from '../../../src/database/replica/disk-writer.ts'
import { Proposer } from '../../../src/database/replica/proposer.ts'

type Held = { resolve: () => void }

/** A writer on a disk that syncs when told to, and a proposer as the loop has one beside it. */
function build(options: { changes: () => boolean }) {
  const held: Held[] = []
  const proposed: number[] = []
  const storage = {
    write: () => new Promise<void>((resolve) => held.push({ resolve })),
  } as unknown as ConstructorParameters<typeof DiskWriter>[0]
  const writer = new DiskWriter(storage, {
    takeChanges: () => (options.changes() ? ({} as never) : undefined),
    beforeContent: async () => undefined,
    onSynced: () => undefined,
    onFree: () => proposer.schedule(),
    onFailed: (error) => {
      throw error
    },
  })
  const proposer: Proposer = new Proposer({
    ready: () => !writer.busy,
    propose: (batch, done) => {
      proposed.push(batch.count)
      writer.add({ id: proposed.length, entries: [] } as unknown as Write)
      done(undefined)
    },
  })
  return { writer, proposer, held, proposed }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
const origin = { answer: () => undefined, refuse: () => undefined }

t.test('what arrives while only applied changes are flushed goes when they are', async (t) => {
  const { writer, proposer, held, proposed } = build({ changes: () => true })
  writer.flush()
  await settle()
  t.equal(held.length, 1, 'the flush is under way')
  proposer.add(new Uint8Array(8), 3, origin)
  await settle()
  t.same(proposed, [], 'the disk is not free')
  held[0]?.resolve()
  await settle()
  t.same(proposed, [3], 'without any further event')
})

t.test('what arrives while a batch is written goes as one when it is', async (t) => {
  const { proposer, held, proposed } = build({ changes: () => false })
  proposer.add(new Uint8Array(8), 1, origin)
  await settle()
  t.same(proposed, [1])
  proposer.add(new Uint8Array(8), 2, origin)
  proposer.add(new Uint8Array(8), 4, origin)
  await settle()
  t.same(proposed, [1])
  held[0]?.resolve()
  await settle()
  t.same(proposed, [1, 6])
})
