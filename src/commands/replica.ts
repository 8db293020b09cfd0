/**
 * `ordinal replica`: one database process. Opens the disk (after its check), the peers' links and
 * the two HTTP ports, and hands them to a `Replica`.
 *
 * The order at the start: disk, peer port, replica, HTTP ports. At the end: hand the lead over,
 * close links and disk, exit.
 */

import { randomUUID } from 'node:crypto'
import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import { PeerTransport } from '../database/peers/transport.ts'
import { createReplicaFace } from '../database/replica/http/face.ts'
import { createProbeServer, replicaProbes } from '../database/replica/http/probes.ts'
import { createMetrics } from '../database/replica/metrics.ts'
import type { Storage, StoredState, Transport } from '../database/replica/ports.ts'
import { Readiness } from '../database/replica/readiness.ts'
import { Replica } from '../database/replica/replica.ts'
import type { ReplicaEvent } from '../database/replica/replica-options.ts'
import { otherVoters, StopGuard } from '../database/replica/stop-guard.ts'
import { TimedStorage } from '../database/replica/timed-storage.ts'
import { type Clock, systemClock } from '../shared/clock.ts'
import type { ReplicaConfig } from '../shared/config.ts'
import { createLogger, roomLogger } from '../shared/logger.ts'
import { openAccess, type ProcessAccess } from './access.ts'
import { CRASH_SIGNALS } from './crash-signals.ts'
import { createFaults, type Faults } from './faults.ts'
import { listenOn } from './http-port.ts'
import { noteFatal } from './note-fatal.ts'
import { openDisk } from './open-disk.ts'
import { type Orchestration, openOrchestration } from './orchestration.ts'
import { ownAddress } from './own-address.ts'

/** Longer than any hand-over; then the process ends whatever happens. */
const STOP_MS_MAX = 20_000
const OBSERVE_EVERY_MS = 200
/** What is left of the grace when the guard in front of the stop gives way. */
const GRACE_LEFT_MS = 20_000

/** Runs until a signal. Rejects when the replica cannot start. */
export async function runReplica(config: ReplicaConfig): Promise<void> {
  const logger = createLogger(config.name, config)
  const log = roomLogger(logger, 'replica')
  const orchestration = openOrchestration(config, roomLogger(logger, 'kubernetes'))
  const disk = await openDisk(config, roomLogger(logger, 'storage'))
  const access = openAccess(config, { base: config.base, log: roomLogger(logger, 'peers') })
  const transport = new PeerTransport({
    name: config.name,
    host: config.host,
    port: config.peerPort,
    discovery: access.discovery,
    secret: access.secret,
    tls: access.peerTls,
    log: roomLogger(logger, 'peers'),
  })
  const bound = await transport.listen()
  const faults = createFaults({
    enabled: config.faults,
    name: config.name,
    dataFolder: config.data,
    log: roomLogger(logger, 'faults'),
  })
  const ports = faults.decorate({ storage: disk.storage, transport, clock: systemClock })
  const storage = new TimedStorage(ports.storage, systemClock)
  const replica = createReplica(config, {
    ...ports,
    storage,
    stored: disk.stored,
    // Asked each time: faults come and go.
    notes: () => [...disk.notes, ...faults.notes(), ...access.notes(), ...orchestration.notes()],
    orchestration,
    address: ownAddress({ ...config, bound }),
    log,
  })
  faults.attach(replica)
  orchestration.follow(replica, disk.notes)
  const guard = createGuard(replica, config, ports.transport)
  const diskTimes = () => storage.times
  const close = await serve(replica, config, { access, faults, guard, disk: diskTimes, log })
  await replica.start()
  log.info({ ordinal: config.ordinal, ...bound }, 'replica started')
  // Who leaves for good may have to wait for as long as the kubelet does.
  const patience_ms = orchestration.orchestrator === undefined ? 0 : config.grace_ms
  const delay = Math.max(STOP_MS_MAX, patience_ms)
  closeWithGrace({ delay, logger: log, skip: [...CRASH_SIGNALS] }, async ({ err, signal }) => {
    if (err !== undefined) {
      log.fatal({ err }, 'unexpected failure')
      process.exit(1)
    }
    log.info({ signal }, 'stopping')
    await replica.drain()
    await Promise.all([close(), orchestration.close()])
    access.close()
    log.info({}, 'stopped')
  })
}

