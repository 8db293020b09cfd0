import t from 'tap'
import { Proposer } from '../../../src/database/replica/proposer.ts'
import { PIPELINE_COMMANDS_MIN } from '../../../src/shared/limits.ts'

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
const origin = { answer: () => undefined, refuse: () => undefined }

t.test('few commands wait for the entry before, many do not', async (t) => {
  const proposed: number[] = []
  const proposer = new Proposer({
    // As the loop has it, while an entry is not committed.
    ready: (waiting) => waiting >= PIPELINE_COMMANDS_MIN,
    propose: (batch, done) => {
      proposed.push(batch.count)
      done(undefined)
    },
  })
  proposer.add(new Uint8Array(8), PIPELINE_COMMANDS_MIN - 2, origin)
  await settle()
  proposer.add(new Uint8Array(8), 1, origin)
  await settle()
  t.same(proposed, [])
  proposer.add(new Uint8Array(8), 1, origin)
  await settle()
  t.same(proposed, [PIPELINE_COMMANDS_MIN], 'all of them as one entry')
  proposer.add(new Uint8Array(8), 1, origin)
  await settle()
  t.equal(proposed.length, 1, 'and those after it wait again')
})
