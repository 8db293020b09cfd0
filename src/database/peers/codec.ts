/**
 * Messages of the consensus core as bytes: `u8 version | u8 type | from | to | u64 term | fields`.
 *
 * Encoding gives parts, not one buffer: entries travel as the bytes they already are, with their
 * lengths in the header before them, so that an append copies nothing (DESIGN §12). Decoding checks
 * each length, and the CRCs of each entry; whatever arrives, it throws nothing but a
 * `ClusterError`.
 */

import { assert, assertNever } from '../../shared/assert.ts'
import { ByteReader, ByteWriter, INTEGER_MAX } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import { decodeEntry, type Entry } from '../consensus/entry.ts'
import type { Health, Message, MessageBody, ReadToken } from '../consensus/types.ts'

export const MESSAGE_VERSION = 1

/** The order is the format: add at the end. */
const TYPES = [
  'pre-vote',
  'pre-vote-reply',
  'vote',
  'vote-reply',
  'append',
  'append-reply',
  'read-index',
  'read-index-reply',
  'timeout-now',
] as const satisfies readonly MessageBody['type'][]

const REASONS = ['hand-back', 'hand-over'] as const

type BodyOf<Type extends MessageBody['type']> = Extract<MessageBody, { type: Type }>

/** The message as parts of one frame body. The entries' bytes are among them as they are. */
export function encodeMessage(message: Message): Uint8Array[] {
  const writer = new ByteWriter(192)
  writer.u8(MESSAGE_VERSION).u8(TYPES.indexOf(message.type))
  writer.text(message.from).text(message.to)
  whole(writer, message.term)
  encodeBody(writer, message)
  if (message.type !== 'append' || message.entries.length === 0) return [writer.finish()]
  return [writer.finish(), ...message.entries.map((entry) => entry.bytes)]
}

/** Throws `malformed-frame`, `data-damaged` or `format-too-new`. Entries are slices of `source`. */
export function decodeMessage(source: Uint8Array): Message {
  const reader = new ByteReader(source)
  const version = reader.u8()
  if (version !== MESSAGE_VERSION) {
    throw new ClusterError('format-too-new', `a peer's message has format ${version}`)
  }
  const type = TYPES[reader.u8()]
  if (type === undefined) throw new ClusterError('malformed-frame', 'message of unknown type')
  const from = reader.text()
  const to = reader.text()
  const term = reader.u64()
  const body = decodeBody(reader, type)
  reader.end()
  return { from, to, term, ...body }
}

/** A whole number that is not one is a programmer error, found here and not at the receiver. */
function whole(writer: ByteWriter, value: number): void {
  assert(Number.isInteger(value) && value >= 0 && value <= INTEGER_MAX, `${value} is no index`)
  writer.u64(value)
}

function encodeBody(writer: ByteWriter, body: MessageBody): void {
  switch (body.type) {
    case 'pre-vote':
      whole(writer, body.lastIndex)
      whole(writer, body.lastTerm)
      whole(writer, body.round)
      return
    case 'pre-vote-reply':
      writer.u8((body.granted ? 1 : 0) | (body.leaseRunning ? 2 : 0))
      whole(writer, body.round)
      return
    case 'vote':
      whole(writer, body.lastIndex)
      whole(writer, body.lastTerm)
      writer.u8(body.transfer ? 1 : 0)
      return
    case 'vote-reply':
      writer.u8(body.granted ? 1 : 0)
      return
    case 'append':
      encodeAppend(writer, body)
      return
    case 'append-reply':
      encodeAppendReply(writer, body)
      return
    case 'read-index':
      whole(writer, body.request)
      writer.text(body.start)
      return
    case 'read-index-reply':
      whole(writer, body.request)
      writer.text(body.start)
      whole(writer, body.index)
      writer.u8(body.refused ? 1 : 0)
      return
    case 'timeout-now':
      writer.u8(REASONS.indexOf(body.reason))
      return
    default:
      assertNever(body)
  }
}

function encodeAppend(writer: ByteWriter, body: BodyOf<'append'>): void {
  whole(writer, body.previousIndex)
  whole(writer, body.previousTerm)
  whole(writer, body.acked)
  whole(writer, body.commit)
  writer.f64(body.sent_ms).f64(body.echo_ms).u32(body.echoLife)
  encodeToken(writer, body.token)
  writer.u32(body.entries.length)
  for (const entry of body.entries) writer.u32(entry.bytes.length)
}

