/** A client outside the cluster, who comes by a load balancer. */

import { request } from 'node:http'
import { allowDialing } from './dial-guard.ts'
import type { Kube } from './kube.ts'
import { until } from './until.ts'

const AT_ONCE = 20
const ANSWER_MS_MAX = 10_000

/** Until a Service has got an address from outside; from then on it may be dialed. */
export async function balancerAddress(kube: Kube, service: string, port = 80): Promise<string> {
  const ip = await until('the load balancer has an address', async () => {
    const { status } = await kube.get(service)
    return status.loadBalancer?.ingress?.[0]?.ip as string | undefined
  })
  allowDialing(ip, port)
  return `${ip}:${port}`
}

/** `count` requests, each on a new connection; counted by the API server that answered. */
export async function connections(
  address: string,
  target: string,
  count: number,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {}
  let left = count
  const worker = async () => {
    while (left > 0) {
      left -= 1
      const server = await servedBy(`http://${address}${target}`)
      counts[server] = (counts[server] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return counts
}

/** The first name in `Ordinal-Served-By`. Rejects unless the answer is a 200. */
function servedBy(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, timeout: ANSWER_MS_MAX }, (answer) => {
      answer.resume()
      const { statusCode, headers } = answer
      if (statusCode !== 200) return reject(new Error(`answered ${statusCode}`))
      return resolve(String(headers['ordinal-served-by']).split(',')[0] as string)
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.on('error', reject)
    sent.end()
  })
}
