/** Bytes that are on disks and in logs already: whoever changes a format finds out here. */

import t from 'tap'
import { decodeSegment, encodePayload, encodeSegment } from '../../../src/database/kv/codec.ts'
import { ContentHash } from '../../../src/database/kv/content-hash.ts'
import { encodeRecord } from '../../../src/database/kv/record.ts'
import { encodeSession } from '../../../src/database/kv/session-codec.ts'
import type { Segment } from '../../../src/database/kv/types.ts'
import { bytes, del, put } from './support.ts'

const data: Segment = {
  session: 258,
  floor: 3,
  commands: [
    { sequence: 4, command: put('ä', 'v', { ttl_ms: 7, condition: { noneMatch: 'any' } }) },
    { sequence: 5, command: del('k', { match: [1, 2] }), idempotencyKey: bytes('id') },
    {
      sequence: 6,
      command: {
        type: 'transaction',
        compare: [{ key: bytes('k'), condition: { match: 'any', noneMatch: [3] } }],
        success: [put('a', '')],
        failure: [del('b')],
      },
    },
  ],
}
const system: Segment = {
  session: 0,
  floor: 0,
  commands: [
    { sequence: 0, command: { type: 'expire', key: bytes('k'), revision: 9 } },
    { sequence: 0, command: { type: 'open-session' } },
    { sequence: 0, command: { type: 'close-session', session: 1 } },
    { sequence: 0, command: { type: 'expire-session', session: 2, lastUse_ms: 3 } },
  ],
}
const record = {
  createRevision: 1,
  revision: 2,
  version: 3,
  expires_ms: 4,
  contentType: 'a/b',
  value: bytes('v'),
}

const DATA = [
  '010000000000000102000000000000000300000003000000000000000401000002c3a40a74657874',
  '2f706c61696e000000000000000700000001760800000000000000050202696400016b0100020000',
  '000000000001000000000000000200000000000000060300000100016b0600010000000000000003',
  '0001010001610a746578742f706c61696e0000000000000000000000000000010200016200',
].join('')
const SYSTEM = [
  '0100000000000000000000000000000000000000040000000000000000040000016b000000000000',
  '00090000000000000000050000000000000000000600000000000000000100000000000000000700',
  '00000000000000020000000000000003',
].join('')
const RECORD = [
  '018c38c303000000000000000100000000000000020000000000000003000000000000000403612f',
  '6276',
].join('')
const SESSION = [
  '01e8638c3e0000000000000005000000000000000800000000000003e800000002010100a7020305',
  '01a502',
].join('')
const HASH = 'd8431728b5f96a35'

t.test('formats of version 1 stay as they are', async (t) => {
  t.equal(encodeSegment(data).toString('hex'), DATA)
  t.equal(encodeSegment(system).toString('hex'), SYSTEM)
  t.strictSame(decodeSegment(Buffer.from(DATA, 'hex')), data)
  t.strictSame(decodeSegment(Buffer.from(SYSTEM, 'hex')), system)
  t.equal(encodePayload([bytes('ab'), bytes('c')]).toString('hex'), '0100020000000261620000000163')
  t.equal(encodeRecord(bytes('k'), record).toString('hex'), RECORD)
  const results = new Map([
    [9, { status: 'created' as const, revision: 300 }],
    [12, { status: 'condition-failed' as const, revision: 7 }],
  ])
  const session = encodeSession({ id: 5, floor: 8, lastUse_ms: 1000, results })
  t.equal(session.toString('hex'), SESSION)
  const hash = new ContentHash()
  hash.add(bytes('k'), encodeRecord(bytes('k'), record))
  t.equal(hash.value, HASH)
})
