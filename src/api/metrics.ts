/**
 * What `/metrics` says. Counts that are kept per request stand in plain fields and are copied when
 * someone looks (DESIGN §12); only what happens per batch goes through the library at once.
 */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Admission } from '../shared/http/admission.ts'
import type { Face } from '../shared/http/face.ts'
import type { WriterMeters } from './writer.ts'

const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]

export type ApiMetrics = {
  readonly registry: Registry
  readonly writes: WriterMeters
  readonly reads: { batch(reads: number): void; retried(reads: number): void }
}

export type MetricsSources = {
  readonly face: Face
  readonly admission: Admission
  readonly waitingWrites: () => number
  readonly pendingReads: () => number
  readonly session: () => number
  readonly replicas: () => number
}

/** The registry of one API server. `process`: with figures of the process, once per process. */
export function createMetrics(sources: MetricsSources, process: boolean): ApiMetrics {
  const registry = new Registry()
  if (process) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })
  const registers = [registry]
  const batches = new Histogram({
    name: 'ordinal_api_batch_size',
    help: 'Commands or reads in one frame to a replica',
    labelNames: ['kind'] as const,
    buckets: BATCH_BUCKETS,
    registers,
  })
  const retries = new Counter({
    name: 'ordinal_api_retries_total',
    help: 'Commands or reads sent again after a lost link, a change of leader or a refusal',
    labelNames: ['kind'] as const,
    registers,
  })
  const repeated = new Counter({
    name: 'ordinal_api_repeated_results_total',
    help: 'Retried writes that met the stored result of their first execution',
    registers,
  })
  const sessions = new Counter({
    name: 'ordinal_api_sessions_opened_total',
    help: 'Sessions this server has opened',
    registers,
  })
  registerCopies(registers, sources)
  const writeBatches = batches.labels('write')
  const readBatches = batches.labels('read')
  const writeRetries = retries.labels('write')
  const readRetries = retries.labels('read')
  // A figure that is not there until something goes wrong cannot be watched.
  writeRetries.inc(0)
  readRetries.inc(0)
  return {
    registry,
    writes: {
      batch: (commands) => writeBatches.observe(commands),
      retried: (commands) => writeRetries.inc(commands),
      repeated: () => repeated.inc(),
      sessionOpened: () => sessions.inc(),
    },
    reads: {
      batch: (reads) => readBatches.observe(reads),
      retried: (reads) => readRetries.inc(reads),
    },
  }
}

function registerCopies(registers: Registry[], sources: MetricsSources): void {
  new Counter({
    name: 'ordinal_api_requests_total',
    help: 'Requests answered, by route and status',
    labelNames: ['method', 'route', 'status'] as const,
    registers,
    collect() {
      this.reset()
      for (const { method, path, byStatus } of sources.face.routes) {
        for (const [status, count] of byStatus) {
          this.inc({ method, route: path === '' ? 'none' : path, status: String(status) }, count)
        }
      }
    },
  })
  new Counter({
    name: 'ordinal_api_refused_requests_total',
    help: 'Requests refused because too many were waiting',
    registers,
    collect() {
      this.reset()
      this.inc(sources.admission.refused)
    },
  })
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  }
  gauge('ordinal_api_requests', 'Requests being answered', () => sources.admission.requests)
  gauge('ordinal_api_request_bytes', 'Bytes of values held', () => sources.admission.bytes)
  gauge('ordinal_api_queue_length', 'Writes that wait for a frame', sources.waitingWrites)
  gauge('ordinal_api_reads', 'Reads not answered yet', sources.pendingReads)
  gauge('ordinal_api_session', 'Number of the open session; 0: none', sources.session)
  gauge('ordinal_api_replicas', 'Replicas with an open link', sources.replicas)
}
