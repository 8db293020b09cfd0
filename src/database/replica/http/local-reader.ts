/**
 * A replica's own answers to `/v1` reads: the same routes as the API tier's, over its own loop.
 */

import { ClusterError } from '../../../shared/errors.ts'
import type {
  AnswerSource,
  ListOutcome,
  ListRequest,
  ReadDone,
  Reader,
  ReadTerms,
} from '../../../shared/http/reader.ts'
import type { ClusterDocument } from '../../../shared/http/schemas.ts'
import { decodeRecord } from '../../kv/record.ts'
import type { Replica } from '../replica.ts'

const EMPTY = Buffer.alloc(0)

export class LocalReader implements Reader {
  readonly #replica: Replica
  readonly #name: string

  constructor(replica: Replica, name: string) {
    this.#replica = replica
    this.#name = name
  }

  read(key: Uint8Array, metadataOnly: boolean, terms: ReadTerms, done: ReadDone): void {
    const loop = this.#replica.loop
    if (loop === undefined) {
      const { code, message } = this.#replica.views.notInCluster()
      done(new ClusterError(code, message), undefined)
      return
    }
    loop.read(terms, {
      run: (age_ms) => {
        const bytes = loop.kv.get(key)
        const record = bytes === undefined ? undefined : decodeRecord(key, bytes)
        const shown = record !== undefined && metadataOnly ? { ...record, value: EMPTY } : record
        done(undefined, { record: shown, age_ms, source: this.#source() })
      },
      refuse: (code, message) => done(new ClusterError(code, message), undefined),
    })
  }

  async list(request: ListRequest): Promise<ListOutcome> {
    const { prefix, after, limit, terms } = request
    const answer = await this.#replica.views.list({ type: 'list', prefix, after, limit, ...terms })
    return { ...answer, source: this.#source() }
  }

  async cluster(): Promise<{ document: ClusterDocument; source: AnswerSource }> {
    const { views } = this.#replica
    const { problem, missing } = views.status()
    return { document: { ...views.cluster(), problem, missing }, source: this.#source() }
  }

  whoami(): Readonly<Record<string, unknown>> {
    const { ordinal, role, term } = this.#replica.views.status()
    return { name: this.#name, tier: 'database', ordinal, role, term }
  }

  #source(): AnswerSource {
    const { revision, history } = this.#replica.views.status()
    return { revision, history, servedBy: this.#name }
  }
}
