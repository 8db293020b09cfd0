/** The API tier's `Reader`: single keys in batches, listings and pictures one by one. */

import type { ClusterView } from '../database/kv/frame-types.ts'
import type { Clock } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import type { Admission } from '../shared/http/admission.ts'
import type {
  AnswerSource,
  ListOutcome,
  ListRequest,
  ReadDone,
  Reader,
  ReadTerms,
} from '../shared/http/reader.ts'
import type { ClusterDocument } from '../shared/http/schemas.ts'
import { READ_ATTEMPT_MS_MAX } from '../shared/limits.ts'
import { mergeClusterViews } from './cluster.ts'
import { diagnose, refusalOf, refusalOfRead } from './diagnosis.ts'
import type { KeyReads } from './key-reads.ts'
import type { Replica, ReplicaPool } from './replica-pool.ts'
import type { ReplicaQueries } from './replica-queries.ts'

/** A replica that takes longer to paint its picture is shown as unreachable. */
const CLUSTER_ANSWER_MS_MAX = 1000
/** Pause before a listing asks another replica. */
const LIST_RETRY_MS = 20

export type ReplicaReaderOptions = {
  readonly name: string
  readonly clusterName: string
  readonly pool: ReplicaPool
  readonly reads: KeyReads
  readonly queries: ReplicaQueries
  readonly admission: Admission
  readonly clock: Clock
}

export class ReplicaReader implements Reader {
  readonly #options: ReplicaReaderOptions

  constructor(options: ReplicaReaderOptions) {
    this.#options = options
  }

  read(key: Uint8Array, metadataOnly: boolean, terms: ReadTerms, done: ReadDone): void {
    const { admission, reads } = this.#options
    const refusal = admission.enter(0)
    if (refusal !== undefined) {
      done(asRead(refusal), undefined)
      return
    }
    reads.submit(key, metadataOnly, terms, (error, answer) => {
      admission.leave(0)
      done(error, answer)
    })
  }

  async list(request: ListRequest): Promise<ListOutcome> {
    return this.#admitted(() => this.#list(request))
  }

  async cluster(): Promise<{ document: ClusterDocument; source: AnswerSource }> {
    return this.#admitted(() => this.#cluster())
  }

  whoami(): Readonly<Record<string, unknown>> {
    const { name, clusterName } = this.#options
    return { name, tier: 'api', cluster: clusterName }
  }

  async #admitted<T>(run: () => Promise<T>): Promise<T> {
    const refusal = this.#options.admission.enter(0)
    if (refusal !== undefined) throw asRead(refusal)
    try {
      return await run()
    } finally {
      this.#options.admission.leave(0)
    }
  }

  async #list(request: ListRequest): Promise<ListOutcome> {
    const { pool, queries, clock } = this.#options
    const { prefix, after, limit, terms } = request
    const deadline_ms = clock.now_ms() + terms.timeout_ms
    const tooStale = new Set<Replica>()
    let last: ClusterError | undefined
    for (;;) {
      const left_ms = deadline_ms - clock.now_ms()
      if (left_ms <= 0) {
        throw lastWord(last) ?? refusalOfRead(diagnose(pool), terms, pool.revision)
      }
      const replica = pool.pick(terms.consistency, (one) => !tooStale.has(one))
      if (replica === undefined) {
        if (last?.code === 'too-stale') throw last
        await this.#pause(Math.min(left_ms, LIST_RETRY_MS))
        continue
      }
      const timeout_ms = Math.ceil(Math.min(left_ms, READ_ATTEMPT_MS_MAX))
      const query = { type: 'list', prefix, after, limit, ...terms, timeout_ms } as const
      try {
        const reply = await queries.ask(replica, query, timeout_ms)
        if (reply.type !== 'list') throw new ClusterError('malformed-frame', 'not a listing')
        const { history } = replica.status
        const source = { revision: reply.answer.revision, history, servedBy: replica.servedBy }
        return { ...reply.answer, source }
      } catch (error) {
        if (!(error instanceof ClusterError) || error.code === 'shutting-down') throw error
        last = error
        if (error.code === 'too-stale') tooStale.add(replica)
        else await this.#pause(Math.min(left_ms, LIST_RETRY_MS))
      }
    }
  }

  async #cluster(): Promise<{ document: ClusterDocument; source: AnswerSource }> {
    const { pool, queries, name } = this.#options
    const views = new Map<number, ClusterView>()
    const asked = pool.replicas.map(async (replica) => {
      const reply = await queries.ask(replica, { type: 'cluster' }, CLUSTER_ANSWER_MS_MAX)
      if (reply.type === 'cluster') views.set(replica.ordinal, reply.answer)
    })
    await Promise.allSettled(asked)
    const merged = mergeClusterViews(views)
    if (merged === undefined) throw refusalOf(diagnose(pool))
    const names = pool.replicas.filter((one) => views.has(one.ordinal)).map((one) => one.name)
    const servedBy = [name, ...names].join(', ')
    const source = { revision: merged.revision, history: merged.history, servedBy }
    const { code, missing } = diagnose(pool)
    // Of a leader without a problem there is only to say that nothing was asked of it in time.
    const problem = code === 'deadline-exceeded' ? undefined : code
    return { document: { ...merged, problem, missing }, source }
  }

  #pause(delay_ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(delay_ms, resolve))
  }
}

/** Reads have no outcome. */
function asRead(error: ClusterError): ClusterError {
  return new ClusterError(error.code, error.message)
}

/** Of all refusals these say more than that time ran out. */
function lastWord(error: ClusterError | undefined): ClusterError | undefined {
  return error?.code === 'revision-not-reached' ? error : undefined
}
