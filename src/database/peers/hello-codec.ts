/**
 * The hello of a replica, the refusal of one, and the head of a snapshot stream as bytes.
 *
 * A hello is what replicas of different versions tell their versions by, so it grows only at its
 * end: a reader ignores what follows the fields it knows. The version byte changes only when that
 * is impossible.
 */

import { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import type { MemberId, Membership, SnapshotMeta } from '../consensus/types.ts'
import type { Hello, Stopping } from '../replica/ports.ts'

const HELLO_VERSION = 1
const SNAPSHOT_VERSION = 1

/** By their byte. */
const STOPPING: readonly (Stopping | undefined)[] = [undefined, 'asks', 'goes', 'leaves']

/** Why a peer ends a link after a hello. */
export type Refused = 'wrong-cluster' | 'removed-replica'

const REFUSALS: readonly Refused[] = ['wrong-cluster', 'removed-replica']

/** What precedes the chunks of a snapshot. */
export type SnapshotHead = {
  readonly from: MemberId
  readonly to: MemberId
  readonly term: number
  readonly meta: SnapshotMeta
}

export function encodeHello(hello: Hello): Buffer {
  return new ByteWriter()
    .u8(HELLO_VERSION)
    .text(hello.clusterName)
    .text(hello.clusterId)
    .u32(hello.ordinal)
    .text(hello.incarnation)
    .text(hello.address)
    .u32(hello.format)
    .u32(hello.expected)
    .u64(hello.fingerprint.index)
    .text(hello.fingerprint.hash)
    .u8(hello.wasMember ? 1 : 0)
    .u8(hello.stopping === undefined ? 0 : STOPPING.indexOf(hello.stopping))
    .finish()
}

/** Throws `malformed-frame` or `format-too-new`. */
export function decodeHello(source: Uint8Array): Hello {
  const reader = new ByteReader(source)
  checkVersion(reader.u8(), HELLO_VERSION, 'hello')
  const hello = {
    clusterName: reader.text(),
    clusterId: reader.text(),
    ordinal: reader.u32(),
    incarnation: reader.text(),
    address: reader.text(),
    format: reader.u32(),
    expected: reader.u32(),
    fingerprint: { index: reader.u64(), hash: reader.text() },
    // A hello from before this field says by its cluster id that its disk belongs to one.
    wasMember: reader.remaining > 0 && reader.u8() === 1,
  }
  const stopping = reader.remaining > 0 ? STOPPING[reader.u8()] : undefined
  return stopping === undefined ? hello : { ...hello, stopping }
}

export function encodeRefused(code: Refused): Buffer {
  return Buffer.from(code)
}

/** Throws `malformed-frame`. */
export function decodeRefused(source: Buffer): Refused {
  const text = source.toString('latin1')
  const code = REFUSALS.find((known) => known === text)
  if (code === undefined) throw new ClusterError('malformed-frame', 'refusal of unknown code')
  return code
}

export function encodeSnapshotHead(head: SnapshotHead): Buffer {
  const { meta } = head
  const writer = new ByteWriter().u8(SNAPSHOT_VERSION)
  writer.text(head.from).text(head.to).u64(head.term)
  writer.u64(meta.index).u64(meta.term).u32(meta.chain).u64(meta.time_ms).u64(meta.nextRevision)
  const { membership } = meta
  writer
    .text(membership.clusterId)
    .text(membership.history)
    .u8(membership.opened ? 1 : 0)
  for (const members of [membership.voters, membership.learners, membership.removed]) {
    writer.u16(members.length)
    for (const member of members) writer.text(member)
  }
  return writer.finish()
}

/** Throws `malformed-frame` or `format-too-new`. */
export function decodeSnapshotHead(source: Uint8Array): SnapshotHead {
  const reader = new ByteReader(source)
  checkVersion(reader.u8(), SNAPSHOT_VERSION, 'snapshot')
  const from = reader.text()
  const to = reader.text()
  const term = reader.u64()
  const position = {
    index: reader.u64(),
    term: reader.u64(),
    chain: reader.u32(),
    time_ms: reader.u64(),
    nextRevision: reader.u64(),
  }
  const membership = decodeMembership(reader)
  reader.end()
  return { from, to, term, meta: { ...position, membership } }
}

function decodeMembership(reader: ByteReader): Membership {
  const clusterId = reader.text()
  const history = reader.text()
  const opened = reader.u8() === 1
  const voters = decodeMembers(reader)
  const learners = decodeMembers(reader)
  const removed = decodeMembers(reader)
  return { clusterId, history, opened, voters, learners, removed }
}

function decodeMembers(reader: ByteReader): MemberId[] {
  const count = reader.u16()
  const members: MemberId[] = []
  for (let i = 0; i < count; i += 1) members.push(reader.text())
  return members
}

function checkVersion(version: number, known: number, what: string): void {
  if (version === known) return
  throw new ClusterError('format-too-new', `a peer's ${what} has format ${version}`)
}
