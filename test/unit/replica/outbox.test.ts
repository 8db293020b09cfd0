/** Nothing leaves before what it promises is on the disk. */

import t from 'tap'
import type { Message } from '../../../src/database/consensus/types.ts'
import { Outbox } from '../../../src/database/replica/outbox.ts'

/** An outbox, and the names of the messages that have left it. */
function stage() {
  const left: string[] = []
  const outbox = new Outbox({ send: ({ to }) => void left.push(to) })
  const send = (name: string, after: number) => {
    outbox.send({ after, message: { to: name } as Message })
  }
  return { outbox, left, send }
}

t.test('a message that needs no write leaves at once, others when theirs is synced', async (t) => {
  const { outbox, left, send } = stage()
  send('second', 2)
  send('none', 0)
  send('first', 1)
  send('also-first', 1)
  t.strictSame(left, ['none'])
  t.equal(outbox.persisted(1), true)
  t.strictSame(left, ['none', 'first', 'also-first'], 'in the order in which they were sent')
  t.equal(outbox.persisted(1), false, 'known already')
  t.equal(outbox.persisted(0), false, 'a batch without a write of consensus')
  t.equal(outbox.persisted(2), true)
  send('late', 1)
  t.strictSame(left, ['none', 'first', 'also-first', 'second', 'late'])
})

t.test('what was dropped never leaves', async (t) => {
  const { outbox, left, send } = stage()
  send('held', 1)
  outbox.drop()
  outbox.persisted(1)
  t.strictSame(left, [])
})
