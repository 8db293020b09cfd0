/**
 * The values under `m/` and the applied position, in bytes. Each is sealed: a CRC32C over its
 * database key and its content stands before it, so that a value that rotted, or was read from
 * under another key, is `data-damaged` and never believed.
 */

import { crc32c } from '@node-rs/crc32'
import { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import { FORMAT_OLDEST } from '../../shared/formats.ts'
import type { HardState, Membership, Restored } from '../consensus/types.ts'
import type { KvMeta } from '../kv/types.ts'
import type { Identity } from '../replica/ports.ts'
import { STORAGE_FORMAT } from './layout.ts'

const SEAL_BYTES = 4

/** What is kept of the entry before the first one kept. */
export type Base = Restored['base']

/** `content` behind a CRC over the key and it. */
export function seal(key: Uint8Array, content: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(SEAL_BYTES + content.length)
  sealed.set(content, SEAL_BYTES)
  sealed.writeUInt32BE(crc32c(content, crc32c(key)), 0)
  return sealed
}

/** The content of a sealed value, as a slice. Throws `data-damaged`. */
export function unseal(key: Uint8Array, sealed: Buffer): Buffer {
  if (sealed.length < SEAL_BYTES) throw damaged(key, 'is too short')
  const content = sealed.subarray(SEAL_BYTES)
  if (crc32c(content, crc32c(key)) !== sealed.readUInt32BE(0)) throw damaged(key, 'has a wrong CRC')
  return content
}

export function damaged(key: Uint8Array, what: string): ClusterError {
  return new ClusterError('data-damaged', `the value under ${printable(key)} ${what}`)
}

/**
 * What to throw when stored bytes failed their check as too new: the version byte stands outside
 * their CRC. If all else is right in the version we know, that byte rotted; it is no newer format,
 * and the disk must not be left alone as if it were.
 */
export function orRotted(
  error: unknown,
  stored: { bytes: Uint8Array; version: number; check: (bytes: Buffer) => unknown },
): unknown {
  if (!(error instanceof ClusterError) || error.code !== 'format-too-new') return error
  const mended = Buffer.from(stored.bytes)
  mended[0] = stored.version
  try {
    stored.check(mended)
  } catch {
    return error
  }
  return new ClusterError('data-damaged', 'the version of a stored value is wrong', {
    cause: error,
  })
}

function printable(key: Uint8Array): string {
  return JSON.stringify(Buffer.from(key).toString('latin1').slice(0, 80))
}

export function encodeIdentity(identity: Identity): Buffer {
  // What lies beside it may be newer: the folder says so.
  return Buffer.from(JSON.stringify({ format: FORMAT_OLDEST, ...identity }))
}

/** Throws `format-too-new`. */
export function decodeIdentity(content: Buffer): Identity {
  const { format, ordinal, incarnation, clusterId, clusterName } = JSON.parse(
    content.toString('utf8'),
  ) as Identity & { format: number }
  if (format > STORAGE_FORMAT) {
    throw new ClusterError(
      'format-too-new',
      `this disk has storage format ${format}; this version reads up to ${STORAGE_FORMAT}`,
    )
  }
  return { ordinal, incarnation, clusterId, clusterName }
}

export function encodeHardState(hardState: HardState): Buffer {
  return new ByteWriter(64).u64(hardState.term).text(hardState.vote).finish()
}

export function decodeHardState(content: Buffer): HardState {
  const reader = new ByteReader(content)
  const hardState = { term: reader.u64(), vote: reader.text() }
  reader.end()
  return hardState
}

export function encodeBase(base: Base): Buffer {
  const membership = base.membership === undefined ? '' : JSON.stringify(base.membership)
  return new ByteWriter(256)
    .u64(base.index)
    .u64(base.term)
    .u32(base.chain)
    .u64(base.time_ms)
    .u64(base.nextRevision)
    .bytes(Buffer.from(membership))
    .finish()
}

export function decodeBase(content: Buffer): Base {
  const reader = new ByteReader(content)
  const base = {
    index: reader.u64(),
    term: reader.u64(),
    chain: reader.u32(),
    time_ms: reader.u64(),
    nextRevision: reader.u64(),
  }
  const membership = reader.bytes().toString('utf8')
  reader.end()
  return {
    ...base,
    membership: membership === '' ? undefined : (JSON.parse(membership) as Membership),
  }
}

export function encodeMeta(meta: KvMeta): Buffer {
  return new ByteWriter(80)
    .u64(meta.applied)
    .u64(meta.appliedTerm)
    .u64(meta.revision)
    .u64(meta.time_ms)
    .u64(meta.keys)
    .text(meta.hash)
    .finish()
}

export function decodeMeta(content: Buffer): KvMeta {
  const reader = new ByteReader(content)
  const meta = {
    applied: reader.u64(),
    appliedTerm: reader.u64(),
    revision: reader.u64(),
    time_ms: reader.u64(),
    keys: reader.u64(),
    hash: reader.text(),
  }
  reader.end()
  return meta
}

export function encodeGeneration(generation: number): Buffer {
  return new ByteWriter(4).u32(generation).finish()
}

export function decodeGeneration(content: Buffer): number {
  return new ByteReader(content).u32()
}
