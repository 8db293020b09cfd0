/**
 * What replicas of different versions say to each other while an update is rolled out, byte for
 * byte (test/golden/peer-frames.json): whoever changes it finds out here.
 */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { makeEntry } from '../../../src/database/consensus/entry.ts'
import type { Message, MessageBody } from '../../../src/database/consensus/types.ts'
import { decodeMessage, encodeMessage } from '../../../src/database/peers/codec.ts'
import {
  decodeHello,
  decodeSnapshotHead,
  encodeHello,
  encodeRefused,
  encodeSnapshotHead,
} from '../../../src/database/peers/hello-codec.ts'
import { decodePlaces, encodePlaces } from '../../../src/database/peers/places.ts'
import type { Hello } from '../../../src/database/replica/ports.ts'

const FILE = new URL('../../golden/peer-frames.json', import.meta.url)
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>

const token = { term: 7, start: 'start', round: 3 }
const entry = makeEntry(
  { index: 5, term: 7, type: 'commands', time_ms: 1000, firstRevision: 9, count: 2 },
  Buffer.from('payload'),
  0x01020304,
)
const health = { electable: true, draining: false, diskFull: true }

const MESSAGES: Readonly<Record<string, MessageBody>> = {
  'pre-vote': { type: 'pre-vote', lastIndex: 4, lastTerm: 6, round: 2 },
  'pre-vote-reply': { type: 'pre-vote-reply', granted: false, leaseRunning: true, round: 2 },
  vote: { type: 'vote', lastIndex: 4, lastTerm: 6, transfer: true },
  'vote-reply': { type: 'vote-reply', granted: true },
  append: {
    type: 'append',
    previousIndex: 4,
    previousTerm: 6,
    acked: 3,
    entries: [{ ...entry, bytes: Buffer.from(entry.bytes) }],
    commit: 4,
    sent_ms: 1.5,
    echo_ms: -1,
    echoLife: 11,
    token,
  },
  heartbeat: {
    type: 'append',
    previousIndex: 5,
    previousTerm: 7,
    acked: 5,
    entries: [],
    commit: 5,
    sent_ms: 2.5,
    echo_ms: 1.25,
    echoLife: 12,
    token: undefined,
  },
  'append-reply': {
    type: 'append-reply',
    match: 4,
    rejected: true,
    hintIndex: 3,
    hintTerm: 6,
    sent_ms: 1.5,
    replied_ms: 8.5,
    life: 13,
    token,
    health,
  },
  'read-index': { type: 'read-index', request: 21, start: 'start' },
  'read-index-reply': {
    type: 'read-index-reply',
    request: 21,
    start: 'start',
    index: 5,
    refused: false,
  },
  'timeout-now': { type: 'timeout-now', reason: 'hand-over' },
}

const HELLO: Hello = {
  clusterName: 'db',
  clusterId: 'cluster',
  ordinal: 1,
  incarnation: 'b',
  address: '10.0.0.1:7000',
  format: 1,
  expected: 3,
  fingerprint: { index: 256, hash: '0123456789abcdef' },
  wasMember: true,
  stopping: 'leaves',
}

const HEAD = {
  from: '0/a',
  to: '1/b',
  term: 7,
  meta: {
    index: 5,
    term: 7,
    chain: 0x01020304,
    time_ms: 1000,
    nextRevision: 11,
    membership: {
      clusterId: 'cluster',
      history: 'history',
      opened: true,
      voters: ['0/a', '1/b'],
      learners: ['2/c'],
      removed: ['2/d'],
    },
  },
}

for (const [name, body] of Object.entries(MESSAGES)) {
  t.test(`a message as it is: ${name}`, async (t) => {
    const message: Message = { from: '0/a', to: '1/b', term: 7, ...body }
    t.equal(Buffer.concat(encodeMessage(message)).toString('hex'), golden[name])
    t.strictSame(decodeMessage(Buffer.from(golden[name] ?? '', 'hex')), message)
  })
}

const PLACES = [
  { ordinal: 0, host: '10.0.0.1', port: 7070 },
  { ordinal: 2, host: 'fd00::2', port: 7071 },
]

t.test('places as they are', async (t) => {
  t.equal(encodePlaces(PLACES).toString('hex'), golden['places'])
  t.strictSame(decodePlaces(Buffer.from(golden['places'] ?? '', 'hex')), PLACES)
})

t.test('a hello, a refusal and the head of a snapshot as they are', async (t) => {
  t.equal(encodeHello(HELLO).toString('hex'), golden['hello'])
  t.strictSame(decodeHello(Buffer.from(golden['hello'] ?? '', 'hex')), HELLO)
  t.equal(encodeRefused('removed-replica').toString('hex'), golden['refused'])
  t.equal(encodeSnapshotHead(HEAD).toString('hex'), golden['snapshot-head'])
  t.strictSame(decodeSnapshotHead(Buffer.from(golden['snapshot-head'] ?? '', 'hex')), HEAD)
})
