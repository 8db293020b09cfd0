/** The liar between an API server and a replica, and between a client and a replica's own face. */

import t from 'tap'
import { Liar } from '../../../src/database/faults/liar.ts'
import { lyingReader, lyingWriter } from '../../../src/database/faults/lying-face.ts'
import { LyingLink } from '../../../src/database/faults/lying-link.ts'
import { encodeSegment } from '../../../src/database/kv/codec.ts'
import { FRAME } from '../../../src/database/kv/frame-types.ts'
import {
  decodeReadReply,
  decodeWriteReply,
  encodeRead,
  encodeWrite,
} from '../../../src/database/kv/frames.ts'
import { encodeRecord } from '../../../src/database/kv/record.ts'
import type { Command } from '../../../src/database/kv/types.ts'
import type { Reader } from '../../../src/shared/http/reader.ts'
import { FAULT_MEMORY_BYTES_MAX } from '../../../src/shared/limits.ts'
import { FakeLink } from '../api/fake-link.ts'
import { stage } from './stage.ts'

const KEY = Buffer.from('a')
const TERMS = {
  consistency: 'linearizable',
  maxStale_ms: 0,
  minRevision: 0,
  timeout_ms: 9,
} as const

/** A replica that leads, with one key. */
function scene() {
  const { clock, board, press } = stage()
  const replica = { leads: true, revision: 7, value: 'one' as string | undefined }
  const draws: number[] = []
  const recordOf = (key: Uint8Array) =>
    replica.value === undefined
      ? undefined
      : encodeRecord(key, {
          createRevision: 3,
          revision: replica.revision,
          version: 1,
          expires_ms: 0,
          contentType: '',
          value: Buffer.from(replica.value),
        })
  const liar = new Liar({
    board,
    random: () => draws.shift() ?? 0,
    subject: () => ({
      leads: () => replica.leads,
      revision: () => replica.revision,
      get: recordOf,
    }),
  })
  return { clock, board, press, replica, draws, liar }
}

function linked() {
  const stage = scene()
  const inner = new FakeLink()
  const said: { type: number; body: Buffer }[] = []
  inner.send = (type, parts) => said.push({ type, body: Buffer.concat(parts) }) > 0
  const link = new LyingLink(inner, stage)
  const passed: number[] = []
  link.onFrame = (type) => passed.push(type)
  const receive = (type: number, parts: readonly Uint8Array[]) =>
    inner.onFrame(type, Buffer.concat(parts))
  const write = (command: Command, session = 5) => {
    const commands = [{ sequence: session === 0 ? 0 : 1, command }]
    receive(FRAME.write, encodeWrite(9, encodeSegment({ session, floor: 0, commands })))
  }
  const read = (consistency: 'linearizable' | 'stale' = 'linearizable') =>
    receive(
      FRAME.read,
      encodeRead({ ...TERMS, consistency, frame: 4, items: [{ key: KEY, metadataOnly: false }] }),
    )
  return { ...stage, inner, said, passed, receive, write, read }
}

const put: Command = {
  type: 'put',
  key: KEY,
  value: Buffer.from('two'),
  contentType: '',
  ttl_ms: 0,
  condition: undefined,
}

t.test('a write frame is acknowledged and never reaches the replica', async (t) => {
  const { press, clock, said, passed, write } = linked()
  write(put)
  t.strictSame([passed.length, said.length], [1, 0], 'honest before')
  press('lie', 'about=writes&for=1s')
  write(put)
  write({ type: 'delete', key: KEY, condition: undefined })
  t.equal(passed.length, 1)
  t.strictSame(
    said.map(({ type, body }) => [type, decodeWriteReply(body)]),
    [
      [
        FRAME.writeReply,
        { frame: 9, results: [{ status: 'updated', revision: 8, repeated: false }], revision: 8 },
      ],
      [
        FRAME.writeReply,
        { frame: 9, results: [{ status: 'deleted', revision: 9, repeated: false }], revision: 9 },
      ],
    ],
  )
  await clock.advance(1000)
  write(put)
  t.strictSame([passed.length, said.length], [2, 2], 'honest after')
})

