/**
 * What one run is like: its shape, speeds, sizes and habits, all drawn from the seed. Runs differ
 * widely on purpose (swarm testing, Groce et al. 2012): a situation that needs a small log *and*
 * many restarts comes about because some run has both.
 */

import type { Limits } from './adjustable-limits.ts'
import { Chance } from './chance.ts'
import type { NetworkOptions } from './network.ts'

export type Parameters = {
  readonly replicas: number
  readonly apis: number
  readonly clients: number
  readonly timing: {
    readonly electionTimeout_ms: number
    readonly heartbeat_ms: number
    readonly stagger_ms: number
    readonly handBackAfter_ms: number
  }
  readonly network: NetworkOptions
  readonly disk: {
    readonly sync_ms: number
    readonly jitter_ms: number
    readonly slowReads: number
  }
  readonly limits: Limits
  /** Clocks run wrong by up to this share. */
  readonly drift: number
  /** Wall clocks are wrong by up to this much, ms. */
  readonly skew_ms: number
  readonly workload: Workload
  /** More disks may be lost than a cluster must survive: then only safety is asked for. */
  readonly beyondBudget: boolean
  /** Faults come until then; ms. */
  readonly active_ms: number
}

export type Workload = {
  readonly keys: number
  /** Pause of a client between two operations, ms on average. */
  readonly think_ms: number
  /** Shares of operations; the rest are linearizable reads. */
  readonly puts: number
  readonly deletes: number
  readonly staleReads: number
  /** Share of writes with a condition, and of puts with a short life. */
  readonly conditional: number
  readonly mortal: number
  readonly ttl_ms: number
  /** Times that clients give their operations, ms. */
  readonly timeouts_ms: readonly number[]
  /** Bytes that values are made longer by, at most. */
  readonly padding_bytes: number
  /**
   * How long clients begin nothing after a change of leader, ms: a new leader's log then stays
   * shorter for a while than what the deposed one holds.
   */
  readonly hush_ms: number
}

/** About how long a run is, ms. */
const RUN_MS = 60_000

export function drawParameters(seed: number): Parameters {
  const chance = new Chance(seed, 'parameters')
  const shape = chance.random()
  const clients = 4 + chance.below(9)
  const heartbeat_ms = chance.pick([50, 100, 100, 150])
  const electionTimeout_ms = heartbeat_ms * chance.pick([6, 8, 10, 10])
  return {
    replicas: shape < 0.08 ? 1 : shape < 0.72 ? 3 : 5,
    apis: chance.pick([1, 2, 2, 3]),
    clients,
    timing: {
      electionTimeout_ms,
      heartbeat_ms,
      stagger_ms: chance.pick([80, 150]),
      handBackAfter_ms: chance.pick([800, 1500, 3000]),
    },
    network: drawNetwork(chance),
    disk: {
      sync_ms: chance.pick([0.3, 1, 3, 8, 25]),
      jitter_ms: chance.pick([0.2, 2, 10]),
      slowReads: chance.pick([0, 0.1, 0.5]),
    },
    limits: drawLimits(chance),
    drift: chance.pick([0, 0.001, 0.01, 0.02]),
    skew_ms: chance.pick([0, 50, 5000, 200_000]),
    workload: drawWorkload(chance, clients),
    beyondBudget: chance.happens(0.06),
    active_ms: chance.between(45_000, 60_000),
  }
}

function drawNetwork(chance: Chance): NetworkOptions {
  const lossy = chance.happens(0.5)
  return {
    delay_ms: chance.pick([0.1, 0.3, 1, 5]),
    jitter_ms: chance.pick([0.1, 1, 10]),
    drop: lossy ? chance.pick([0, 0.002, 0.02, 0.1]) : 0,
    twice: lossy ? chance.pick([0, 0.002, 0.02]) : 0,
    late: lossy ? chance.pick([0, 0.001, 0.01, 0.05]) : 0,
    apiLate: chance.pick([0, 0, 0.001, 0.01]),
    held_ms: chance.pick([300, 3000, 30_000, 90_000]),
  }
}

function drawLimits(chance: Chance): Limits {
  const small = chance.happens(0.6)
  const append = chance.pick([600, 6000, 1024 * 1024])
  return {
    LOG_TRAILING_ENTRIES: small ? chance.pick([0, 0, 1, 5, 20, 60]) : 10_000,
    COMPACT_ENTRIES_MIN: chance.pick([1, 8, 30]),
    FINGERPRINT_EVERY_ENTRIES: chance.pick([4, 16, 64]),
    SESSIONS_MAX: chance.pick([3, 8, 256]),
    SESSION_RESULTS_MAX: chance.pick([12, 64, 16_384]),
    SESSION_IDLE_MS_MAX: chance.pick([1500, 5000, 600_000]),
    SNAPSHOT_CHUNK_BYTES: chance.pick([300, 2000, 256 * 1024]),
    SNAPSHOT_STALL_MS_MAX: chance.pick([1500, 5000]),
    SNAPSHOT_ANSWER_MS_MAX: chance.pick([3000, 10_000]),
    ENTRY_BYTES_MAX: chance.pick([400, 4000, 1024 * 1024]),
    APPEND_BYTES_MAX: append,
    LOG_CACHE_BYTES_MAX: chance.pick([1000, 20_000, 16 * 1024 * 1024]),
    INFLIGHT_APPENDS_MAX: chance.pick([2, 64]),
    INFLIGHT_BYTES_MAX: chance.pick([4000, 4 * 1024 * 1024]),
    // An append must fit, whatever chance says.
    LINK_QUEUE_BYTES_MAX: chance.pick([append * 2 + 20_000, 16 * 1024 * 1024]),
    LINK_SILENCE_MS_MAX: chance.pick([2000, 5000]),
    SWEEP_KEYS_MAX: chance.pick([3, 2048]),
    COMPACTION_ENTRIES_MAX: chance.pick([4, 8192]),
    RECENT_RECORDS_BYTES_MAX: chance.pick([0, 2000, 32 * 1024 * 1024]),
    SCRUB_BYTES_MAX: chance.pick([2000, 1024 * 1024]),
    CAUGHT_UP_ENTRIES: chance.pick([2, 64]),
    LOG_TIME_STEP_MS_MAX: chance.pick([1000, 60_000]),
    WRITE_FRAMES_MAX: chance.pick([1, 2, 16]),
    // Few: entries pile up behind one that is not committed, as they do under load.
    PIPELINE_COMMANDS_MIN: chance.pick([1, 1, 128]),
    ABANDONED_FRAMES_MAX: chance.pick([1, 64]),
    READ_ITEMS_MAX: chance.pick([2, 4096]),
    READ_REPLY_BYTES_MAX: chance.pick([200, 2 * 1024 * 1024]),
  }
}

function drawWorkload(chance: Chance, clients: number): Workload {
  const patient = chance.happens(0.4)
  return {
    keys: chance.pick([1, 3, 10, 60]),
    think_ms: (clients * RUN_MS) / chance.pick([700, 1000, 2000]),
    puts: chance.pick([0.3, 0.5, 0.7]),
    deletes: chance.pick([0, 0.05, 0.1]),
    staleReads: chance.pick([0, 0.05, 0.15]),
    conditional: chance.pick([0, 0.2, 0.5]),
    mortal: chance.pick([0, 0, 0.1, 0.4]),
    ttl_ms: chance.pick([300, 2000, 10_000]),
    timeouts_ms: patient ? [5000] : chance.pick([[200, 5000], [50, 400, 2000], [800]]),
    padding_bytes: chance.pick([0, 20, 400]),
    hush_ms: chance.pick([0, 0, 2500]),
  }
}
