/**
 * `ordinal replica`: one database process. Opens the disk (after its check), the peers' links and
 * the two HTTP ports, and hands them to a `Replica`.
 *
 * The order at the start: disk, peer port, replica, HTTP ports. At the end: hand the lead over,
 * close links and disk, exit.
 */

import { randomUUID } from 'node:crypto'
import closeWithGrace from 'close-with-grace'
import fastify from 'fastify'
import type { Logger } from 'pino'
import { DnsDiscovery } from '../database/peers/discovery.ts'
import { PeerSecret } from '../database/peers/secret.ts'
import { PeerTransport } from '../database/peers/transport.ts'
import { createReplicaFace } from '../database/replica/http/face.ts'
import { replicaProbes } from '../database/replica/http/probes.ts'
import { createMetrics } from '../database/replica/metrics.ts'
import type { Storage, StoredState } from '../database/replica/ports.ts'
import { Readiness } from '../database/replica/readiness.ts'
import { Replica, type ReplicaEvent } from '../database/replica/replica.ts'
import { systemClock } from '../shared/clock.ts'
import type { ReplicaConfig } from '../shared/config.ts'
import { ClusterError } from '../shared/errors.ts'
import { createLogger, roomLogger } from '../shared/logger.ts'
import { listenOn } from './http-port.ts'
import { openDisk } from './open-disk.ts'

/** Longer than any hand-over; then the process ends whatever happens. */
const STOP_MS_MAX = 20_000
const OBSERVE_EVERY_MS = 200

/** Runs until a signal. Rejects when the replica cannot start. */
export async function runReplica(config: ReplicaConfig): Promise<void> {
  const logger = createLogger(config.name, config)
  const log = roomLogger(logger, 'replica')
  const disk = await openDisk(config, roomLogger(logger, 'storage'))
  const secret = new PeerSecret({ file: config.peerSecretFile, log: roomLogger(logger, 'peers') })
  const transport = new PeerTransport({
    name: config.name,
    host: config.host,
    port: config.peerPort,
    discovery: new DnsDiscovery({
      service: config.service,
      namespace: config.namespace,
      clusterDomain: config.clusterDomain,
      servers: config.dnsServers.length > 0 ? config.dnsServers : undefined,
      replicaName: config.base,
    }),
    secret,
    log: roomLogger(logger, 'peers'),
  })
  const bound = await transport.listen()
  const replica = createReplica(config, {
    ...disk,
    transport,
    address: config.advertise ?? `${bound.host}:${bound.port}`,
    log,
  })
  const close = await serve(replica, config, { secret, log })
  await replica.start()
  log.info({ ordinal: config.ordinal, ...bound }, 'replica started')
  closeWithGrace({ delay: STOP_MS_MAX, logger: log }, async ({ err, signal }) => {
    if (err !== undefined) {
      log.fatal({ err }, 'unexpected failure')
      process.exit(1)
    }
    log.info({ signal }, 'stopping')
    await replica.drain()
    await close()
    log.info({}, 'stopped')
  })
}

type Parts = {
  readonly storage: Storage
  readonly stored: StoredState
  readonly notes: readonly string[]
  readonly transport: PeerTransport
  readonly address: string
  readonly log: Logger
}

function createReplica(config: ReplicaConfig, parts: Parts): Replica {
  const { storage, transport, log } = parts
  return new Replica({
    storage,
    stored: parts.stored,
    transport,
    clock: systemClock,
    random: Math.random,
    newId: randomUUID,
    name: config.name,
    address: parts.address,
    firstOrdinal: config.firstOrdinal,
    expected: config.replicas,
    timing: {
      electionTimeout_ms: config.electionTimeout_ms,
      heartbeat_ms: config.heartbeat_ms,
      stagger_ms: config.stagger_ms,
      handBackAfter_ms: config.handBackAfter_ms,
    },
    diskFreeMin_bytes: config.diskFreeMin_bytes,
    notes: parts.notes,
    onEvent: (event) => logEvent(log, event),
    onFatal: (error) => void end(error, storage, log),
  })
}

/** Damage is noted on the disk, so that the next start sets the data aside; then the end. */
async function end(error: unknown, storage: Storage, log: Logger): Promise<never> {
  log.fatal({ err: error }, 'this replica cannot go on')
  if (error instanceof ClusterError && error.code === 'data-damaged') {
    try {
      await storage.condemn(error.message)
    } catch (cause) {
      log.fatal({ err: cause }, 'the damage could not be noted on the disk')
    }
  }
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
  options: { secret: PeerSecret; log: Logger },
): Promise<() => Promise<void>> {
  const readiness = new Readiness(replica, systemClock)
  const registry = createMetrics(replica)
  const { name, host } = config
  const face = createReplicaFace({
    replica,
    name,
    logger: options.log,
    clock: systemClock,
    secret: options.secret,
    // A supervisor or kubelet starts it again.
    restart: () => process.exit(1),
  })
  const metrics = fastify({ logger: false })
  await face.register(replicaProbes, { replica, readiness, registry })
  await metrics.register(replicaProbes, { replica, readiness, registry })
  await listenOn(metrics, { name: 'metrics', host, port: config.metricsPort })
  await listenOn(face, { name: 'client', host, port: config.clientPort })
  const timer = setInterval(() => readiness.observe(), OBSERVE_EVERY_MS)
  return async () => {
    clearInterval(timer)
    await Promise.all([face.close(), metrics.close()])
  }
}
