/** One request to a child, as a kubelet's probe: a new connection, a timeout, a bounded answer. */

import { request } from 'node:http'
import { PROBE_BODY_BYTES_MAX } from '../shared/limits.ts'
import { LOOPBACK } from './free-ports.ts'

export type ProbeAnswer = { readonly status: number; readonly body: string }

/** The answer, or undefined if there was none within `timeout_ms`. */
export function probe(
  port: number,
  path: string,
  timeout_ms: number,
  method: string = 'GET',
): Promise<ProbeAnswer | undefined> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeout_ms)
    const call = request({ host: LOOPBACK, port, path, method, agent: false, signal }, (answer) => {
      const parts: Buffer[] = []
      let size = 0
      answer.on('data', (part: Buffer) => {
        size += part.length
        if (size > PROBE_BODY_BYTES_MAX) answer.destroy()
        else parts.push(part)
      })
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }),
      )
      answer.on('close', () => resolve(undefined))
      answer.on('error', () => resolve(undefined))
    })
    // Refused, reset or too slow: all the same to a probe.
    call.on('error', () => resolve(undefined))
    call.end()
  })
}
