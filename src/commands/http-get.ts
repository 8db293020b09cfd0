/** GETs for commands: a connection each, over TLS to whom this process trusts. */

import { isIP } from 'node:net'
import { Client } from 'undici'
import type { HttpAnswer, HttpGet } from '../doctor/http-get.ts'
import { ClusterError } from '../shared/errors.ts'
import { HTTP_ANSWER_BYTES_MAX } from '../shared/limits.ts'
import { tlsFailure } from '../shared/tls-failure.ts'

const TIMEOUT_MS = 3000

/** A GET. `ca`: PEM of whom to trust; undefined: whom Node trusts. */
export function createHttpGet(ca: string | undefined): HttpGet {
  return async (url, { token, servername }) => {
    const { origin, pathname, search, host, hostname } = new URL(url)
    const name = servername ?? (isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : undefined)
    const client = new Client(origin, {
      connect: {
        timeout: TIMEOUT_MS,
        ...(ca === undefined ? {} : { ca }),
        ...(name === undefined ? {} : { servername: name }),
      },
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      allowH2: false,
    })
    try {
      return await ask(client, `${pathname}${search}`, token)
    } catch (cause) {
      if (cause instanceof ClusterError) throw cause
      const refusal = tlsFailure(cause)
      const { message } = cause as Error
      if (refusal !== undefined)
        throw new ClusterError('tls-refused', `${host}: ${refusal}`, { cause })
      throw new ClusterError('no-replica', `${host}: ${message}`, { cause })
    } finally {
      await client.destroy()
    }
  }
}

async function ask(client: Client, path: string, token: string | undefined): Promise<HttpAnswer> {
  const sent_ms = Date.now()
  const from_ms = performance.now()
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await client.request({ path, method: 'GET', headers })
  const took_ms = performance.now() - from_ms
  let body = ''
  for await (const chunk of answer.body.setEncoding('utf8')) {
    body += chunk
    if (body.length > HTTP_ANSWER_BYTES_MAX) throw new Error('the answer is too long')
  }
  const date = Date.parse(String(answer.headers['date']))
  const date_ms = Number.isNaN(date) ? undefined : date
  return { status: answer.statusCode, body, date_ms, sent_ms, took_ms }
}
