/** A log entry in bytes: whichever bit of it rots, it is no entry any more. */

import t from 'tap'
import { decodeEntry, type EntryType, makeEntry } from '../../../src/database/consensus/entry.ts'
import { ClusterError } from '../../../src/shared/errors.ts'

const TYPES: readonly EntryType[] = ['noop', 'membership', 'commands']

function entryOf(type: EntryType) {
  const head = { index: 5, term: 7, type, time_ms: 1000, firstRevision: 9, count: 2 }
  return makeEntry(head, Buffer.from('payload'), 0x01020304)
}

function isRefused(bytes: Buffer): boolean {
  try {
    decodeEntry(bytes)
    return false
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    return error.code === 'data-damaged' || error.code === 'format-too-new'
  }
}

for (const type of TYPES) {
  t.test(`${type}: each changed byte is found`, async (t) => {
    const { bytes } = entryOf(type)
    t.match(decodeEntry(bytes), { type, index: 5, count: 2 })
    const unseen: string[] = []
    for (let at = 0; at < bytes.length; at += 1) {
      for (let other = 1; other < 256; other += 1) {
        const rotten = Buffer.from(bytes)
        rotten.writeUInt8(rotten.readUInt8(at) ^ other, at)
        if (!isRefused(rotten)) unseen.push(`byte ${at} ^ ${other}`)
      }
    }
    t.same(unseen, [])
  })

  t.test(`${type}: of the first ones, with zeros behind the type, is read`, async (t) => {
    const old = Buffer.from(entryOf(type).bytes)
    old.writeUInt16BE(0, 2)
    t.equal(decodeEntry(old).type, type)
  })
}
