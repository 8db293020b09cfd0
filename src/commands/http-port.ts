/** Opening a port so that a person understands why it did not open. */

import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { ClusterError } from '../shared/errors.ts'

/** Listens; resolves to the port bound. Rejects with `port-in-use`, or `invalid-config`. */
export async function listenOn(
  app: FastifyInstance,
  options: { name: string; host: string; port: number; reusePort?: boolean },
): Promise<number> {
  const { name, ...where } = options
  try {
    await app.listen(where)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const place = `the ${name} port ${where.host}:${where.port}`
    if (code === 'EADDRINUSE') {
      throw new ClusterError('port-in-use', `${place} is in use by another process`, { cause })
    }
    throw new ClusterError('invalid-config', `${place} cannot be opened: ${message}`, { cause })
  }
  return (app.server.address() as AddressInfo).port
}
