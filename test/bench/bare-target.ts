/**
 * The bare Fastify of `bare-fastify.ts` as a target.
 */

import { fileURLToPath } from 'node:url'
import manifest from 'fastify/package.json' with { type: 'json' }
import { freePorts, LOOPBACK } from '../../src/local/free-ports.ts'
import type { Crew } from './crew.ts'
import { checkKv } from './kv-check.ts'
import { kvRequests } from './requests.ts'
import { call, type Target, until } from './target.ts'

const START_MS_MAX = 15_000
const STOP_MS_MAX = 5000

/** Starts it and waits until it answers. */
export async function startBare(
  crew: Crew,
  options: { signal: AbortSignal; env: Readonly<Record<string, string>> },
): Promise<Target> {
  const [port = 0] = await freePorts(1)
  const url = `http://${LOOPBACK}:${port}`
  const member = crew.start({
    name: 'fastify',
    command: process.execPath,
    args: [fileURLToPath(new URL('./bare-fastify.ts', import.meta.url)), String(port)],
    env: options.env,
    channel: true,
    grace_ms: STOP_MS_MAX,
  })
  const waiting = {
    timeout_ms: START_MS_MAX,
    signal: options.signal,
    alive: () => member.requireRunning(),
  }
  await until('the bare Fastify answers', waiting, async () => {
    const headers = { 'content-type': 'application/octet-stream' }
    return await call(`${url}/v1/kv/first`, { method: 'PUT', body: 'x', headers })
  })
  return {
    name: 'fastify',
    about: `bare Fastify ${manifest.version}, one process, answers from memory`,
    ways: new Map([['direct', port]]),
    requests: kvRequests,
    processes: async () => [{ name: 'fastify', pid: member.pid }],
    counters: async () => undefined,
    check: () => checkKv(url),
  }
}
