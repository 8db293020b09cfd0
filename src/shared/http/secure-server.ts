/** An HTTP server behind TLS, whose certificate is replaced while it serves. */

import type { RequestListener, Server, ServerOptions } from 'node:http'
import { createServer } from 'node:https'
import { TLS_HANDSHAKE_MS_MAX } from '../limits.ts'
import type { TlsFolder } from '../tls-folder.ts'

/** Makes the server. Connections that are up keep the certificate that they were made with. */
export function createSecureServer(
  tls: TlsFolder,
  options: ServerOptions,
  listener: RequestListener,
): Server {
  const { cert, key } = tls.material
  const handshakeTimeout = TLS_HANDSHAKE_MS_MAX
  const server = createServer({ ...options, cert, key, handshakeTimeout }, listener)
  const stop = tls.onChange((material) => {
    server.setSecureContext({ cert: material.cert, key: material.key })
  })
  server.once('close', stop)
  // The same methods and events; only its type knows of no relation.
  return server as unknown as Server
}
