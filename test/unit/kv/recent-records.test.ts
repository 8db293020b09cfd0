import t from 'tap'
import { RecentRecords } from '../../../src/database/kv/recent-records.ts'

t.test('what was set is found, what was deleted is not', async (t) => {
  const records = new RecentRecords()
  records.set('a', Buffer.from('1'))
  t.same(records.get('a'), Buffer.from('1'))
  records.delete('a')
  t.equal(records.get('a'), undefined)
})

t.test('the bound holds, and what is asked for stays', async (t) => {
  const records = new RecentRecords(100 * 1024)
  records.set('asked', Buffer.alloc(100))
  for (let index = 0; index < 10_000; index += 1) {
    records.set(`key-${index}`, Buffer.alloc(100))
    if (records.get('asked') === undefined) t.fail(`lost at ${index}`)
    if (records.size > (100 * 1024) / 250 + 1) t.fail(`${records.size} records are too many`)
  }
  t.equal(records.get('key-0'), undefined, 'what nobody asked for is gone')
})

t.test('a record is never found in its old form behind its new one', async (t) => {
  const records = new RecentRecords(2000)
  for (let round = 0; round < 100; round += 1) {
    records.set('key', Buffer.from(`${round}`))
    for (let index = 0; index < round % 7; index += 1)
      records.set(`other-${index}`, Buffer.alloc(50))
    const found = records.get('key')
    if (found !== undefined) t.equal(found.toString(), `${round}`)
  }
})

t.test('a record too large for a generation is not kept, nor its predecessor', async (t) => {
  const records = new RecentRecords(1000)
  records.set('key', Buffer.from('small'))
  records.set('key', Buffer.alloc(600))
  t.equal(records.get('key'), undefined)
})