t.test('what nobody would believe is passed on', async (t) => {
  const { press, replica, said, passed, receive, write, read } = linked()
  press('lie')
  write({ type: 'open-session' }, 0)
  t.equal(passed.length, 1, 'a session is opened truly')
  read('stale')
  t.equal(passed.length, 2, 'a stale read may be old anyhow')
  receive(FRAME.query, [Buffer.alloc(4)])
  t.equal(passed.length, 3)
  receive(FRAME.write, [Buffer.from('no segment')])
  t.equal(passed.length, 4, 'the replica refuses it in its own way')
  replica.leads = false
  write(put)
  t.equal(passed.length, 5, 'a follower takes no writes')
  t.strictSame(said, [])
})

t.test('linearizable reads are answered with the value of the first one', async (t) => {
  const { press, board, replica, said, passed, read } = linked()
  const values = () =>
    said.map(({ type, body }) => {
      t.equal(type, FRAME.readReply)
      const { frame, records, age_ms } = decodeReadReply(body)
      t.strictSame([frame, age_ms], [4, 0])
      const [record] = records as readonly ({ value: Buffer } | undefined)[]
      return record?.value.toString()
    })
  press('lie', 'about=reads')
  read()
  replica.value = 'two'
  read()
  t.strictSame(values(), ['one', 'one'])
  t.equal(passed.length, 0)
  board.end('lie')
  press('lie')
  read()
  t.strictSame(values(), ['one', 'one', 'two'], 'with the fault it forgets')
  board.end('lie')
  replica.value = undefined
  press('lie')
  read()
  replica.value = 'three'
  read()
  t.strictSame(values().slice(3), [undefined, undefined], 'an absent key stays absent')
})

t.test('it lies about so many of a hundred frames', async (t) => {
  const { press, draws, said, passed, write, read } = linked()
  press('lie', 'share=30')
  draws.push(0.29, 0.3, 0.1, 0.99)
  write(put)
  write(put)
  read()
  read()
  t.strictSame([said.length, passed.length], [2, 2])
})

t.test('an answer that the link does not take ends it', async (t) => {
  const { press, inner, write } = linked()
  inner.send = () => false
  press('lie')
  write(put)
  t.ok(inner.closed)
})

t.test('what it remembers is bounded', async (t) => {
  const { press, replica, liar } = scene()
  press('lie')
  replica.value = 'x'.repeat(FAULT_MEMORY_BYTES_MAX / 2)
  t.ok(liar.recall([Buffer.from('first')]))
  t.notOk(liar.recall([Buffer.from('second')]), 'no room: honest')
  t.ok(liar.recall([Buffer.from('first')]), 'what it knows it repeats')
})

t.test("at the replica's own face reads and writes are lied about, too", async (t) => {
  const { press, board, replica, liar } = scene()
  const source = () => ({ revision: replica.revision, history: 'h', servedBy: 'db-0' })
  const asked: string[] = []
  const honest: Reader = {
    read: () => void asked.push('read'),
    list: () => Promise.reject(new Error('not asked for')),
    cluster: () => Promise.reject(new Error('not asked for')),
    whoami: () => ({}),
  }
  const reader = lyingReader(honest, { liar, source })
  const submit = () => void asked.push('write')
  const writer = lyingWriter({ submit }, { liar, source })
  const heard: unknown[] = []
  const both = () => {
    writer.submit({ ...put, condition: undefined }, 9, (error, result, source) =>
      heard.push([error, result?.status, result?.revision, source?.revision]),
    )
    reader.read(KEY, false, TERMS, (error, answer) =>
      heard.push([error, Buffer.from(answer?.record?.value ?? []).toString(), answer?.age_ms]),
    )
  }
  both()
  t.strictSame(asked, ['write', 'read'])
  press('lie')
  both()
  replica.value = 'two'
  reader.read(KEY, true, TERMS, (_error, answer) => heard.push(answer?.record?.size_bytes))
  t.strictSame(heard, [[undefined, 'updated', 8, 8], [undefined, 'one', 0], undefined])
  t.strictSame(asked.length, 2)
  reader.read(KEY, false, { ...TERMS, consistency: 'stale' }, () => undefined)
  t.strictSame(asked.length, 3, 'a stale read is honest')
  board.endAll()
  both()
  t.equal(asked.length, 5)
})
