/**
 * The replica's figures for Prometheus, read when asked for: nothing is counted on the hot path
 * that the loop does not know anyway.
 */

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Replica } from './replica.ts'

/** Registers all figures of this replica. */
export function createMetrics(replica: Replica): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const status = () => replica.loop?.status()
  const gauge = (name: string, help: string, read: () => number | undefined) => {
    const metric = new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const value = read()
        if (value !== undefined) this.set(value)
      },
    })
    return metric
  }
  const counter = (name: string, help: string, read: () => number | undefined) => {
    const metric = new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(read() ?? 0)
      },
    })
    return metric
  }
  gauge('ordinal_term', 'Current term', () => status()?.term)
  gauge('ordinal_is_leader', '1 while this replica leads', () =>
    status()?.role === 'leader' ? 1 : 0,
  )
  gauge('ordinal_leader', 'Ordinal of the known leader, -1: none', () => replica.views.leader())
  gauge('ordinal_commit_index', 'Commit index', () => status()?.commit)
  gauge('ordinal_last_index', 'Last index of the log', () => status()?.lastIndex)
  gauge('ordinal_applied_index', 'Applied index', () => replica.loop?.meta().applied)
  gauge('ordinal_revision', 'Highest revision', () => replica.loop?.meta().revision)
  gauge('ordinal_keys', 'Keys stored', () => replica.loop?.meta().keys)
  gauge('ordinal_waiting_writes', 'Frames waiting', () => replica.loop?.counters.waitingWrites)
  gauge('ordinal_waiting_reads', 'Reads waiting', () => replica.loop?.counters.waitingReads)
  gauge('ordinal_api_links', 'Links from API servers', () => replica.lanes.size)
  gauge('ordinal_disk_free_bytes', 'Free space on the volume', () => replica.space?.free_bytes)
  gauge('ordinal_disk_used_bytes', 'Bytes in the data folder', () => replica.space?.used_bytes)
  gauge(
    'ordinal_applied_unsynced_bytes',
    'Bytes of applied changes that are in the log and in memory alone',
    () => replica.loop?.kv.unsynced_bytes,
  )
  counter('ordinal_entries_applied_total', 'Entries applied', () => replica.loop?.counters.entries)
  counter(
    'ordinal_commands_applied_total',
    'Commands applied',
    () => replica.loop?.counters.commands,
  )
  counter(
    'ordinal_repeated_results_total',
    'Retries that met a stored result',
    () => replica.loop?.counters.repeated,
  )
  counter('ordinal_proposals_total', 'Entries proposed', () => replica.loop?.counters.proposals)
  counter('ordinal_batches_total', 'Synced batches', () => replica.loop?.writer.batches)
  return registry
}
