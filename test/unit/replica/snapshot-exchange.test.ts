/** A snapshot on its way must not hide what is wrong with the own disk. */

import t from 'tap'
import type { CoreStatus, Input, SnapshotMeta } from '../../../src/database/consensus/types.ts'
import type { SnapshotSource, Storage, Transport } from '../../../src/database/replica/ports.ts'
import { SnapshotExchange } from '../../../src/database/replica/snapshot-exchange.ts'
import { ClusterError, type ErrorCode } from '../../../src/shared/errors.ts'

const meta: SnapshotMeta = {
  index: 9,
  term: 2,
  chain: 1,
  time_ms: 1,
  nextRevision: 4,
  membership: {
    clusterId: 'cluster',
    history: 'history',
    voters: ['0/a'],
    learners: [],
    removed: [],
    opened: true,
  },
}

function exchange(parts: { storage: Partial<Storage>; transport?: Partial<Transport> }) {
  const failed: ErrorCode[] = []
  const steps: Input[] = []
  const status = { term: 2, commit: 0 } as CoreStatus
  const made = new SnapshotExchange({
    storage: parts.storage as Storage,
    transport: (parts.transport ?? {}) as Transport,
    self: '0/a',
    step: (input) => steps.push(input),
    status: () => status,
    onFailed: (error) => failed.push(error.code),
  })
  return { made, failed, steps }
}

const chunks: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {
    yield Buffer.from('chunk')
  },
}
const incoming = { from: '1/b', term: 2, meta, chunks }

t.test('a write refused while receiving ends the replica', async (t) => {
  const error = new ClusterError('storage-failed', 'no space')
  const { made, failed, steps } = exchange({
    storage: { receiveSnapshot: () => Promise.reject(error) },
  })
  await t.rejects(made.receive(incoming), { code: 'storage-failed' })
  t.same(failed, ['storage-failed'])
  t.same(steps, [])
})

t.test('a stream that breaks costs nothing but the snapshot', async (t) => {
  const error = new ClusterError('malformed-frame', 'ended early')
  const { made, failed } = exchange({ storage: { receiveSnapshot: () => Promise.reject(error) } })
  await t.rejects(made.receive(incoming), { code: 'malformed-frame' })
  t.same(failed, [])
})

t.test('damage found while sending ends the replica', async (t) => {
  const source: SnapshotSource = {
    meta,
    chunks: async function* () {
      yield Buffer.from('chunk')
      throw new ClusterError('data-damaged', 'a record has a wrong CRC')
    },
    close: async () => undefined,
  }
  const { made, failed, steps } = exchange({
    storage: { openSnapshot: async () => source },
    transport: {
      sendSnapshot: async (_to, options) => {
        for await (const chunk of options.source.chunks()) t.ok(chunk)
      },
    },
  })
  await made.send('1/b')
  t.same(failed, ['data-damaged'])
  t.same(steps, [{ type: 'snapshot-sent', to: '1/b', index: 9, ok: false }])
})

t.test('what the receiver says of its own disk does not', async (t) => {
  const source: SnapshotSource = {
    meta,
    chunks: async function* () {
      yield Buffer.from('chunk')
    },
    close: async () => undefined,
  }
  const refused = new ClusterError('storage-failed', 'the receiver has no space')
  const { made, failed } = exchange({
    storage: { openSnapshot: async () => source },
    transport: { sendSnapshot: () => Promise.reject(refused) },
  })
  await made.send('1/b')
  t.same(failed, [])
})
