import t from 'tap'
import { Fingerprints } from '../../../src/database/replica/fingerprints.ts'

const voters = ['0/a', '1/b', '2/c']
const at = (hash: string, index = 256) => ({ index, hash })

t.test('equal hashes are no news', async (t) => {
  const prints = new Fingerprints('0/a')
  for (const voter of voters) t.equal(prints.note(voter, at('same'), voters).type, 'equal')
})

t.test(
  'a replica that a majority contradicts is outvoted, once the majority has spoken',
  async (t) => {
    const prints = new Fingerprints('0/a')
    t.equal(prints.note('0/a', at('mine'), voters).type, 'equal')
    t.equal(prints.note('1/b', at('theirs'), voters).type, 'equal', 'one against one: wait')
    t.match(prints.note('2/c', at('theirs'), voters), { type: 'outvoted', why: /mine.*theirs/ })
  },
)

t.test('a replica of the majority goes on', async (t) => {
  const prints = new Fingerprints('1/b')
  prints.note('1/b', at('theirs'), voters)
  prints.note('0/a', at('mine'), voters)
  t.equal(prints.note('2/c', at('theirs'), voters).type, 'equal')
})

t.test('without a majority for any value all stop', async (t) => {
  const prints = new Fingerprints('0/a')
  prints.note('0/a', at('x'), voters)
  prints.note('1/b', at('y'), voters)
  t.equal(prints.note('2/c', at('z'), voters).type, 'split')
})

t.test('hashes of different indexes are never compared', async (t) => {
  const prints = new Fingerprints('0/a')
  prints.note('0/a', at('x', 256), voters)
  prints.note('1/b', at('y', 512), voters)
  t.equal(prints.note('2/c', at('y', 512), voters).type, 'equal', 'silent here: not contradicted')
})

t.test('learners and strangers have no say', async (t) => {
  const prints = new Fingerprints('0/a')
  prints.note('0/a', at('x'), voters)
  prints.note('7/s', at('y'), voters)
  t.equal(prints.note('8/s', at('y'), voters).type, 'equal')
})
