/**
 * The payloads that the core itself reads: who counts (`membership` entries) and why a leader leads
 * (`noop` entries). Both carry a format version of their own; everything read is length-checked.
 *
 *   membership: version u8 | cluster id | history | voters | learners | removed | opened u8
 *   lead record: version u8 | leader | reason u8
 *   (texts behind a u16 length, lists behind a u16 count)
 */

import { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import type { Entry } from './entry.ts'
import { makeEntry } from './entry.ts'
import type { LeadReason, LeadRecord, MemberId, Membership } from './types.ts'
import { ordinalOf } from './types.ts'

const MEMBERSHIP_VERSION = 1
const LEAD_RECORD_VERSION = 1
const REASONS: readonly LeadReason[] = ['lowest-ordinal', 'stand-in', 'hand-back', 'hand-over']

/** The payload of a `membership` entry. */
export function encodeMembership(membership: Membership): Buffer {
  const writer = new ByteWriter(512).u8(MEMBERSHIP_VERSION)
  writer.text(membership.clusterId).text(membership.history)
  for (const list of [membership.voters, membership.learners, membership.removed]) {
    writer.u16(list.length)
    for (const member of list) writer.text(member)
  }
  return writer.u8(membership.opened ? 1 : 0).finish()
}

/** Reads {@link encodeMembership}'s bytes. Throws `malformed-frame` or `format-too-new`. */
export function decodeMembership(bytes: Uint8Array): Membership {
  const reader = new ByteReader(bytes)
  checkVersion(reader.u8(), MEMBERSHIP_VERSION, 'membership')
  const clusterId = reader.text()
  const history = reader.text()
  const list = (): MemberId[] => Array.from({ length: reader.u16() }, () => reader.text())
  const voters = list()
  const learners = list()
  const removed = list()
  const opened = reader.u8() === 1
  reader.end()
  return { clusterId, history, voters, learners, removed, opened }
}

/** The payload of a `noop` entry. */
export function encodeLeadRecord(record: LeadRecord): Buffer {
  const writer = new ByteWriter(64).u8(LEAD_RECORD_VERSION).text(record.leader)
  return writer.u8(REASONS.indexOf(record.reason)).finish()
}

/** Reads {@link encodeLeadRecord}'s bytes. Throws `malformed-frame` or `format-too-new`. */
export function decodeLeadRecord(bytes: Uint8Array): LeadRecord {
  const reader = new ByteReader(bytes)
  checkVersion(reader.u8(), LEAD_RECORD_VERSION, 'lead record')
  const leader = reader.text()
  const reason = REASONS[reader.u8()]
  reader.end()
  if (reason === undefined) throw new ClusterError('malformed-frame', 'unknown lead reason')
  return { leader, reason }
}

/**
 * The first entry of a cluster's log. The founder writes it to its disk, with a hard state of
 * term 1 and no vote, before it starts its core.
 */
export function genesisEntry(membership: Membership, time_ms: number): Entry {
  return makeEntry(
    { index: 1, term: 1, type: 'membership', time_ms, firstRevision: 1, count: 0 },
    encodeMembership(membership),
    0,
  )
}

/** Voters, then learners; none: no membership is known. */
export function membersOf(membership: Membership | undefined): MemberId[] {
  return membership === undefined ? [] : [...membership.voters, ...membership.learners]
}

/** Members in the order of their ordinals. */
export function byOrdinal(members: readonly MemberId[]): MemberId[] {
  return [...members].sort((a, b) => ordinalOf(a) - ordinalOf(b) || (a < b ? -1 : 1))
}

function checkVersion(version: number, known: number, what: string): void {
  if (version > known) {
    throw new ClusterError('format-too-new', `${what} of format ${version} is from a newer version`)
  }
  if (version === 0) throw new ClusterError('malformed-frame', `${what} without a version`)
}
