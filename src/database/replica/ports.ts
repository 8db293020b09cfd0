/**
 * What the replica's loop needs of the outside, as interfaces. `storage/` and `peers/` implement
 * them; a command (or the simulator) hands them in.
 */

import type { Link, PeerAddress } from '../../shared/link.ts'
import type { Entry } from '../consensus/entry.ts'
import type {
  MemberId,
  Membership,
  Message,
  Restored,
  SnapshotMeta,
  Write,
} from '../consensus/types.ts'
import type { KvChanges, KvMeta, RecordReader } from '../kv/types.ts'

/** Which replica a disk belongs to. */
export type Identity = {
  readonly ordinal: number
  /** UUID written when the disk was first formatted. */
  readonly incarnation: string
  /**
   * '' until the replica has adopted a cluster. For good once there is log content; a disk without
   * any only remembers that it, or the one set aside before it, was a member.
   */
  readonly clusterId: string
  readonly clusterName: string
}

/** All a replica starts from. */
export type StoredState = {
  readonly consensus: Restored
  readonly meta: KvMeta
  /** Encoded sessions, as `KvChanges.sessions` carried them. */
  readonly sessions: readonly { readonly id: number; readonly bytes: Uint8Array }[]
}

export type ListOptions = {
  readonly prefix: Uint8Array
  /** Only keys above this one, in byte order; undefined: from the start. */
  readonly after: Uint8Array | undefined
  readonly limit: number
  /**
   * Give only what stands before the value of each record (read it with `recordHeader`), so that a
   * page of large values costs no memory. The record's CRC was checked.
   */
  readonly headersOnly?: boolean
}

export type DiskSpace = { readonly free_bytes: number; readonly used_bytes: number }

/** A consistent picture of the applied state, streamed to a follower. Always `close()` it. */
export interface SnapshotSource {
  readonly meta: SnapshotMeta
  /** Encoded chunks of at most about 256 KiB each, ending with count and content hash. */
  chunks(): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

export interface Storage {
  readonly identity: Identity
  /** Persists (synced) the cluster this disk belongs to. Only from '', or with an empty log. */
  adopt(clusterId: string): Promise<void>
  /** Reads everything needed to start, checking chain and CRCs. Rejects with `data-damaged`. */
  load(): Promise<StoredState>
  /**
   * One atomic synced batch of consensus writes (in order) and applied changes. One at a time: a
   * call before the last resolved is a programmer error. Any rejection is final (DESIGN §6: after
   * the first write error nothing may be acknowledged): the process must end.
   */
  write(batch: { writes: readonly Write[]; changes: KvChanges | undefined }): Promise<void>
  /** Entries from `from`, at least one, up to about `bytes_max`; [] if `from` was compacted. */
  readEntries(from: number, bytes_max: number): Promise<Entry[]>
  /** Records on disk, of the live generation. */
  readonly records: RecordReader
  /** Keys with their records on disk, in byte order; `size_bytes` is the value's size. */
  list(options: ListOptions): Promise<{ key: Uint8Array; record: Uint8Array; size_bytes: number }[]>
  /** Keys on disk that expire at or before `time_ms`, earliest first. */
  expiring(time_ms: number, limit: number): Promise<{ key: Uint8Array; time_ms: number }[]>
  openSnapshot(): Promise<SnapshotSource>
  /** Receives a snapshot into a new generation and checks it; `Write.install` switches it in. */
  receiveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void>
  /**
   * Deletes log entries up to `index` in bounded batches, never above the applied index on disk.
   * Must not run beside `write`: the loop calls it in the writer's turn. Resolves to the index
   * actually reached (the new base).
   */
  compact(index: number): Promise<number>
  /** Deletes a bounded part of dead generations; true when nothing is left to delete. */
  sweep(): Promise<boolean>
  /** Reads a bounded part of all data, checking CRCs; rejects with `data-damaged`. */
  scrub(): Promise<void>
  space(): Promise<DiskSpace>
  /** Notes on the disk, outside LevelDB, that this data must be set aside at the next start. */
  condemn(reason: string): Promise<void>
  /**
   * `ordinal bootstrap --force`: one synced batch that gives this disk's data a new cluster id and
   * membership (this replica alone, a new incarnation), and keeps the whole log as committed.
   */
  forceBootstrap(membership: Membership, incarnation: string): Promise<void>
  close(): Promise<void>
}

/** What a replica tells its peers of itself, at each link and again when it changes. */
export type Hello = {
  readonly clusterName: string
  /** '': belongs to no cluster ("empty" if not `wasMember`). */
  readonly clusterId: string
  readonly ordinal: number
  readonly incarnation: string
  /** host:port of the own peer port, as seen by the others. */
  readonly address: string
  /** Newest format that this replica reads (formats.ts). */
  readonly format: number
  /** How many replicas this one was told the cluster starts with; 0: does not know. */
  readonly expected: number
  /** The newest content hash at a shared index (fingerprints.ts); index 0: none. */
  readonly fingerprint: { readonly index: number; readonly hash: string }
  /** The disk remembers a cluster, be it a former one: nobody forms a new one with it. */
  readonly wasMember: boolean
  /** It is about to be stopped; undefined: not that it knew. */
  readonly stopping?: Stopping | undefined
}

/**
 * `asks`: it stops as soon as the others are a quorum without it; `goes`: now; `leaves`: it votes
 * until it is removed, and stops for good then (scale-down).
 */
export type Stopping = 'asks' | 'goes' | 'leaves'

export type PeerStatus = {
  readonly ordinal: number
  readonly address: PeerAddress | undefined
  /** An own dialed link is up. */
  readonly connected: boolean
  /** The last hello heard, on any link. */
  readonly hello: Hello | undefined
  /** By the own monotonic clock; -1: never. */
  readonly heard_ms: number
  /** Why the last dial failed. */
  readonly problem: string | undefined
}

export type IncomingSnapshot = {
  readonly from: MemberId
  readonly term: number
  readonly meta: SnapshotMeta
  readonly chunks: AsyncIterable<Uint8Array>
}

/** Why one replica does not speak with another. */
export type RefusalCode = 'wrong-cluster' | 'removed-replica' | 'unauthorized' | 'tls-refused'

export type TransportHandlers = {
  /** A peer said hello (first, or changed). Return a refusal, or undefined. */
  onHello(hello: Hello): 'wrong-cluster' | 'removed-replica' | undefined
  /** This replica was refused by a peer; `tls-refused`: or refuses it. */
  onRefused(by: Hello | undefined, code: RefusalCode): void
  onMessage(message: Message): void
  /** Resolves when stored and checked; a rejection is told to the sender. */
  onSnapshot(snapshot: IncomingSnapshot): Promise<void>
  onUnreachable(member: MemberId): void
  /** An API server opened a link to this replica. */
  onApiLink(link: Link, name: string): void
}

export interface Transport {
  start(hello: Hello, handlers: TransportHandlers): Promise<void>
  /** Tells all peers of a changed hello. */
  announce(hello: Hello): void
  /** Queued on the link to this very identity, or dropped; never throws. */
  send(message: Message): void
  /** Streams a snapshot; resolves when the receiver has stored it. */
  sendSnapshot(
    to: MemberId,
    options: { from: MemberId; term: number; source: SnapshotSource },
  ): Promise<void>
  peers(): readonly PeerStatus[]
  close(): Promise<void>
}
