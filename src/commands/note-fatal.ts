/** The last thing a replica does when it cannot go on; its process ends after it. */

import type { Logger } from 'pino'
import type { Storage } from '../database/replica/ports.ts'
import { ClusterError } from '../shared/errors.ts'

/** Damage is noted on the disk, so that the next start sets the data aside. Never rejects. */
export async function noteFatal(
  error: unknown,
  storage: Pick<Storage, 'condemn'>,
  log: Pick<Logger, 'fatal'>,
): Promise<void> {
  log.fatal({ err: error }, 'this replica cannot go on')
  if (!(error instanceof ClusterError) || error.code !== 'data-damaged') return
  try {
    await storage.condemn(error.message)
  } catch (cause) {
    log.fatal({ err: cause }, 'the damage could not be noted on the disk')
  }
}
