/**
 * From an opened database to a storage: an empty one is formatted, any other must be this very
 * replica's of this very cluster.
 */

import { ClusterError } from '../../shared/errors.ts'
import { FORMAT_OLDEST } from '../../shared/formats.ts'
import { EMPTY_CONTENT_HASH } from '../kv/content-hash.ts'
import type { KvMeta } from '../kv/types.ts'
import type { DiskSpace, Identity, Storage } from '../replica/ports.ts'
import { CommitGate } from './commit-gate.ts'
import { readSealed } from './disk-state.ts'
import { openSurroundings } from './folder.ts'
import {
  BASE_KEY,
  type Database,
  GenerationLayout,
  HARD_STATE_KEY,
  IDENTITY_KEY,
  LIVE_KEY,
} from './layout.ts'
import { LevelStorage, type Surroundings } from './storage.ts'
import {
  decodeIdentity,
  encodeBase,
  encodeGeneration,
  encodeHardState,
  encodeIdentity,
  encodeMeta,
  seal,
} from './stored-values.ts'

export type OpenOptions = {
  /** The data folder that prepareFolder made ready; undefined: the database has none (tests). */
  readonly folder: string | undefined
  readonly identity: {
    readonly ordinal: number
    readonly clusterName: string
    readonly newIncarnation: () => string
    /** The cluster that a set-aside predecessor of this disk belonged to. */
    readonly clusterId?: string
  }
  /** Bytes of the ballast file, for tests; BALLAST_BYTES otherwise. */
  readonly ballast_bytes?: number
  /** Stand-ins for what a folder gives, where there is none. */
  readonly space?: () => Promise<DiskSpace>
  readonly condemn?: (reason: string) => Promise<void>
  readonly rememberCluster?: (identity: Identity) => Promise<void>
  readonly raiseFormat?: (format: number) => Promise<void>
}

/** The state of a replica that has applied nothing. */
const NOTHING_APPLIED: KvMeta = {
  applied: 0,
  appliedTerm: 0,
  revision: 0,
  time_ms: 0,
  keys: 0,
  hash: EMPTY_CONTENT_HASH,
}

const FIRST_BASE = {
  index: 0,
  term: 0,
  chain: 0,
  time_ms: 0,
  nextRevision: 1,
  membership: undefined,
}

/**
 * Opens the storage on a database whose keys and values are buffers. Rejects with `wrong-replica`,
 * `wrong-cluster`, `format-too-new` (all untouched), `data-damaged`, `storage-failed`.
 */
export async function openStorage(db: Database, options: OpenOptions): Promise<Storage> {
  const stored = readSealed(db, IDENTITY_KEY)
  if (stored === undefined && !(await isEmpty(db))) {
    throw new ClusterError('data-damaged', 'the disk holds data and no identity')
  }
  if (stored !== undefined) checkIdentity(decodeIdentity(stored), options.identity)
  const identity = stored === undefined ? await format(db, options) : decodeIdentity(stored)
  const surroundings = await surroundingsOf(options)
  await surroundings.rememberCluster(identity)
  return new LevelStorage(db, { identity, surroundings })
}

async function isEmpty(db: Database): Promise<boolean> {
  return (await db.keys({ limit: 1 }).all()).length === 0
}

function checkIdentity(found: Identity, wanted: OpenOptions['identity']): void {
  if (found.ordinal !== wanted.ordinal) {
    throw new ClusterError(
      'wrong-replica',
      `this disk belongs to the replica with ordinal ${found.ordinal}, not ${wanted.ordinal}`,
    )
  }
  if (found.clusterName !== wanted.clusterName) {
    throw new ClusterError(
      'wrong-cluster',
      `this disk belongs to the cluster "${found.clusterName}", not "${wanted.clusterName}"`,
    )
  }
}

/** One synced batch: a disk is formatted wholly or not at all. */
async function format(db: Database, options: OpenOptions): Promise<Identity> {
  const { ordinal, clusterName, newIncarnation, clusterId } = options.identity
  const identity = {
    ordinal,
    incarnation: newIncarnation(),
    clusterId: clusterId ?? '',
    clusterName,
  }
  const live = new GenerationLayout(1)
  await new CommitGate(db).commit((batch) => {
    batch.put(HARD_STATE_KEY, seal(HARD_STATE_KEY, encodeHardState({ term: 0, vote: '' })))
    batch.put(BASE_KEY, seal(BASE_KEY, encodeBase(FIRST_BASE)))
    batch.put(LIVE_KEY, seal(LIVE_KEY, encodeGeneration(live.number)))
    batch.put(live.metaKey, seal(live.metaKey, encodeMeta(NOTHING_APPLIED)))
    batch.put(IDENTITY_KEY, seal(IDENTITY_KEY, encodeIdentity(identity)))
    return undefined
  })
  return identity
}

async function surroundingsOf(options: OpenOptions): Promise<Surroundings> {
  const { folder, ballast_bytes, space, condemn, rememberCluster, raiseFormat } = options
  if (folder !== undefined) return openSurroundings(folder, ballast_bytes)
  return {
    format: FORMAT_OLDEST,
    raiseFormat: raiseFormat ?? (async () => undefined),
    space: space ?? (async () => ({ free_bytes: Number.MAX_SAFE_INTEGER, used_bytes: 0 })),
    condemn: condemn ?? (async () => undefined),
    rememberCluster: rememberCluster ?? (async () => undefined),
    close: async () => undefined,
  }
}
