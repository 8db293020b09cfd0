/**
 * What API servers and replicas say to each other, byte for byte (test/golden/api-frames.json): one
 * tier is updated while the other one runs, so whoever changes it finds out here.
 */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { encodeSegment } from '../../../src/database/kv/codec.ts'
import type { ReadRequest, StatusFrame, WriteReply } from '../../../src/database/kv/frame-types.ts'
import * as frames from '../../../src/database/kv/frames.ts'
import { encodeRecord } from '../../../src/database/kv/record.ts'
import { bytes, put, segment } from './support.ts'

const FILE = new URL('../../golden/api-frames.json', import.meta.url)
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>

const results: WriteReply = {
  frame: 3,
  revision: 40,
  results: [
    { status: 'created', revision: 39, repeated: false },
    { status: 'condition-failed', revision: 12, repeated: true },
  ],
}
const refused: WriteReply = {
  frame: 4,
  revision: 41,
  results: { code: 'not-leader', message: 'no', outcome: 'not-applied', leader: 2 },
}
const read: ReadRequest = {
  frame: 5,
  consistency: 'stale',
  maxStale_ms: 1000,
  minRevision: 7,
  timeout_ms: 2000,
  items: [
    { key: bytes('k'), metadataOnly: false },
    { key: bytes('ä'), metadataOnly: true },
  ],
}
const record = {
  createRevision: 1,
  revision: 2,
  version: 3,
  expires_ms: 4,
  contentType: 'a/b',
  value: bytes('value'),
}
const stored = encodeRecord(bytes('k'), record)
const status: StatusFrame = {
  ordinal: 1,
  role: 'follower',
  term: 7,
  leader: 0,
  writable: false,
  revision: 41,
  history: 'history',
  clusterId: 'cluster',
  age_ms: 12,
  missing: ['db-2'],
  problem: undefined,
  advice: 'scale up',
  peers: [{ ordinal: 0, host: '10.0.0.1', port: 7000 }],
}

const hex = (parts: readonly Uint8Array[]) => Buffer.concat(parts).toString('hex')
const wire = (name: string) => Buffer.from(golden[name] ?? '', 'hex')

t.test('writes and their replies stay as they are', async (t) => {
  const commands = encodeSegment(segment({ session: 9, floor: 2, first: 3 }, put('k', 'v')))
  t.equal(hex(frames.encodeWrite(3, commands)), golden['write'])
  t.strictSame(frames.decodeWrite(wire('write')), { frame: 3, segment: commands })
  t.equal(hex(frames.encodeWriteReply(results)), golden['write-reply'])
  t.strictSame(frames.decodeWriteReply(wire('write-reply')), results)
  t.equal(hex(frames.encodeWriteReply(refused)), golden['write-refused'])
  t.strictSame(frames.decodeWriteReply(wire('write-refused')), refused)
})

t.test('reads and their replies stay as they are', async (t) => {
  t.equal(hex(frames.encodeRead(read)), golden['read'])
  t.same(frames.decodeRead(wire('read')), read)
  const reply = {
    frame: 5,
    revision: 41,
    age_ms: 12,
    records: [
      { record: stored, metadataOnly: false },
      { record: undefined, metadataOnly: false },
      { record: stored, metadataOnly: true },
    ],
  }
  t.equal(hex(frames.encodeReadReply(reply)), golden['read-reply'])
  const records = [
    { ...record, size_bytes: 5 },
    undefined,
    { ...record, value: Buffer.alloc(0), size_bytes: 5 },
  ]
  t.same(frames.decodeReadReply(wire('read-reply')), {
    frame: 5,
    revision: 41,
    age_ms: 12,
    records,
  })
})

t.test('a status and a query stay as they are', async (t) => {
  t.equal(hex(frames.encodeStatus(status)), golden['status'])
  t.same(frames.decodeStatus(wire('status')), status)
  t.equal(hex(frames.encodeQuery(6, { type: 'cluster' })), golden['query'])
  t.strictSame(frames.decodeQuery(wire('query')), { frame: 6, query: { type: 'cluster' } })
})
