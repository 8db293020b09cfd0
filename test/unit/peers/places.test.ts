/** Places as text and as bytes: what is no address is left out, what is too much refused. */

import t from 'tap'
import { decodePlaces, encodePlaces, placeAt } from '../../../src/database/peers/places.ts'
import { ByteWriter } from '../../../src/shared/bytes.ts'
import { PEERS_MAX } from '../../../src/shared/limits.ts'

t.test('an address and a port is a place, anything else is not', async (t) => {
  t.same(placeAt(1, '10.0.0.1:7070'), { ordinal: 1, host: '10.0.0.1', port: 7070 })
  t.same(placeAt(2, '[fd00::2]:7070'), { ordinal: 2, host: 'fd00::2', port: 7070 })
  for (const text of ['', 'db-0:7070', '10.0.0.1', '10.0.0.1:0', '10.0.0.1:65536', ':7070']) {
    t.equal(placeAt(1, text), undefined, text)
  }
})

t.test('of what is told, only places are kept', async (t) => {
  const told = new ByteWriter().u16(2).u32(1).text('somewhere:7070').u32(2).text('10.0.0.2:7070')
  t.same(decodePlaces(told.finish()), [{ ordinal: 2, host: '10.0.0.2', port: 7070 }])
})

t.test(`${PEERS_MAX} places at once, and not one more`, async (t) => {
  const places = Array.from({ length: PEERS_MAX + 1 }, (_, ordinal) => ({
    ordinal,
    host: '10.0.0.1',
    port: 7070,
  }))
  t.equal(decodePlaces(encodePlaces(places.slice(1))).length, PEERS_MAX)
  t.throws(() => decodePlaces(encodePlaces(places)), { code: 'malformed-frame' })
})
