/**
 * A snapshot on its way in. It goes into the generation behind the live one, in bounded batches;
 * nothing names that generation until it was checked (count and content hash) and a `Write.install`
 * switches it in.
 *
 *   empty ──receive──► receiving ──checked──► received ──install──► empty (it is the live one now)
 *     ▲                    │ broken stream, wrong count or hash     │ another snapshot comes
 *     └────────────────────┴────────────────────────────────────────┘ (the old one goes first)
 */

import { assert } from '../../shared/assert.ts'
import { ClusterError } from '../../shared/errors.ts'
import { SWEEP_KEYS_MAX } from '../../shared/limits.ts'
import type { SnapshotMeta } from '../consensus/types.ts'
import { ContentHash } from '../kv/content-hash.ts'
import type { KvMeta } from '../kv/types.ts'
import type { Batch, CommitGate } from './commit-gate.ts'
import { type Database, GenerationLayout } from './layout.ts'
import { storedExpiry } from './record-reader.ts'
import { readChunk, type SnapshotEnd, type SnapshotRow } from './snapshot-format.ts'
import { encodeMeta, seal } from './stored-values.ts'
import { deleteRange } from './sweep.ts'

export class SnapshotReceiver {
  readonly #db: Database
  readonly #gate: CommitGate
  readonly #announce: (format: number) => Promise<void> | undefined
  #receiving = false
  #generation: GenerationLayout | undefined
  #received: { generation: GenerationLayout; meta: KvMeta } | undefined

  /** `announce` is called with the format of what comes, before any of it is stored. */
  constructor(
    db: Database,
    gate: CommitGate,
    announce: (format: number) => Promise<void> | undefined,
  ) {
    this.#db = db
    this.#gate = gate
    this.#announce = announce
  }

  /** Checked and waiting to be switched in. */
  get received(): { generation: GenerationLayout; meta: KvMeta } | undefined {
    return this.#received
  }

  /** Not to be swept: being received, or waiting to be switched in. */
  get generation(): GenerationLayout | undefined {
    return this.#generation
  }

  /** The received generation is the live one now. */
  installed(): void {
    this.#received = undefined
    this.#generation = undefined
  }

  /**
   * Rejects with `malformed-frame` when the stream is not what it says; then nothing of it counts.
   * (Never `data-damaged`: that is said of the own disk, and would set it aside.)
   */
  async receive(
    number: number,
    snapshot: { meta: SnapshotMeta; chunks: AsyncIterable<Uint8Array> },
  ): Promise<void> {
    assert(!this.#receiving, 'a snapshot is being received already')
    this.#receiving = true
    this.#received = undefined
    const generation = new GenerationLayout(number)
    this.#generation = generation
    try {
      await this.#clear(generation)
      const meta = await this.#store(generation, snapshot)
      this.#received = { generation, meta }
    } catch (error) {
      this.#generation = undefined
      throw error
    } finally {
      this.#receiving = false
    }
  }

  async #clear(generation: GenerationLayout): Promise<void> {
    const range = { gte: generation.start, lt: generation.end, limit: SWEEP_KEYS_MAX }
    while ((await deleteRange(this.#db, this.#gate, range)) > 0);
  }

  async #store(
    generation: GenerationLayout,
    snapshot: { meta: SnapshotMeta; chunks: AsyncIterable<Uint8Array> },
  ): Promise<KvMeta> {
    const hash = new ContentHash()
    let number = 0
    let rows = 0
    let keys = 0
    let end: SnapshotEnd | undefined
    for await (const bytes of snapshot.chunks) {
      if (end !== undefined) throw malformed('goes on behind its end')
      const chunk = readChunk(bytes, number)
      const announced = this.#announce(chunk.format)
      if (announced !== undefined) await announced
      number += 1
      rows += chunk.rows.length
      for (const row of chunk.rows) {
        if (row.type !== 'record') continue
        keys += 1
        addRecord(hash, row)
      }
      end = chunk.end
      if (chunk.rows.length > 0) {
        await this.#gate.commit((batch) => {
          for (const row of chunk.rows) putRow(batch, generation, row)
          return undefined
        })
      }
    }
    if (end === undefined) throw malformed('ended early')
    checkEnd(end, { meta: snapshot.meta, rows, keys, hash: hash.value })
    const { meta } = end
    await this.#gate.commit((batch) => {
      batch.put(generation.metaKey, seal(generation.metaKey, encodeMeta(meta)))
      return undefined
    })
    return meta
  }
}

function checkEnd(
  end: SnapshotEnd,
  seen: { meta: SnapshotMeta; rows: number; keys: number; hash: string },
): void {
  if (end.rows !== seen.rows || end.meta.keys !== seen.keys) {
    throw malformed(
      `has ${seen.rows} rows and ${seen.keys} keys, not ${end.rows}, ${end.meta.keys}`,
    )
  }
  if (end.meta.hash !== seen.hash) throw malformed(`has hash ${seen.hash}, not ${end.meta.hash}`)
  const { index, term } = seen.meta
  if (end.meta.applied !== index || end.meta.appliedTerm !== term) {
    throw malformed(`is at ${end.meta.applied}, not at ${index}`)
  }
}

function putRow(batch: Batch, generation: GenerationLayout, row: SnapshotRow): void {
  const prefix = generation.prefix(row.type)
  const key = Buffer.concat([prefix, row.key])
  switch (row.type) {
    case 'record':
      batch.put(key, row.value as Buffer)
      return
    case 'session':
      batch.put(key, seal(key, row.value))
      return
    case 'expiry':
      batch.put(key, storedExpiry(key))
      return
  }
}

function addRecord(hash: ContentHash, row: SnapshotRow): void {
  try {
    hash.add(row.key, row.value)
  } catch (cause) {
    throw new ClusterError('malformed-frame', 'the snapshot holds a damaged record', { cause })
  }
}

function malformed(what: string): ClusterError {
  return new ClusterError('malformed-frame', `the snapshot ${what}`)
}
