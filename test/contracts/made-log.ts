/** A log and a state as a replica would write them, made by hand for the tests of the storage. */

import { type Entry, makeEntry } from '../../src/database/consensus/entry.ts'
import { encodeMembership } from '../../src/database/consensus/membership.ts'
import type { Membership, SnapshotMeta, Write } from '../../src/database/consensus/types.ts'
import { ContentHash } from '../../src/database/kv/content-hash.ts'
import { decodeRecord, encodeRecord } from '../../src/database/kv/record.ts'
import type { KvChanges } from '../../src/database/kv/types.ts'
import type { Storage } from '../../src/database/replica/ports.ts'

export function membershipOf(...voters: string[]): Membership {
  const lists = { voters, learners: [], removed: [] }
  return { clusterId: 'cluster-1', history: 'history-1', ...lists, opened: true }
}

/** A write of consensus with only the given parts. */
export function writeOf(parts: Partial<Write>): Write {
  return {
    id: 1,
    hardState: undefined,
    truncateFrom: undefined,
    entries: [],
    install: undefined,
    ...parts,
  }
}

/** A log that grows at its end and can be cut, as consensus does it. */
export class MadeLog {
  readonly entries: Entry[] = []

  get last(): Entry | undefined {
    return this.entries.at(-1)
  }

  #next(type: Entry['type'], options: { term: number; payload: Uint8Array; count: number }): Entry {
    const last = this.last
    const entry = makeEntry(
      {
        index: (last?.index ?? 0) + 1,
        term: options.term,
        type,
        time_ms: (last?.time_ms ?? 1000) + 1,
        firstRevision: (last?.firstRevision ?? 1) + (last?.count ?? 0),
        count: options.count,
      },
      options.payload,
      last?.chain ?? 0,
    )
    this.entries.push(entry)
    return entry
  }

  membership(term: number, membership: Membership): Entry {
    return this.#next('membership', { term, payload: encodeMembership(membership), count: 0 })
  }

  /** `count` entries of one command each. */
  commands(term: number, count: number, payload: string | Buffer = 'payload'): Entry[] {
    const bytes = Buffer.from(payload)
    return Array.from({ length: count }, () =>
      this.#next('commands', { term, payload: bytes, count: 1 }),
    )
  }

  cut(from: number): void {
    const at = this.entries.findIndex((entry) => entry.index === from)
    if (at !== -1) this.entries.length = at
  }

  at(index: number): Entry {
    const found = this.entries.find((entry) => entry.index === index)
    if (found === undefined) throw new Error(`there is no entry ${index}`)
    return found
  }
}

/** What the state machine would hold, and the changes since they were last taken. */
export class MadeState {
  readonly records = new Map<string, Buffer>()
  readonly #hash = new ContentHash()
  #changed = new Map<string, Uint8Array | undefined>()
  #sessions = new Map<number, Uint8Array | undefined>()
  #expiries: { time_ms: number; key: Uint8Array; put: boolean }[] = []

  put(
    key: string,
    value: string | Buffer,
    options: { revision?: number; expires_ms?: number } = {},
  ): void {
    const { revision = 1, expires_ms = 0 } = options
    const bytes = encodeRecord(Buffer.from(key), {
      createRevision: revision,
      revision,
      version: 1,
      expires_ms,
      contentType: 'text/plain',
      value: Buffer.from(value),
    })
    const before = this.records.get(key)
    if (before !== undefined) this.#hash.minus(before)
    this.#hash.plus(bytes)
    this.records.set(key, bytes)
    this.#changed.set(Buffer.from(key).toString('latin1'), bytes)
    if (expires_ms > 0) {
      this.#expiries.push({ time_ms: expires_ms, key: Buffer.from(key), put: true })
    }
  }

  delete(key: string): void {
    const before = this.records.get(key)
    if (before === undefined) return
    this.#hash.minus(before)
    this.records.delete(key)
    this.#changed.set(Buffer.from(key).toString('latin1'), undefined)
    const { expires_ms } = decodeRecord(Buffer.from(key), before)
    if (expires_ms > 0) {
      this.#expiries.push({ time_ms: expires_ms, key: Buffer.from(key), put: false })
    }
  }

  session(id: number, text: string | undefined): void {
    this.#sessions.set(id, text === undefined ? undefined : Buffer.from(text))
  }

  /** The changes, as applied up to this entry. */
  take(entry: Entry): KvChanges {
    const changes: KvChanges = {
      meta: {
        applied: entry.index,
        appliedTerm: entry.term,
        revision: entry.firstRevision + entry.count - 1,
        time_ms: entry.time_ms,
        keys: this.records.size,
        hash: this.#hash.value,
      },
      records: this.#changed,
      expiries: this.#expiries,
      sessions: this.#sessions,
    }
    this.#changed = new Map()
    this.#sessions = new Map()
    this.#expiries = []
    return changes
  }
}

export function metaOf(entry: Entry, membership: Membership): SnapshotMeta {
  const { index, term, chain, time_ms, firstRevision, count } = entry
  return { index, term, chain, time_ms, nextRevision: firstRevision + count, membership }
}

/** Everything a storage holds, in a form to compare. */
export async function contentsOf(storage: Storage): Promise<unknown> {
  const { consensus, meta, sessions } = await storage.load()
  const { tail, ...rest } = consensus
  const records = await storage.list({ prefix: Buffer.alloc(0), after: undefined, limit: 100_000 })
  const expiring = await storage.expiring(Number.MAX_SAFE_INTEGER - 1, 100_000)
  return {
    ...rest,
    tail: tail.map(({ index, term, chain }) => ({ index, term, chain })),
    meta,
    sessions: sessions.map(({ id, bytes }) => [id, Buffer.from(bytes).toString()]),
    records: records.map(({ key, record }) => [
      Buffer.from(key).toString('latin1'),
      Buffer.from(record).toString('hex'),
    ]),
    expiring: expiring.map(({ key, time_ms }) => [time_ms, Buffer.from(key).toString()]),
  }
}
