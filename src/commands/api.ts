/**
 * `ordinal api`: one stateless API server. It listens on its own client port from the start, and on
 * the shared port (where the kernel balances, `ordinal local`) only while it is ready.
 *
 * At SIGTERM (DESIGN §9): not ready and still accepting for the shutdown delay, then the answers
 * under way go out with `connection: close`, then the end.
 */

import { randomUUID } from 'node:crypto'
import closeWithGrace from 'close-with-grace'
import { createApi } from '../api/create-api.ts'
import { createDialer } from '../database/peers/link-dialer.ts'
import { systemClock } from '../shared/clock.ts'
import type { ApiConfig } from '../shared/config.ts'
import { createLogger, roomLogger } from '../shared/logger.ts'
import { baseOf, openAccess } from './access.ts'
import { CRASH_SIGNALS } from './crash-signals.ts'
import { listenOn } from './http-port.ts'
import { SharedPort } from './shared-port.ts'

const DIAL_TIMEOUT_MS = 2000
/** Beyond the shutdown delay, for the answers under way. */
const STOP_MS_MAX = 15_000

/** Runs until a signal. Rejects when a port cannot be opened. */
export async function runApi(config: ApiConfig): Promise<void> {
  const logger = createLogger(config.name, config)
  const log = roomLogger(logger, 'api')
  const access = openAccess(config, { base: baseOf(config), log: roomLogger(logger, 'peers') })
  const incarnation = randomUUID()
  const api = createApi({
    name: config.name,
    clusterName: config.cluster,
    dialer: createDialer({
      identity: () => ({
        role: 'api',
        name: config.name,
        clusterName: config.cluster,
        clusterId: '',
        ordinal: -1,
        incarnation,
      }),
      secret: access.secret,
      tls: access.peerTls,
      timeout_ms: DIAL_TIMEOUT_MS,
    }),
    discovery: access.discovery,
    access: access.client,
    clock: systemClock,
    logger: log,
    processMetrics: true,
  })
  const { host, clientPort, metricsPort, sharedPort } = config
  await listenOn(api.probes, { name: 'metrics', host, port: metricsPort })
  await listenOn(api.app, { name: 'client', host, port: clientPort })
  const shared =
    sharedPort === undefined
      ? undefined
      : new SharedPort({
          app: api.app,
          host,
          port: sharedPort,
          ready: () => api.ready().ready,
          log,
        })
  log.info({ clientPort, metricsPort }, 'API server started')
  closeWithGrace(
    { delay: config.shutdownDelay_ms + STOP_MS_MAX, logger: log, skip: [...CRASH_SIGNALS] },
    async ({ err, signal }) => {
      if (err !== undefined) {
        log.fatal({ err }, 'unexpected failure')
        process.exit(1)
      }
      log.info({ signal }, 'stopping')
      await api.drain(config.shutdownDelay_ms)
      await shared?.close()
      await api.close()
      await api.probes.close()
      access.close()
      log.info({}, 'stopped')
    },
  )
}