type Parts = {
  readonly storage: Storage
  readonly stored: StoredState
  readonly notes: () => readonly string[]
  readonly transport: Transport
  readonly clock: Clock
  readonly address: string
  readonly orchestration: Orchestration
  readonly log: Logger
}

function createReplica(config: ReplicaConfig, parts: Parts): Replica {
  const { storage, transport, clock, orchestration, log } = parts
  return new Replica({
    storage,
    stored: parts.stored,
    transport,
    clock,
    random: Math.random,
    newId: randomUUID,
    name: config.name,
    address: parts.address,
    firstOrdinal: config.firstOrdinal,
    expected: config.replicas,
    orchestrator: orchestration.orchestrator,
    podManagement: config.podManagement,
    grace_ms: config.grace_ms,
    timing: {
      electionTimeout_ms: config.electionTimeout_ms,
      heartbeat_ms: config.heartbeat_ms,
      stagger_ms: config.stagger_ms,
      handBackAfter_ms: config.handBackAfter_ms,
    },
    diskFreeMin_bytes: config.diskFreeMin_bytes,
    get notes() {
      return parts.notes()
    },
    onEvent: (event) => {
      logEvent(log, event)
      orchestration.onEvent(event)
    },
    onFatal: (error) => void end(error, storage, log),
  })
}

/** Holds a stop back while it would break the quorum. */
function createGuard(replica: Replica, config: ReplicaConfig, transport: Transport): StopGuard {
  const { ordinal, grace_ms, electionTimeout_ms: silence_ms } = config
  return new StopGuard({
    clock: systemClock,
    ordinal,
    others: () => {
      const status = replica.loop?.status()
      if (status === undefined) return undefined
      return otherVoters(status, transport.peers(), { now_ms: systemClock.now_ms(), silence_ms })
    },
    tell: (stopping) => replica.tellStopping(stopping),
    departure: replica.departure,
    draining: () => replica.draining,
    hold_ms: Math.max(0, grace_ms - GRACE_LEFT_MS),
  })
}

async function end(error: unknown, storage: Storage, log: Logger): Promise<never> {
  await noteFatal(error, storage, log)
  process.exit(1)
}

function logEvent(log: Logger, event: ReplicaEvent): void {
  const { type, ...fields } = event
  if (type === 'diverged') log.error(fields, type)
  else if (type === 'refused' || type === 'transfer-failed') log.warn(fields, type)
  else log.info(fields, type)
}

async function serve(
  replica: Replica,
  config: ReplicaConfig,
  options: {
    access: ProcessAccess
    faults: Faults
    guard: StopGuard
    disk: () => unknown
    log: Logger
  },
): Promise<() => Promise<void>> {
  const readiness = new Readiness(replica, systemClock)
  const registry = createMetrics(replica)
  const { access, faults, guard, log } = options
  faults.register(registry)
  const { name, host } = config
  const face = createReplicaFace({
    replica,
    name,
    logger: log,
    clock: systemClock,
    access: access.client,
    secret: access.secret,
    faults: faults.face,
    // A supervisor or kubelet starts it again.
    restart: () => process.exit(1),
  })
  const probes = { replica, readiness, registry, faults: faults.status, disk: options.disk }
  await face.register(replicaProbes, probes)
  const metrics = await createProbeServer({ ...probes, guard, name, logger: log })
  await listenOn(metrics, { name: 'metrics', host, port: config.metricsPort })
  await listenOn(face, { name: 'client', host, port: config.clientPort })
  const timer = setInterval(() => readiness.observe(), OBSERVE_EVERY_MS)
  return async () => {
    clearInterval(timer)
    await Promise.all([face.close(), metrics.close()])
  }
}