function encodeAppendReply(writer: ByteWriter, body: BodyOf<'append-reply'>): void {
  whole(writer, body.match)
  writer.u8(body.rejected ? 1 : 0)
  whole(writer, body.hintIndex)
  whole(writer, body.hintTerm)
  writer.f64(body.sent_ms).f64(body.replied_ms).u32(body.life)
  encodeToken(writer, body.token)
  const { electable, draining, diskFull } = body.health
  writer.u8((electable ? 1 : 0) | (draining ? 2 : 0) | (diskFull ? 4 : 0))
}

function encodeToken(writer: ByteWriter, token: ReadToken | undefined): void {
  writer.u8(token === undefined ? 0 : 1)
  if (token === undefined) return
  whole(writer, token.term)
  writer.text(token.start)
  whole(writer, token.round)
}

function decodeBody(reader: ByteReader, type: MessageBody['type']): MessageBody {
  switch (type) {
    case 'pre-vote':
      return { type, lastIndex: reader.u64(), lastTerm: reader.u64(), round: reader.u64() }
    case 'pre-vote-reply': {
      const bits = flags(reader, 3)
      const round = reader.u64()
      return { type, granted: (bits & 1) !== 0, leaseRunning: (bits & 2) !== 0, round }
    }
    case 'vote':
      return {
        type,
        lastIndex: reader.u64(),
        lastTerm: reader.u64(),
        transfer: flags(reader, 1) === 1,
      }
    case 'vote-reply':
      return { type, granted: flags(reader, 1) === 1 }
    case 'append':
      return decodeAppend(reader)
    case 'append-reply':
      return decodeAppendReply(reader)
    case 'read-index':
      return { type, request: reader.u64(), start: reader.text() }
    case 'read-index-reply':
      return {
        type,
        request: reader.u64(),
        start: reader.text(),
        index: reader.u64(),
        refused: flags(reader, 1) === 1,
      }
    case 'timeout-now': {
      const reason = REASONS[reader.u8()]
      if (reason === undefined) throw new ClusterError('malformed-frame', 'unknown reason')
      return { type, reason }
    }
    default:
      return assertNever(type)
  }
}

function decodeAppend(reader: ByteReader): BodyOf<'append'> {
  const previousIndex = reader.u64()
  const previousTerm = reader.u64()
  const acked = reader.u64()
  const commit = reader.u64()
  const sent_ms = reader.f64()
  const echo_ms = reader.f64()
  const echoLife = reader.u32()
  const token = decodeToken(reader)
  const entries = decodeEntries(reader)
  const echo = { sent_ms, echo_ms, echoLife }
  const head = { previousIndex, previousTerm, acked, commit, ...echo, token }
  return { type: 'append', ...head, entries }
}

function decodeEntries(reader: ByteReader): Entry[] {
  const count = reader.u32()
  if (count * 4 > reader.remaining) {
    throw new ClusterError('malformed-frame', `${count} entries do not fit in the frame`)
  }
  const sizes: number[] = []
  for (let i = 0; i < count; i += 1) sizes.push(reader.u32())
  return sizes.map((size) => decodeEntry(reader.raw(size)))
}

function decodeAppendReply(reader: ByteReader): BodyOf<'append-reply'> {
  const match = reader.u64()
  const rejected = flags(reader, 1) === 1
  const hintIndex = reader.u64()
  const hintTerm = reader.u64()
  const sent_ms = reader.f64()
  const replied_ms = reader.f64()
  const life = reader.u32()
  const token = decodeToken(reader)
  const bits = flags(reader, 7)
  const health: Health = {
    electable: (bits & 1) !== 0,
    draining: (bits & 2) !== 0,
    diskFull: (bits & 4) !== 0,
  }
  const type = 'append-reply'
  const times = { sent_ms, replied_ms, life }
  return { type, match, rejected, hintIndex, hintTerm, ...times, token, health }
}

function decodeToken(reader: ByteReader): ReadToken | undefined {
  if (flags(reader, 1) === 0) return undefined
  return { term: reader.u64(), start: reader.text(), round: reader.u64() }
}

/** A byte of flags in which no unknown one is set. */
function flags(reader: ByteReader, known: number): number {
  const bits = reader.u8()
  if ((bits & ~known) !== 0) throw new ClusterError('malformed-frame', 'unknown flag')
  return bits
}
