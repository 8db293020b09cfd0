/**
 * What the next batch needs to know of the disk, as one immutable picture: it is replaced when a
 * batch is synced. And what a `Write` of the consensus core does to disk and picture alike.
 */

import { assert } from '../../shared/assert.ts'
import { ClusterError } from '../../shared/errors.ts'
import { payloadOf } from '../consensus/entry.ts'
import { decodeMembership } from '../consensus/membership.ts'
import type { Membership, SnapshotMeta, Write } from '../consensus/types.ts'
import type { KvChanges, KvMeta } from '../kv/types.ts'
import type { Batch } from './commit-gate.ts'
import { BASE_KEY, type Database, GenerationLayout, LIVE_KEY, logKey } from './layout.ts'
import { storedExpiry } from './record-reader.ts'
import {
  type Base,
  decodeBase,
  decodeGeneration,
  decodeMeta,
  encodeBase,
  encodeGeneration,
  encodeMeta,
  seal,
  unseal,
} from './stored-values.ts'

export type MembershipAt = { readonly index: number; readonly membership: Membership }

export type DiskState = {
  readonly base: Base
  readonly lastIndex: number
  /** Memberships in the log above the base, in order. */
  readonly memberships: readonly MembershipAt[]
  readonly live: GenerationLayout
  readonly meta: KvMeta
}

/** A value under `m/` or a generation's meta, unsealed; undefined: not there. */
export function readSealed(db: Database, key: Buffer, options = {}): Buffer | undefined {
  const sealed = db.getSync(key, options)
  return sealed === undefined ? undefined : unseal(key, sealed)
}

/** The same where its absence is damage. */
export function demandSealed(db: Database, key: Buffer, options = {}): Buffer {
  const content = readSealed(db, key, options)
  if (content !== undefined) return content
  throw new ClusterError('data-damaged', `there is no value under ${JSON.stringify(String(key))}`)
}

/** Base, live generation and applied position; the options may name a LevelDB snapshot. */
export function readPosition(
  db: Database,
  options = {},
): { base: Base; live: GenerationLayout; meta: KvMeta } {
  const live = new GenerationLayout(decodeGeneration(demandSealed(db, LIVE_KEY, options)))
  return {
    base: decodeBase(demandSealed(db, BASE_KEY, options)),
    live,
    meta: decodeMeta(demandSealed(db, live.metaKey, options)),
  }
}

/** The membership in force at this index, as far as base and log say. */
export function membershipAt(
  state: Pick<DiskState, 'base' | 'memberships'>,
  index: number,
): Membership | undefined {
  return state.memberships.findLast((at) => at.index <= index)?.membership ?? state.base.membership
}

/** The first parts of a write: snapshot, truncation, entries, in this order. */
export function putWrite(
  batch: Batch,
  state: DiskState,
  options: { write: Write; received: { generation: GenerationLayout; meta: KvMeta } | undefined },
): DiskState {
  const { write, received } = options
  let next = state
  if (write.install !== undefined) {
    const { meta } = write.install
    assert(received?.meta.applied === meta.index, `no snapshot at ${meta.index} was received`)
    next = putInstall(batch, next, { ...write.install, received })
  }
  if (write.truncateFrom !== undefined) next = putTruncate(batch, next, write.truncateFrom)
  return write.entries.length === 0 ? next : putEntries(batch, next, write)
}

function putInstall(
  batch: Batch,
  state: DiskState,
  install: {
    meta: SnapshotMeta
    keepLog: boolean
    received: { generation: GenerationLayout; meta: KvMeta }
  },
): DiskState {
  const { meta, keepLog, received } = install
  assert(meta.index > state.meta.applied, `snapshot at ${meta.index} is behind the applied state`)
  // Entries at or below the new base are no longer part of the log; sweeping removes them in time.
  const kept = keepLog
    ? state
    : putTruncate(batch, state, Math.max(meta.index, state.base.index) + 1)
  assert(!keepLog || kept.lastIndex >= meta.index, 'the log to keep ends before the snapshot')
  const { index, term, chain, time_ms, nextRevision, membership } = meta
  const base: Base = { index, term, chain, time_ms, nextRevision, membership }
  batch.put(BASE_KEY, seal(BASE_KEY, encodeBase(base)))
  batch.put(LIVE_KEY, seal(LIVE_KEY, encodeGeneration(received.generation.number)))
  return {
    base,
    lastIndex: keepLog ? kept.lastIndex : meta.index,
    memberships: kept.memberships.filter((at) => at.index > meta.index),
    live: received.generation,
    meta: received.meta,
  }
}

function putTruncate(batch: Batch, state: DiskState, from: number): DiskState {
  assert(from > state.base.index, `truncation at ${from} reaches below the log`)
  if (from > state.lastIndex) return state
  for (let index = from; index <= state.lastIndex; index += 1) batch.del(logKey(index))
  return {
    ...state,
    lastIndex: from - 1,
    memberships: state.memberships.filter((at) => at.index < from),
  }
}

function putEntries(batch: Batch, state: DiskState, write: Write): DiskState {
  let { lastIndex, memberships } = state
  for (const entry of write.entries) {
    assert(entry.index === lastIndex + 1, `entry ${entry.index} after ${lastIndex}`)
    batch.put(logKey(entry.index), entry.bytes as Buffer)
    lastIndex = entry.index
    if (entry.type === 'membership') {
      const membership = decodeMembership(payloadOf(entry))
      memberships = [...memberships, { index: entry.index, membership }]
    }
  }
  return { ...state, lastIndex, memberships }
}

/**
 * Applied changes into the live generation. Changes from before a snapshot that the same batch
 * switches in belong to the generation it replaces, and are dropped with it.
 */
export function putChanges(batch: Batch, state: DiskState, changes: KvChanges): DiskState {
  const { live } = state
  if (changes.meta.applied < state.meta.applied) return state
  assert(changes.meta.applied <= state.lastIndex, 'applied beyond the log')
  // forEach: iterating a Map by `of` makes an array an entry.
  changes.records.forEach((record, text) => {
    const key = live.recordOfText(text)
    if (record === undefined) batch.del(key)
    else batch.put(key, record as Buffer)
  })
  for (const { time_ms, key, put } of changes.expiries) {
    const full = live.expiry(time_ms, key)
    if (put) batch.put(full, storedExpiry(full))
    else batch.del(full)
  }
  for (const [id, bytes] of changes.sessions) {
    const key = live.session(id)
    if (bytes === undefined) batch.del(key)
    else batch.put(key, seal(key, bytes))
  }
  batch.put(live.metaKey, seal(live.metaKey, encodeMeta(changes.meta)))
  return { ...state, meta: changes.meta }
}
