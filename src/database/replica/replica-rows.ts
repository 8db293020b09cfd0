/**
 * The replicas of `GET /v1/cluster`, a row each, as one of them sees them: complete only of itself,
 * and of peers what consensus and the links tell. Without a membership, of those that have a name.
 */

import { membersOf } from '../consensus/membership.ts'
import { type CoreStatus, type MemberId, ordinalOf } from '../consensus/types.ts'
import type { ReplicaView } from '../kv/frame-types.ts'
import type { KvMeta } from '../kv/types.ts'
import type { DiskSpace, Identity, PeerStatus } from './ports.ts'

/** What the replica that looks knows. */
export type RowsOptions = {
  readonly name: string
  readonly identity: Identity
  /** undefined: it belongs to no cluster yet. */
  readonly status: CoreStatus | undefined
  readonly meta: KvMeta | undefined
  readonly space: DiskSpace | undefined
  readonly notes: readonly string[]
  readonly peers: readonly PeerStatus[]
  readonly nameOf: (ordinal: number) => string
  readonly hears: (member: MemberId) => boolean
}

/** By ordinal. */
export function replicaRows(options: RowsOptions): ReplicaView[] {
  const { identity, status, peers, nameOf } = options
  const rows = [ownRow(options)]
  const members = membersOf(status?.membership)
  for (const member of members) {
    if (member !== status?.self) rows.push(memberRow(member, options))
  }
  if (members.length === 0) {
    for (const peer of peers) {
      if (peer.ordinal !== identity.ordinal) rows.push(unknownRow(nameOf(peer.ordinal), peer))
    }
  }
  return rows.sort((a, b) => a.ordinal - b.ordinal)
}

function ownRow({ name, identity, status, meta, space, notes }: RowsOptions): ReplicaView {
  return {
    name,
    ordinal: identity.ordinal,
    role: status?.role ?? 'learner',
    incarnation: identity.incarnation,
    term: status?.term,
    lastIndex: status?.lastIndex,
    commitIndex: status?.commit,
    appliedIndex: meta?.applied,
    lag: undefined,
    revision: meta?.revision,
    diskUsedBytes: space?.used_bytes,
    diskFreeBytes: space?.free_bytes,
    hash: meta === undefined ? undefined : { index: meta.applied, value: meta.hash },
    electable: undefined,
    notes,
  }
}

function memberRow(member: MemberId, { status, nameOf, hears }: RowsOptions): ReplicaView {
  const learner = status?.membership?.learners.includes(member) === true
  const progress = status?.progress.find((each) => each.member === member)
  const role = !hears(member)
    ? 'unreachable'
    : member === status?.leader
      ? 'leader'
      : learner
        ? 'learner'
        : 'follower'
  return {
    ...emptyRow(nameOf(ordinalOf(member)), ordinalOf(member)),
    role,
    incarnation: member.slice(member.indexOf('/') + 1),
    lag: progress === undefined ? undefined : (status?.lastIndex ?? 0) - progress.match,
    electable: progress?.health.electable,
  }
}

function unknownRow(name: string, peer: PeerStatus): ReplicaView {
  const notes = peer.problem === undefined ? [] : [peer.problem]
  const role = peer.connected ? 'learner' : 'unreachable'
  return { ...emptyRow(name, peer.ordinal), role, incarnation: peer.hello?.incarnation, notes }
}

/** A replica of which only the name is known. */
function emptyRow(name: string, ordinal: number): ReplicaView {
  return {
    name,
    ordinal,
    role: 'unreachable',
    incarnation: undefined,
    term: undefined,
    lastIndex: undefined,
    commitIndex: undefined,
    appliedIndex: undefined,
    lag: undefined,
    revision: undefined,
    diskUsedBytes: undefined,
    diskFreeBytes: undefined,
    hash: undefined,
    electable: undefined,
    notes: [],
  }
}
