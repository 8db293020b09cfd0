import t from 'tap'
import type { CommandResult } from '../../../src/database/kv/types.ts'
import { type Origin, Proposals } from '../../../src/database/replica/proposals.ts'
import { ENTRY_BYTES_MAX, PROPOSAL_QUEUE_BYTES_MAX } from '../../../src/shared/limits.ts'

function recorder(): Origin & { said: string[] } {
  const said: string[] = []
  return {
    said,
    answer: (results) => said.push(`answered ${results.length}`),
    refuse: (proposed) => said.push(proposed ? 'unknown' : 'not applied'),
  }
}

const result: CommandResult = { status: 'created', revision: 1, repeated: false }

t.test('waiting frames are merged in order, up to the size of an entry', async (t) => {
  const proposals = new Proposals()
  const origin = recorder()
  const third = Math.ceil(ENTRY_BYTES_MAX / 3)
  for (let index = 0; index < 5; index += 1) proposals.add(Buffer.alloc(third), 2, origin)
  t.equal(proposals.next()?.count, 4, 'two frames of two commands')
  t.equal(proposals.next()?.count, 4)
  t.equal(proposals.next()?.count, 2)
  t.equal(proposals.next(), undefined)
  t.equal(proposals.waitingBytes, 0)
})

t.test('one frame larger than an entry stands alone', async (t) => {
  const proposals = new Proposals()
  proposals.add(Buffer.alloc(ENTRY_BYTES_MAX + 10), 1, recorder())
  proposals.add(Buffer.alloc(10), 1, recorder())
  t.equal(proposals.next()?.segments.length, 1)
  t.equal(proposals.next()?.segments.length, 1)
})

t.test('beyond PROPOSAL_QUEUE_BYTES_MAX a frame is refused, and no other harmed', async (t) => {
  const proposals = new Proposals()
  const waiting = recorder()
  proposals.add(Buffer.alloc(PROPOSAL_QUEUE_BYTES_MAX), 1, waiting)
  t.throws(() => proposals.add(Buffer.alloc(1), 1, recorder()), {
    code: 'overloaded',
    outcome: 'not-applied',
  })
  t.same(waiting.said, [])
})

t.test('results go to the frames of the entry, each its own', async (t) => {
  const proposals = new Proposals()
  const [first, second] = [recorder(), recorder()]
  proposals.add(Buffer.alloc(1), 1, first)
  proposals.add(Buffer.alloc(1), 2, second)
  const batch = proposals.next()
  if (batch === undefined) throw new Error('nothing to propose')
  proposals.proposed(batch, 7, 3)
  proposals.applied(7, 3, [[result], [result, result]])
  t.same(first.said, ['answered 1'])
  t.same(second.said, ['answered 2'])
})

t.test('another entry in the place of ours: its fate is unknown to us', async (t) => {
  const proposals = new Proposals()
  const origin = recorder()
  proposals.add(Buffer.alloc(1), 1, origin)
  const batch = proposals.next()
  if (batch === undefined) throw new Error('nothing to propose')
  proposals.proposed(batch, 7, 3)
  proposals.applied(7, 4, [[result]])
  t.same(origin.said, ['unknown'])
})

t.test('a lost lead: what waits was not applied, what is in the log is unknown', async (t) => {
  const proposals = new Proposals()
  const [logged, waiting] = [recorder(), recorder()]
  proposals.add(Buffer.alloc(1), 1, logged)
  const batch = proposals.next()
  if (batch === undefined) throw new Error('nothing to propose')
  proposals.proposed(batch, 7, 3)
  proposals.add(Buffer.alloc(1), 1, waiting)
  proposals.refuseAll()
  t.same(logged.said, ['unknown'])
  t.same(waiting.said, ['not applied'])
  proposals.applied(7, 3, [[result]])
  t.same(logged.said, ['unknown'], 'answered once')
})
